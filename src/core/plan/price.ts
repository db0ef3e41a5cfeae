import { compareUsd, multiplyUsd, sumUsd, type Applied, type CostLine, type Offer, type PriceRule, type Usd } from '#contract'
import type { Reference } from '../records.ts'
import { outputSize } from './fidelity.ts'
import { billedMegapixels, type Size } from './size.ts'

export interface Price {
  readonly amount: Usd
  readonly lines: readonly CostLine[]
}

export interface QuotedPrice extends Price {
  /** What was taken for granted where it could not be measured, in words. */
  readonly assumptions: readonly string[]
}

const UNSEEN: Size = { width: 1024, height: 1024 }

/**
 * What a price rule makes of images of one size; the lines sum to the amount to the last digit. Serves quotes and, given what was
 * delivered, computed costs. Several images cost as many times one image, references included: no vendor's page
 * prices a batch otherwise, and each image reads the references anew.
 */
export function priceOf(
  rule: PriceRule,
  what: { readonly width: number; readonly height: number; readonly images: number; readonly references: readonly Size[] },
): Price {
  const lines = linesOf(rule, what).filter((line) => line.quantity > 0)
  return { amount: sumUsd(lines.map((line) => line.amount)), lines }
}

/** Whether the size of a reference image changes what an image costs. */
export const dependsOnReferences = (rule: PriceRule): boolean => rule.kind === 'megapixel' && compareUsd(rule.reference, '0') !== 0

function linesOf(rule: PriceRule, what: Parameters<typeof priceOf>[1]): CostLine[] {
  switch (rule.kind) {
    case 'per_image':
      return [line('image', what.images, rule.per_image)]
    case 'megapixel': {
      const cap = rule.reference_cap_mp ?? Number.POSITIVE_INFINITY
      const references = what.references.reduce((sum, reference) => sum + Math.min(billedMegapixels(reference), cap), 0)
      return [
        line('first output megapixel', what.images, rule.first_output),
        line('extra output megapixel', what.images * (billedMegapixels(what) - 1), rule.extra_output),
        line('reference megapixel', what.images * references, rule.reference),
      ]
    }
  }
}

const line = (what: string, quantity: number, unitAmount: Usd): CostLine => ({
  what,
  quantity,
  unit_amount: multiplyUsd(unitAmount, 1),
  amount: multiplyUsd(unitAmount, quantity),
})

/**
 * The price of an adapted request before it is bought, or null where the offer publishes none. A size that cannot be seen,
 * of the output or of a reference, is taken as one megapixel, and the assumption says so.
 */
export function quoteFor(offer: Offer, applied: Applied, references: readonly Reference[]): QuotedPrice | null {
  const rule = offer.price
  if (rule === null) return null
  const output = pricedSize(offer, applied, references)
  const price = priceOf(rule, {
    ...output.size,
    images: applied.n,
    references: references.map((reference) => reference.pixels ?? UNSEEN),
  })
  return { ...price, assumptions: rule.kind === 'per_image' ? [] : [...output.assumptions, ...unseenReferences(references)] }
}

function pricedSize(offer: Offer, applied: Applied, references: readonly Reference[]): { size: Size; assumptions: readonly string[] } {
  const size = outputSize(applied, references, offer.limits)
  if (size !== null && applied.width !== undefined) return { size, assumptions: [] }
  return size === null
    ? { size: UNSEEN, assumptions: ['The size of the image is not known before it is made; it is priced as 1 megapixel.'] }
    : { size, assumptions: [`The image is priced at the size of the first reference image, ${size.width}×${size.height}.`] }
}

const unseenReferences = (references: readonly Reference[]): string[] =>
  references.flatMap((reference, index) =>
    reference.pixels === null ? [`The size of reference image ${index + 1} cannot be seen; it is priced as 1 megapixel.`] : [],
  )
