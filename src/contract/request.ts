import { z } from 'zod'
import { AnyJson } from './json.ts'
import { Usd } from './money.ts'
import { readDataUri } from './data-uri.ts'
import { listOf } from './list-of.ts'
import { Background, OutputFormat, Quality } from './limits.ts'
import { parseUrl } from './url.ts'

export const MAX_PROMPT_CHARS = 32_000
export const MAX_REFERENCE_IMAGES = 16
export const MAX_IMAGES_PER_REQUEST = 20

const AspectRatio = z
  .string()
  .regex(/^[1-9]\d{0,3}:[1-9]\d{0,3}$/, 'must be two whole numbers joined by a colon, for example "3:2"')
  .meta({
    description: 'Shape instead of width and height, for example "3:2". With `megapixels` or alone (1 megapixel).',
    examples: ['3:2'],
  })

/** Says what is wrong with a value that is of the right type. */
const objection = (payload: z.core.ParsePayload, message: string): void =>
  void payload.issues.push({ code: 'custom', input: payload.value, message, continue: true })

/** Not white space, and not one of Unicode's invisible format characters. */
const VISIBLE = /[^\p{White_Space}\p{Cf}]/u

/** Empty only beside reference images: see `checkFieldsTogether`. Counted in code points. */
const Prompt = z
  .string()
  .check((payload) => {
    const { value } = payload
    const characters = value.length <= MAX_PROMPT_CHARS || value.length > 2 * MAX_PROMPT_CHARS ? value.length : Array.from(value).length
    if (characters > MAX_PROMPT_CHARS) objection(payload, `has ${characters} characters; at most ${MAX_PROMPT_CHARS} are taken`)
    else if (value !== '' && !VISIBLE.test(value)) objection(payload, 'holds only white space or invisible characters')
  })
  .meta({ description: 'What the image shows.', maxLength: MAX_PROMPT_CHARS })

const MAX_URL_CHARS = 2_000
const REFERENCE_FORMS = 'an https URL, a data: URI of an image, or { "image": "img_…" }'

/** A link stays as it is; a `data:` URI gets its one spelling, so that the same image is the same request. */
const ReferenceText = z.string().check((payload) => {
  const { value } = payload
  if (/^data:/i.test(value)) {
    const read = readDataUri(value)
    if (read.kind === 'image') payload.value = read.uri
    else objection(payload, read.reason)
    return
  }
  if (!/^https?:\/\//i.test(value)) return objection(payload, `must be ${REFERENCE_FORMS}`)
  if (value.length > MAX_URL_CHARS) objection(payload, `is a URL of more than ${MAX_URL_CHARS} characters`)
  else if (/\s/.test(value) || parseUrl(value) === null) objection(payload, 'is not a valid URL')
})

/** As a result shows it, too; what is known of it is read from the image itself. */
const StoredReference = z
  .strictObject({
    image: z.string().regex(/^img_[A-Za-z0-9]{1,64}$/, 'must be an id like "img_…"'),
    sha256: z.string().max(64).optional().meta({ description: 'As a result shows it; not read.' }),
    width: z.number().optional().meta({ description: 'As a result shows it; not read.' }),
    height: z.number().optional().meta({ description: 'As a result shows it; not read.' }),
  })
  .overwrite(({ image }) => ({ image }))

/** An `https:` URL, a `data:` URI, or an image this gateway has stored. Order is kept; none is ever dropped. */
export const ReferenceImage = z
  .union([ReferenceText, StoredReference], { error: `must be ${REFERENCE_FORMS}` })
  .meta({ id: 'ReferenceImage', description: REFERENCE_FORMS, examples: ['https://example.com/cat.png', { image: 'img_0197a1' }] })
export type ReferenceImage = z.infer<typeof ReferenceImage>

/** 2^63−1: the largest seed any vendor takes or returns. */
const MAX_SEED = 9_223_372_036_854_775_807n
const SEED_FORMS = 'a whole number from 0 to 9223372036854775807; beyond 9007199254740991 as a string of digits'

/** A number while a double holds it to the last digit, else its digits. */
export const Seed = z
  .union(
    [
      z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
      z
        .string()
        .refine((digits) => /^(0|[1-9]\d{0,18})$/.test(digits) && BigInt(digits) <= MAX_SEED, `must be ${SEED_FORMS}`)
        .meta({ pattern: '^(0|[1-9]\\d{0,18})$' }),
    ],
    { error: `must be ${SEED_FORMS}` },
  )
  .meta({
    id: 'Seed',
    description: 'Any seed this gateway returned can be sent back, as a number or as its digits.',
    examples: [42, '9223372036854775807'],
  })
export type Seed = z.infer<typeof Seed>

const ProviderList = listOf(z.string().min(1), 1, 50)

/** Routing for this one request; each key given overrides the configuration. */
export const RoutingPreference = z
  .strictObject({
    order: ProviderList.optional().meta({ description: 'Try these first, in this order.' }),
    only: ProviderList.optional().meta({ description: 'Use no other provider.' }),
    ignore: ProviderList.optional().meta({ description: 'Never use these.' }),
    sort: z.enum(['price', 'latency']).optional(),
    allow_fallbacks: z
      .boolean()
      .optional()
      .meta({ description: 'Default true: after a failure that cost nothing, the next provider is tried.' }),
    max_price_usd: Usd.optional().meta({
      description:
        'The most one generation may be quoted at: all its images, references and surcharge. In a comparison it bounds each row.',
    }),
  })
  .meta({ id: 'RoutingPreference' })
export type RoutingPreference = z.infer<typeof RoutingPreference>

export const WEBHOOK_EVENTS = ['generation.succeeded', 'generation.failed', 'generation.canceled'] as const

const Webhook = z
  .strictObject({
    url: z
      .string()
      .regex(/^https?:\/\/[^\s]{1,2000}$/i, 'must be an https URL')
      .refine((url) => !/\p{Cc}/u.test(url), 'must have no control characters'),
    events: listOf(z.enum(WEBHOOK_EVENTS), 1, WEBHOOK_EVENTS.length).optional(),
  })
  .meta({ id: 'Webhook', description: 'Called when the generation ends; signed as Standard Webhooks says.' })

const Metadata = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'must have at most 16 pairs')
  .meta({ description: 'Up to 16 string pairs: echoed, filterable, never sent to a provider.' })

