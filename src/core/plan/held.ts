import { compareUsd, multiplyUsd, shareOfUsd, sumUsd } from '#contract'
import type { Applied, JsonObject, Offer, PriceRule, TokenPrice, Usd } from '#contract'
import { withSurcharge, type Price } from './price.ts'
import { billedMegapixels } from './size.ts'

/** What its caller chose of an order, and a quote cannot count. */
export interface Ordered {
  readonly prompt: string
  readonly options: JsonObject
  readonly applied: Applied
  /** Images in each paid task. */
  readonly tasks: readonly number[]
  /** References that are at the vendor, where nobody here sees them. */
  readonly unseen: number
}

/**
 * What is held of a budget for an order, where that is more than its quote; null where it is not, or there is none. A quote says what is likely,
 * and leaves out what only the vendor sees or counts. What is held bounds it, so that no key spends more than it has by what it asks for.
 */
export function heldBeyondQuote({ price, limits, surchargePercent }: Offer, quoted: Price | null, ordered: Ordered): Usd | null {
  if (price === null || quoted === null) return null
  const anImage = beyondQuote(price, limits, ordered)
  if (compareUsd(anImage, '0') === 0) return null
  const more = ordered.tasks.map((images) => withSurcharge({ amount: multiplyUsd(anImage, images), lines: [] }, surchargePercent).amount)
  return sumUsd([quoted.amount, ...more])
}

function beyondQuote(rule: PriceRule, limits: Offer['limits'], ordered: Ordered): Usd {
  switch (rule.kind) {
    case 'token':
      return uncountedTokens(rule, ordered)
    case 'megapixel': {
      // Priced as one megapixel each; so is an image that has the size of the first of them.
      const { unseen, applied } = ordered
      if (unseen === 0) return '0'
      const references = unseen * ((rule.reference_cap_mp ?? 1) - 1)
      const isOutputUnseen = applied.width === undefined && applied.tier === undefined
      const output = isOutputUnseen ? billedMegapixels({ width: mostPixels(limits.size), height: 1 }) - 1 : 0
      return sumUsd([multiplyUsd(rule.reference, references), multiplyUsd(rule.extra_output, output)])
    }
    case 'per_image':
    case 'per_tier':
      return '0'
  }
}

const mostPixels = (size: Offer['limits']['size']): number => (size.kind === 'range' ? size.max_pixels : null) ?? 1

const MILLION = 1_000_000

/**
 * A vendor that counts tokens bills those of the prompt as well, which are few in most orders and cost fifty times the image in some. No
 * tokenizer makes more tokens of a text than it has bytes; how many it makes, and whether the images of one task share them, is known when they
 * are counted, so each image is held for with all of them. Images that are shown on their way have tokens of their own.
 */
function uncountedTokens(
  { per_million: { text_input: text, image_output: output }, partial_tokens: each = 0 }: TokenPrice,
  ordered: Ordered,
): Usd {
  const shown = ordered.options['partial_images']
  return sumUsd([
    shareOfUsd(text ?? '0', Buffer.byteLength(ordered.prompt), MILLION),
    shareOfUsd(output ?? '0', typeof shown === 'number' ? shown * each : 0, MILLION),
  ])
}
