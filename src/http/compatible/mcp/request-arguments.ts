import { z } from 'zod'
import { MAX_REFERENCE_IMAGES, OutputFormat, requestFields, Usd } from '#contract'

/** Clients commonly give a tool call 60 seconds; the default answers before that. */
const DEFAULT_WAIT_S = 45
/** Clients that wait longer give up on an answer without headers after 300 seconds. */
const MAX_WAIT_S = 240

const ProviderNames = z.array(z.string().min(1)).min(1).max(50)

const Routing = z.strictObject({
  order: ProviderNames.optional().describe('Try these providers first, in this order; the others follow.'),
  only: ProviderNames.optional().describe('Use no other providers than these.'),
  ignore: ProviderNames.optional().describe('Never use these providers.'),
  sort: z.enum(['price', 'latency']).optional().describe('Cheapest first ("price") or fastest first ("latency").'),
  allow_fallbacks: z
    .boolean()
    .optional()
    .describe('Default true: when a provider fails without charging, the next one is tried. false: the first one only.'),
})

/** What an image may be asked for, in words for a model. Field names are those of POST /v1/generations. */
export const imageArguments = {
  model: requestFields.model.describe(
    'Model id from list_models, for example "flux-2-pro", or "provider/model" to use that provider only. Never substituted by another model.',
  ),
  prompt: requestFields.prompt.describe('What the image shows, in plain words. With reference_images: how to change or combine them.'),
  width: requestFields.width.describe(
    'Pixels; only together with height. Adjusted to the nearest size the provider can make, with a warning.',
  ),
  height: requestFields.height.describe('Pixels; only together with width.'),
  aspect_ratio: requestFields.aspect_ratio.describe(
    'Shape instead of width and height, for example "16:9". Prefer this unless exact pixels matter.',
  ),
  megapixels: requestFields.megapixels.describe('Size that goes with aspect_ratio, default 1. Larger usually costs more.'),
  reference_images: z
    .array(z.string().min(1))
    .max(MAX_REFERENCE_IMAGES)
    .optional()
    .describe(
      'Images to edit or follow, in order: each an https URL, an image id of an earlier result ("img_…"), or a data: URI of an image.',
    ),
  seed: requestFields.seed.describe('Repeats a result at the same provider with the same arguments. Leave out for variety.'),
  n: requestFields.n.describe('How many images, 1 to 20, default 1. Each is paid for.'),
  output_format: z.enum(OutputFormat.options).optional().describe('File format. Default: the provider’s own default.'),
  output_quality: requestFields.output_quality.describe('Compression quality for jpeg and webp, 20 to 99.'),
  safety_tolerance: requestFields.safety_tolerance.describe(
    'Content filter: 0 strictest, 6 loosest. Never loosened on the way. Leave out for the default.',
  ),
  prompt_upsampling: requestFields.prompt_upsampling.describe(
    'Let the provider rewrite the prompt into a richer one; prompt_used is the result.',
  ),
  guidance: requestFields.guidance.describe('How closely to follow the prompt, 1.5 to 10; only some models take it.'),
  steps: requestFields.steps.describe('Rendering steps, 1 to 50; only some models take it.'),
  provider: Routing.optional().describe('Which providers may serve it. Leave out to let the gateway choose, cheapest first.'),
  on_unsupported: requestFields.on_unsupported.describe(
    '"adapt" (default): use the nearest value a provider can honour, and warn. "reject": use only providers that honour every argument exactly.',
  ),
  provider_options: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .optional()
    .describe('Rarely needed: what one provider takes beyond these arguments, as {"<provider>": {…}}. Checked strictly.'),
  metadata: requestFields.metadata.describe(
    'Up to 16 string pairs kept with the result and usable to group costs; never sent to a provider.',
  ),
} as const

export const ceilingOf = (what: string) =>
  Usd.describe(
    `The most ${what} may be quoted at, in US dollars, as a decimal string such as "0.10". What is dearer or has no published price is refused before anything is bought. Call quote first when unsure.`,
  )

export const waitArgument = z
  .number()
  .int()
  .min(0)
  .max(MAX_WAIT_S)
  .default(DEFAULT_WAIT_S)
  .describe(
    `Seconds to wait for the end, 0 to ${MAX_WAIT_S}, default ${DEFAULT_WAIT_S}. What is not finished by then goes on; get_generation returns its end. Keep it below your client’s own time limit for a tool call.`,
  )

export const idempotencyArgument = z
  .string()
  .min(1)
  .max(255)
  .optional()
  .describe(
    'Any text of your own. Repeating a call with the same key and arguments within 24 hours finds what the first one began, and pays once.',
  )

type Image = { readonly [Name in keyof typeof imageArguments]?: unknown } & {
  readonly reference_images?: readonly string[] | undefined
  readonly provider?: object | undefined
}

/** The arguments as a body of POST /v1/generations. `ceiling` is the most the request may be quoted at; null for none. */
export function bodyOf({ reference_images, provider, ...image }: Image, ceiling: string | null): object {
  const routing = { ...provider, ...(ceiling === null ? {} : { max_price_usd: ceiling }) }
  return {
    ...image,
    ...(reference_images ? { reference_images: reference_images.map((image) => (image.startsWith('img_') ? { image } : image)) } : {}),
    ...(Object.keys(routing).length > 0 ? { provider: routing } : {}),
  }
}