/** Every field of a request but `provider_options`, whose shape the installed providers decide. */
export const requestFields = {
  model: z
    .string()
    .min(1)
    .max(200)
    .meta({ description: 'A model of GET /v1/models, an alias, or `provider/model` to pin one provider.', examples: ['flux-2-pro'] }),
  prompt: Prompt,
  width: z.number().int().min(1).max(65_536).optional().meta({ description: 'Pixels; together with height.' }),
  height: z.number().int().min(1).max(65_536).optional().meta({ description: 'Pixels; together with width.' }),
  aspect_ratio: AspectRatio.optional(),
  megapixels: z
    .number()
    .min(0.01)
    .max(100)
    .optional()
    .meta({ description: 'Size instead of width and height; 1 megapixel is 1,048,576 pixels.' }),
  reference_images: listOf(ReferenceImage, 0, MAX_REFERENCE_IMAGES).optional(),
  seed: Seed.optional(),
  n: z
    .number()
    .int()
    .min(1)
    .max(MAX_IMAGES_PER_REQUEST)
    .optional()
    .meta({ description: 'Images wanted, default 1. Fewer delivered is a result, not an error.' }),
  output_format: OutputFormat.optional().meta({ description: 'Default: the provider’s default.' }),
  output_quality: z.number().int().min(20).max(99).optional(),
  safety_tolerance: z
    .number()
    .int()
    .min(0)
    .max(6)
    .optional()
    .meta({ description: '0 is strictest, 6 loosest. Never loosened on the way.' }),
  prompt_upsampling: z.boolean().optional(),
  guidance: z.number().min(1.5).max(10).optional(),
  steps: z.number().int().min(1).max(50).optional(),
  quality: Quality.optional().meta({ description: 'Effort, where a model sells tiers of it.' }),
  background: Background.optional().meta({ description: '`transparent` needs png or webp.' }),
  mask: ReferenceImage.optional().meta({
    description:
      'What to repaint of the first reference image: PNG or WebP of its size, transparent where it is repainted. Never left out.',
  }),
  provider: RoutingPreference.optional(),
  on_unsupported: z
    .enum(['adapt', 'reject'])
    .optional()
    .meta({ description: 'Default "adapt": the nearest legal value is used and a warning says so.' }),
  webhook: Webhook.optional(),
  metadata: Metadata.optional(),
} as const

/** Rules over two fields, each naming the field that is wrong. */
export function checkFieldsTogether(
  request: {
    prompt?: unknown
    reference_images?: readonly unknown[] | undefined
    mask?: unknown
    background?: unknown
    output_format?: unknown
    width?: unknown
    height?: unknown
    aspect_ratio?: unknown
    megapixels?: unknown
  },
  context: z.RefinementCtx,
): void {
  const refuse = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
  if (request.prompt === '' && (request.reference_images ?? []).length === 0)
    refuse('prompt', 'is empty, which it may be only beside reference images')
  if (request.mask !== undefined && (request.reference_images ?? []).length === 0)
    refuse('mask', 'stands beside reference_images: it says what to repaint of the first of them')
  if (request.background === 'transparent' && request.output_format === 'jpeg')
    refuse('background', 'cannot be transparent in jpeg: leave output_format out, or ask for png or webp')
  const hasWidth = request.width !== undefined
  if (hasWidth !== (request.height !== undefined))
    refuse(hasWidth ? 'height' : 'width', 'is missing: width and height go together, send both or neither')
  if (!hasWidth && request.height === undefined) return
  if (request.aspect_ratio !== undefined) refuse('aspect_ratio', 'cannot stand beside width and height: send either those, or aspect_ratio')
  if (request.megapixels !== undefined) refuse('megapixels', 'cannot stand beside width and height: send either those, or megapixels')
}

/**
 * The strict request schema for the providers that are installed.
 * @param providerOptions each provider's own strict schema, by provider id
 */
export function requestSchema(providerOptions: Readonly<Record<string, z.ZodType>>) {
  const options = Object.fromEntries(Object.entries(providerOptions).map(([id, schema]) => [id, schema.optional()]))
  const provider_options = z
    .strictObject(options)
    .optional()
    .meta({ description: 'What one provider takes beyond these fields. Options of a provider that was not used become a warning.' })
  return z
    .strictObject({ ...requestFields, provider_options })
    .superRefine(checkFieldsTogether)
    .meta({ id: 'GenerationRequest' })
}

const plainFields = z.strictObject({ ...requestFields, provider_options: z.record(z.string(), z.record(z.string(), AnyJson)).optional() })
export type GenerationRequest = z.infer<typeof plainFields>

/** How the operator wants a model routed; at most one of these. Without any: cheapest first, unpriced last. */
export const RouteRule = z
  .strictObject({
    order: z.array(z.string()).min(1).optional(),
    sort: z.enum(['price', 'latency']).optional(),
    weights: z.record(z.string(), z.number().positive()).optional(),
  })
  .refine((rule) => Object.keys(rule).length <= 1, 'give one of order, sort or weights')
  .meta({ id: 'RouteRule' })
export type RouteRule = z.infer<typeof RouteRule>
