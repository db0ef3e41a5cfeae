import { z } from 'zod'
import { listOf, MAX_REFERENCE_IMAGES, OutputFormat, requestFields, Usd, usdFromDecimal } from '#contract'

/** Clients commonly give a tool call 60 seconds; the default answers before that. */
const DEFAULT_WAIT_S = 45
/** Clients that wait longer give up on an answer without headers after 300 seconds. */
const MAX_WAIT_S = 240

export const ProviderNames = listOf(z.string().min(1), 1, 50)

const Routing = z.strictObject({
  order: ProviderNames.optional().describe('First these, in this order.'),
  only: ProviderNames.optional().describe('No other providers.'),
  ignore: ProviderNames.optional().describe('Never these providers.'),
  sort: z.enum(['price', 'latency']).optional().describe('Cheapest or fastest first.'),
  allow_fallbacks: z.boolean().optional().describe('false: the first one only.'),
})

/** What an image may be asked for, in words for a model. Field names are those of POST /v1/generations. */
export const imageArguments = {
  model: requestFields.model.describe('Id from list_models, or "provider/id" to pin one. Never substituted.'),
  prompt: requestFields.prompt.describe('What the image shows; with reference_images, how to change them.'),
  width: requestFields.width.describe('Pixels, with height. Adjusted to the nearest size, with a warning.'),
  height: requestFields.height.describe('Pixels, with width.'),
  aspect_ratio: requestFields.aspect_ratio.describe('"16:9". Prefer it to width and height.'),
  megapixels: requestFields.megapixels.describe('With aspect_ratio; default 1. Larger costs more.'),
  reference_images: listOf(z.string().min(1), 0, MAX_REFERENCE_IMAGES)
    .optional()
    .describe('Images to edit or follow: https URL, "img_…" of a result, or data: URI.'),
  seed: requestFields.seed.describe('Repeats a result.'),
  n: requestFields.n.describe('Images, 1–20, default 1. Each is paid for.'),
  output_format: z.enum(OutputFormat.options).optional().describe('Default: the provider’s.'),
  output_quality: requestFields.output_quality.describe('Compression, from 20 to 99.'),
  safety_tolerance: requestFields.safety_tolerance.describe('0 strictest … 6. Never loosened.'),
  prompt_upsampling: requestFields.prompt_upsampling.describe('Let the provider rewrite the prompt.'),
  guidance: requestFields.guidance.describe('From 1.5 to 10, at some models.'),
  steps: requestFields.steps.describe('From 1 to 50, at some models.'),
  quality: requestFields.quality.describe('Effort, at models that sell tiers of it.'),
  background: requestFields.background.describe('"transparent" needs png or webp.'),
  mask: z.string().min(1).optional().describe('What to repaint of the first reference image, transparent in it; written like those.'),
  provider: Routing.optional().describe('Which providers may serve it. Default: cheapest first.'),
  on_unsupported: requestFields.on_unsupported.describe('"reject": only providers that honour every argument exactly.'),
  provider_options: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .optional()
    .describe('{"<provider>": {…}}: what one provider takes beyond these.'),
  metadata: requestFields.metadata.describe('String pairs kept with the result; group costs by them.'),
} as const

/** The arguments that a quote or a comparison lists by name; it takes the others of `generate` too. */
export const USUAL_ARGUMENTS = ['model', 'prompt', 'width', 'height', 'aspect_ratio', 'megapixels', 'reference_images', 'n'] as const

/** Dollars as agents write them: "0.10" or 0.1. */
const Dollars = z.preprocess((amount) => (typeof amount === 'number' ? decimalOf(amount) : amount), Usd)

/** What is no amount stays as it is, and is refused. */
function decimalOf(amount: number): unknown {
  try {
    return usdFromDecimal(amount)
  } catch {
    return amount
  }
}

export const ceilingOf = (what: string) =>
  Dollars.describe(`The most ${what} may be quoted at, in US dollars: "0.10". Dearer or unpriced is refused before anything is bought.`)

export const waitArgument = z
  .number()
  .int()
  .min(0)
  .max(MAX_WAIT_S)
  .default(DEFAULT_WAIT_S)
  .describe(`0–${MAX_WAIT_S}, default ${DEFAULT_WAIT_S}. What takes longer goes on; get_generation returns it.`)

export const idempotencyArgument = z
  .string()
  .min(1)
  .max(255)
  .optional()
  .describe('Your own text. The same key and arguments within 24 hours pay once.')

type Image = { readonly [Name in keyof typeof imageArguments]?: unknown } & {
  readonly reference_images?: readonly string[] | undefined
  readonly mask?: string | undefined
  readonly provider?: object | undefined
}

const referenceOf = (image: string): object | string => (image.startsWith('img_') ? { image } : image)

/** The arguments as a body of POST /v1/generations. `ceiling` is the most the request may be quoted at; null for none. */
export function bodyOf({ reference_images, mask, provider, ...image }: Image, ceiling: string | null): object {
  const routing = { ...provider, ...(ceiling === null ? {} : { max_price_usd: ceiling }) }
  return {
    ...image,
    ...(reference_images ? { reference_images: reference_images.map(referenceOf) } : {}),
    ...(mask === undefined ? {} : { mask: referenceOf(mask) }),
    ...(Object.keys(routing).length > 0 ? { provider: routing } : {}),
  }
}
