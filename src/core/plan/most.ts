import { compareUsd, MEGAPIXEL, multiplyUsd, shareOfUsd, sumUsd, type Offer, type PriceRule, type Usd } from '#contract'
import { withSurcharge } from './price.ts'

/** What a caller chooses and no quote has. */
interface Chosen {
  readonly prompt: string
  readonly images: number
  /** Reference images that nobody here can see, since an option names them at the vendor: each is quoted as one megapixel. */
  readonly unseen: number
  /** Whether the image takes its size from such a one. */
  readonly isSizeUnseen: boolean
}

const MILLION = 1_000_000

/**
 * What a purchase may come to by what its caller chose, where that is more than its quote: the tokens of images alone are quoted, and those of a
 * long prompt cost many times as much as a small image. Undefined where the quote is all.
 */
export function mostOf(
  quoted: Usd,
  { price, limits, surchargePercent }: Pick<Offer, 'price' | 'limits' | 'surchargePercent'>,
  chosen: Chosen,
): Usd | undefined {
  const amount = sumUsd(price === null ? [] : beyondQuote(price, limits, chosen))
  const more = withSurcharge({ amount, lines: [] }, surchargePercent).amount
  return compareUsd(more, '0') > 0 ? sumUsd([quoted, more]) : undefined
}

function beyondQuote(price: PriceRule, { size }: Offer['limits'], { prompt, images, unseen, isSizeUnseen }: Chosen): Usd[] {
  switch (price.kind) {
    case 'token':
      // No vendor makes more tokens of a text than it has bytes, and each image may read it anew.
      return [shareOfUsd(price.per_million.text_input ?? '0', images * Buffer.byteLength(prompt), MILLION)]
    case 'megapixel': {
      const largest = size.kind === 'range' && isSizeUnseen ? Math.ceil((size.max_pixels ?? MEGAPIXEL) / MEGAPIXEL) : 1
      const read = images * unseen * ((price.reference_cap_mp ?? 1) - 1)
      return [multiplyUsd(price.extra_output, images * (largest - 1)), multiplyUsd(price.reference, read)]
    }
    case 'per_image':
    case 'per_tier':
      return []
  }
}
