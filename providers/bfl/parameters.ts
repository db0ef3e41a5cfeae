import type { Json, JsonObject, Order, Warning } from '#contract'
import manifest from './manifest.json' with { type: 'json' }
import { referenceField } from './wire.ts'
import type { BflOptions, Dialect } from './wire.ts'

/** URLs go as they are, images as bare base64: the docs name no `data:` form. */
export function references(order: Order<BflOptions>, dialect: Dialect): JsonObject {
  const payloads = order.references.map((reference) => reference.replace(/^data:[^,]*,/, ''))
  switch (dialect.references) {
    case 'input_image':
      return Object.fromEntries(payloads.map((payload, index) => [referenceField(index), payload]))
    case 'image_prompt':
      return payloads[0] === undefined ? {} : { image_prompt: payloads[0] }
    case 'images':
      return payloads.length === 0 ? {} : { images: payloads }
  }
}

/** A shape, and its resolution where there are several; pixels stand elsewhere. */
export function shape({ tier }: Order<BflOptions>, dialect: Dialect): JsonObject {
  if (tier === undefined) return {}
  return {
    ...(tier.aspectRatio === undefined ? {} : { aspect_ratio: tier.aspectRatio }),
    ...(dialect.hasResolutions ? { resolution: tier.name } : {}),
  }
}

export function upsampling({ promptUpsampling }: Order<BflOptions>, dialect: Dialect): JsonObject {
  if (promptUpsampling === undefined) return {}
  switch (dialect.upsampling) {
    case 'prompt_upsampling':
      return { prompt_upsampling: promptUpsampling }
    case 'disable_pup':
      return promptUpsampling ? {} : { disable_pup: true }
    case 'none':
      return {}
  }
}

const OPTIONS = ['transparent_bg', 'input_image_blob_path', 'grounding', 'raw', 'image_prompt_strength', 'seed'] as const

/** The options this model takes, and a warning for each that it does not. */
export function optionsTaken(
  order: Order<BflOptions>,
  dialect: Dialect,
): { readonly taken: JsonObject; readonly warnings: readonly Warning[] } {
  const taken: Record<string, Json> = {}
  const warnings: Warning[] = []
  for (const name of OPTIONS) {
    const requested = order.options[name]
    if (requested === undefined) continue
    const reason = whyIgnored(name, order, dialect)
    if (reason === null) taken[name] = requested
    else warnings.push({ code: 'ignored_option', field: `provider_options.${manifest.id}.${name}`, requested, used: null, reason })
  }
  return { taken, warnings }
}

function whyIgnored(name: keyof BflOptions, order: Order<BflOptions>, dialect: Dialect): string | null {
  if (!dialect.options.includes(name)) return `${order.providerModel} does not take ${name}`
  if (name === 'image_prompt_strength' && order.references.length === 0) return 'it acts on a reference image, and the request has none'
  if (name === 'seed') return order.seed === undefined ? null : 'the request has a seed of its own'
  const hasAlpha = order.outputFormat === 'png' || order.outputFormat === 'webp'
  return name === 'transparent_bg' && order.options.transparent_bg === true && !hasAlpha
    ? 'transparent_bg needs output_format png or webp: JPEG has no alpha channel'
    : null
}
