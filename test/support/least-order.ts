import type { Manifest, Order } from '#contract'

/**
 * The least that an order of one of a manifest's models holds, and what a test says beyond it.
 * @throws where the manifest has no such model
 */
export function leastOrder<Options>(
  manifest: Manifest,
  model: string,
  fields: Partial<Order<Options>> & Pick<Order<Options>, 'options'>,
): Order<Options> {
  const entry = manifest.models[model]
  if (!entry) throw new Error(`the manifest has no ${model}`)
  return {
    taskId: '00000000-0000-4000-8000-000000000001',
    model,
    providerModel: entry.provider_model,
    limits: entry.limits,
    prompt: 'a lighthouse at dusk',
    references: [],
    count: 1,
    ...fields,
  }
}
