import fc from 'fast-check'
import { MEGAPIXEL } from '#contract'
import type { Limits, Manifest, Offer, Order, OutputFormat, Range, RangeSize, ReferenceForm, SizeLimit, TierSize } from '#contract'

export const TASK_ID = '00000000-0000-4000-8000-000000000001'

/** A one-pixel PNG. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** The reference with a number, in a form; two numbers never give the same text. */
export function referenceAt(index: number, form: ReferenceForm): string {
  const payload = Buffer.concat([Buffer.from(PIXEL, 'base64'), Buffer.from(String(index))]).toString('base64')
  switch (form) {
    case 'url':
      return `https://images.example/reference-${index}.png`
    case 'data_uri':
      return `data:image/png;base64,${payload}`
    case 'base64':
      return payload
  }
}

/** The numbers a range allows. Without a step any number is legal; two decimals are enough to find a rounding. */
function inRange({ min, max, step }: Range, ceiling = Number.MAX_SAFE_INTEGER): fc.Arbitrary<number> {
  const top = Math.min(max, ceiling)
  if (step === undefined) return fc.integer({ min: Math.ceil(min * 100), max: Math.floor(top * 100) }).map((hundredths) => hundredths / 100)
  return fc.integer({ min: 0, max: Math.floor((top - min) / step) }).map((steps) => min + steps * step)
}

const LARGEST_SEED = BigInt('9223372036854775807')

/** Digits of the seeds a range allows, to the last one of 2^63−1. */
const seeds = ({ min, max }: Range): fc.Arbitrary<string> =>
  fc.bigInt({ min: BigInt(min), max: BigInt(max) < LARGEST_SEED ? BigInt(max) : LARGEST_SEED }).map(String)

export interface Pixels {
  readonly width: number
  readonly height: number
}

/** Sizes inside the limits, none with a side beyond `maxSide`. */
const legalSizes = (limit: RangeSize, maxSide: number): fc.Arbitrary<Pixels> => {
  const { width, height, max_pixels, min_pixels = 0, max_ratio = Number.POSITIVE_INFINITY } = limit
  const isWithin = (size: Pixels): boolean =>
    size.width * size.height >= min_pixels && Math.max(size.width / size.height, size.height / size.width) <= max_ratio
  return inRange(width, Math.min(maxSide, Math.floor((max_pixels ?? Number.MAX_SAFE_INTEGER) / height.min)))
    .chain((chosen) =>
      inRange(height, Math.min(maxSide, Math.floor((max_pixels ?? Number.MAX_SAFE_INTEGER) / chosen))).map((other) => ({
        width: chosen,
        height: other,
      })),
    )
    .filter(isWithin)
}

/** The limits of an offer that takes pixels. */
export function rangeSize(size: SizeLimit): RangeSize {
  if (size.kind !== 'range') throw new Error('this offer sells ratio × tier')
  return size
}

/** What an order says of its size. */
export type OrderedSize = Pick<Order, 'width' | 'height' | 'tier'>

/** Every shape at every resolution of an offer that sells those. */
export const tiersOf = (size: SizeLimit): readonly OrderedSize[] =>
  size.kind === 'range'
    ? []
    : size.tiers.flatMap(({ name, pixels }) =>
        size.aspect_ratios.map((aspectRatio) => ({
          tier: { name, aspectRatio, ...(pixels?.[aspectRatio] && { pixels: pixels[aspectRatio] }) },
        })),
      )

/** Those of which a square has no side beyond `maxSide`; the first resolution always. */
const tiersWithin = (size: TierSize, maxSide: number): readonly OrderedSize[] => {
  const tiers = size.tiers.filter(({ megapixels }, index) => index === 0 || megapixels * MEGAPIXEL <= maxSide ** 2)
  return tiersOf({ ...size, tiers })
}

/** A size every test can use: the legal one nearest to the given side, square where that is legal; the first tier where pixels are not taken. */
export const orderedSizeNear = (size: SizeLimit, side: number): OrderedSize =>
  size.kind === 'range' ? sizeNear(size, side) : (tiersOf(size)[0] ?? {})

/** A size every test can use: the legal one nearest to the given side, square where that is legal. */
export function sizeNear({ width, height, max_pixels, min_pixels = 0 }: RangeSize, wanted: number): Pixels {
  const side = Math.max(wanted, Math.ceil(Math.sqrt(min_pixels)) + (width.step ?? 1))
  const nearest = ({ min, max, step = 1 }: Range) => {
    const legal = min + Math.round((Math.min(Math.max(side, min), max) - min) / step) * step
    return legal > max ? legal - step : legal
  }
  const chosen = { width: nearest(width), height: nearest(height) }
  if (max_pixels !== null && chosen.width * chosen.height > max_pixels) throw new Error(`no legal size near ${side}`)
  return chosen
}

