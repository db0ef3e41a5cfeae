import type { Limits, Order } from '#contract'

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const SQUARE = 1024

export interface WantedOrder extends Pick<Order, 'model' | 'providerModel' | 'limits' | 'options'> {
  /** How many. */
  readonly references: number
  /** Whether it names an address for callbacks. */
  readonly webhook: boolean
}

/** An order with every field that an offer takes, which is translated to see what would be sent, and never sent. */
export function fullOrder({ model, providerModel, limits, options, references, webhook }: WantedOrder): Order {
  const { seed, output_format: format, output_quality: quality, safety_tolerance: safety, guidance, steps } = limits
  const [form = 'url'] = limits.reference_images.forms
  const image = form === 'url' ? 'https://images.example/1.png' : form === 'base64' ? PIXEL : `data:image/png;base64,${PIXEL}`
  const [outputFormat] = format.values
  return {
    taskId: '00000000-0000-4000-8000-000000000001',
    model,
    providerModel,
    limits,
    prompt: 'a lighthouse',
    ...sizeOf(limits),
    references: Array.from({ length: references }, () => image),
    count: 1,
    options,
    ...(seed !== null && { seed: '1' }),
    ...(outputFormat !== undefined && { outputFormat }),
    ...(quality !== null && { outputQuality: quality.max }),
    ...(safety !== null && { safetyTolerance: safety.default ?? safety.min }),
    ...(limits.prompt_upsampling.settable && { promptUpsampling: false }),
    ...(guidance !== null && { guidance: guidance.default ?? guidance.min }),
    ...(steps !== null && { steps: steps.default ?? steps.min }),
    ...(limits.quality !== undefined && { quality: limits.quality.values[0] ?? 'low' }),
    ...(limits.background !== undefined && { background: limits.background.values[0] ?? 'opaque' }),
    ...(webhook && { webhook: { url: 'https://images.example/callback', secret: 'secret' } }),
    ...(limits.mask === true && references > 0 && { mask: image }),
  }
}

/** About one megapixel, square. */
function sizeOf({ size }: Limits): Pick<Order, 'width' | 'height' | 'tier'> {
  if (size.kind === 'range') return { width: SQUARE, height: SQUARE }
  const tier = size.tiers.toSorted((left, right) => Math.abs(left.megapixels - 1) - Math.abs(right.megapixels - 1))[0]
  const ratio = size.aspect_ratios.includes('1:1') ? '1:1' : (size.aspect_ratios[0] ?? '1:1')
  const pixels = tier?.pixels?.[ratio]
  return { tier: { name: tier?.name ?? '', aspectRatio: ratio, ...(pixels && { pixels }) } }
}
