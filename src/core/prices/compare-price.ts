import { compareUsd, multiplyUsd, type ListedPrice, type PriceRule, type Usd } from '#contract'
import type { ListedLine } from './read-price-list.ts'

export type PriceVerdict = 'agrees' | 'drift' | 'new_unit' | 'unpriced_here' | 'not_comparable'

/** What one line of a vendor's list says beside our rule. */
export interface PriceFinding {
  readonly verdict: PriceVerdict
  /** The line's own words. */
  readonly line: string
  readonly published: Usd | null
  /** The amounts of our rule that the line may be; none where our rule has nothing of the kind. */
  readonly ours: readonly Usd[]
}

/** Each line of a list beside our rule for the same offer; lines about nothing that we sell are left out. */
export function comparePrice(price: PriceRule | null, lines: readonly ListedLine[]): readonly PriceFinding[] {
  return lines.flatMap(({ as, unit, variant, amount }): readonly PriceFinding[] => {
    const line = variant === null ? unit : `${unit} (${variant})`
    if (as === 'none') return []
    if (as === null || amount === null) return [{ verdict: 'new_unit', line, published: amount, ours: [] }]
    const listed = as.endsWith('_token') ? multiplyUsd(amount, 1_000_000) : amount
    const ours = price === null ? [] : amountsFor(price, as, variant)
    return [{ verdict: verdictOf(price, listed, ours), line, published: listed, ours }]
  })
}

function verdictOf(price: PriceRule | null, listed: Usd, ours: readonly Usd[]): PriceVerdict {
  if (price === null) return 'unpriced_here'
  if (ours.length === 0) return 'not_comparable'
  return ours.some((amount) => compareUsd(amount, listed) === 0) ? 'agrees' : 'drift'
}

const known = (...amounts: readonly (Usd | null | undefined)[]): readonly Usd[] => amounts.filter((amount) => typeof amount === 'string')

/** What our rule says of such a line. A list has one amount where a rule has a dearer first megapixel: it may be either. */
function amountsFor(price: PriceRule, as: Exclude<ListedPrice, 'none'>, variant: string | null): readonly Usd[] {
  switch (price.kind) {
    case 'per_image':
      return as === 'image' ? [price.per_image] : []
    case 'megapixel':
      if (as === 'megapixel') return [price.first_output, price.extra_output]
      return as === 'reference_megapixel' ? [price.reference] : []
    case 'per_tier': {
      if (as === 'reference_image') return known(price.reference)
      const only = Object.values(price.tiers)
      if (as !== 'image' && as !== 'megapixel') return []
      return variant === null ? known(only.length === 1 ? only[0] : null) : known(price.tiers[variant])
    }
    case 'token':
      return known(tokensOf(price.per_million, as))
  }
}

function tokensOf(perMillion: Extract<PriceRule, { kind: 'token' }>['per_million'], as: ListedPrice): Usd | null {
  switch (as) {
    case 'text_input_token':
      return perMillion.text_input
    case 'image_input_token':
      return perMillion.image_input
    case 'image_output_token':
      return perMillion.image_output
    case 'text_output_token':
      return perMillion.text_output
    default:
      return null
  }
}
