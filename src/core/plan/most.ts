import { compareUsd, shareOfUsd, sumUsd, type JsonObject, type Offer, type TokenPrice, type Usd } from '#contract'
import { withSurcharge } from './price.ts'

/** What a caller chooses and no quote has. */
interface Chosen {
  readonly prompt: string
  readonly images: number
  readonly options: JsonObject
}

const MILLION = 1_000_000
/** Image tokens that an image on its way adds, where vendors publish it. */
const PARTIAL_TOKENS = 100

/**
 * What a purchase may come to by what its caller chose, where that is more than its quote: the tokens of images alone are quoted, and those of a
 * long prompt cost many times as much as a small image. Undefined where the quote is all.
 */
export function mostOf(
  quoted: Usd,
  { price, surchargePercent }: Pick<Offer, 'price' | 'surchargePercent'>,
  chosen: Chosen,
): Usd | undefined {
  if (price?.kind !== 'token') return undefined
  const more = withSurcharge({ amount: beyondImages(price, chosen), lines: [] }, surchargePercent).amount
  return compareUsd(more, '0') > 0 ? sumUsd([quoted, more]) : undefined
}

/** No vendor makes more tokens of a text than it has bytes, and each image may read it anew. */
function beyondImages({ per_million: price }: TokenPrice, { prompt, images, options }: Chosen): Usd {
  const { partial_images: partials } = options
  const shown = typeof partials === 'number' ? partials : 0
  return sumUsd([
    shareOfUsd(price.text_input ?? '0', images * Buffer.byteLength(prompt), MILLION),
    shareOfUsd(price.image_output ?? '0', images * shown * PARTIAL_TOKENS, MILLION),
  ])
}
