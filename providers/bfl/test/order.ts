import { readFileSync } from 'node:fs'
import { Manifest } from '#contract'
import type { Order } from '#contract'
import type { BflOptions } from '../wire.ts'

export const manifest = Manifest.parse(JSON.parse(readFileSync(new URL('../manifest.json', import.meta.url), 'utf8')))

/** The least order for one of the manifest's models. */
export function orderOf(model: string, fields: Partial<Order<BflOptions>> = {}): Order<BflOptions> {
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
    options: {},
    ...fields,
  }
}