const maybe = <Value>(arbitrary: fc.Arbitrary<Value> | null): fc.Arbitrary<Value | undefined> =>
  arbitrary === null ? fc.constant(undefined) : fc.option(arbitrary, { nil: undefined })

/** Prompts with what breaks escaping: quotes, backslashes, line ends, other alphabets, emoji. Never one of the sandbox's stories. */
const prompts = ({ min_chars, max_chars }: Limits['prompt']): fc.Arbitrary<string> =>
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
    .map((text) => `an image of ${text.replaceAll('sandbox:', '')}`)
    .filter((text) => text.length >= min_chars && text.length <= max_chars)

const references = ({ max, forms }: Limits['reference_images']): fc.Arbitrary<readonly string[]> =>
  max === 0 || forms.length === 0
    ? fc.constant([])
    : fc
        .array(fc.constantFrom(...forms), { maxLength: max, size: 'max' })
        .map((chosen) => chosen.map((form, index) => referenceAt(index, form)))

/** Drops the fields that were not asked for: an order has no undefined in it. */
const present = <Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never

/** The least an offer accepts: a prompt, and a size where it insists on one. `options` come parsed from nothing. */
export function plainOrder(offer: Offer, options: unknown, overrides: Partial<Order> = {}): Order {
  const { size } = offer.limits
  return {
    taskId: TASK_ID,
    model: offer.model,
    providerModel: offer.providerModel,
    limits: offer.limits,
    prompt: 'a lighthouse at dusk',
    ...(size.kind === 'tier' || size.required ? orderedSizeNear(size, 512) : {}),
    references: [],
    count: 1,
    options,
    ...overrides,
  }
}

/** An order as the gateway makes it where a lost task is found by its address for callbacks: with one that names the task. */
export function withAddress({ shape }: Pick<Manifest, 'shape'>, order: Order): Order {
  if (shape?.name !== 'queue-by-returned-urls' || shape.listing === undefined) return order
  return { ...order, webhook: { url: `https://gate.example/hooks/${order.taskId}`, secret: 'a-callback-secret' } }
}

/** A file that loses nothing has no quality to order. */
export const isLossless = (format: OutputFormat | null): boolean => format === 'png'

/** Every order the limits of an offer allow, as far as its sides and its number of images are within the last two. */
export function legalOrders(offer: Offer, options: unknown, maxSide = 4096, maxCount = Number.POSITIVE_INFINITY): fc.Arbitrary<Order> {
  const { limits } = offer
  const sizes: fc.Arbitrary<OrderedSize> =
    limits.size.kind === 'tier' ? fc.constantFrom(...tiersWithin(limits.size, maxSide)) : legalSizes(limits.size, maxSide)
  return fc
    .record({
      taskId: fc.uuid({ version: 4 }),
      prompt: prompts(limits.prompt),
      size: limits.size.kind === 'tier' || limits.size.required ? sizes : maybe(sizes),
      references: references(limits.reference_images),
      seed: maybe(limits.seed && seeds(limits.seed)),
      count: fc.integer({ min: 1, max: Math.min(maxCount, limits.n.max) }),
      outputFormat: maybe<OutputFormat>(limits.output_format.values.length > 1 ? fc.constantFrom(...limits.output_format.values) : null),
      outputQuality: maybe(limits.output_quality && inRange(limits.output_quality)),
      safetyTolerance: maybe(limits.safety_tolerance && inRange(limits.safety_tolerance)),
      promptUpsampling: maybe(limits.prompt_upsampling.settable ? fc.boolean() : null),
      guidance: maybe(limits.guidance && inRange(limits.guidance)),
      steps: maybe(limits.steps && inRange(limits.steps)),
      quality: maybe(limits.quality ? fc.constantFrom(...limits.quality.values) : null),
    })
    .map(({ size, taskId, prompt, references: chosen, count, ...rest }) => ({
      ...plainOrder(offer, options, { taskId, prompt, references: chosen, count }),
      ...size,
      ...present(isLossless(rest.outputFormat ?? limits.output_format.default) ? { ...rest, outputQuality: undefined } : rest),
    }))
}
