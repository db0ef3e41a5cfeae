import {
  amountForUnits,
  compareUsd,
  multiplyUsd,
  percentOfUsd,
  shareOfUsd,
  sumUsd,
  type Applied,
  type CostLine,
  type Offer,
  type PriceRule,
  type TokenPrice,
  type Usd,
  type VendorCost,
} from '#contract'
import type { Reference } from '../records.ts'
import { outputSize } from './fidelity.ts'
import { billedMegapixels, type Size } from './size.ts'
import { splitImages } from './split-images.ts'

export interface Price {
  readonly amount: Usd
  readonly lines: readonly CostLine[]
}

export interface QuotedPrice extends Price {
  /** What was taken for granted where it could not be measured, in words. */
  readonly assumptions: readonly string[]
}

/** What a price depends on. */
export interface Priced extends Size {
  readonly images: number
  readonly references: readonly Size[]
  /** The offer's word for the resolution, where it sells tiers. */
  readonly tier?: string | undefined
  /** As asked, else the offer's default. */
  readonly quality?: string | undefined
}

/** What is taken for granted of an image that cannot be seen when it is priced. */
export const UNSEEN: Size = { width: 1024, height: 1024 }

/**
 * What a price rule makes of images of one size; the lines sum to the amount to the last digit. Null where the rule has no amount for them.
 * Serves quotes and, given what was delivered, computed costs. Several images cost as many times one image, references included: no vendor's
 * page prices a batch otherwise, and each image reads the references anew.
 */
export function priceOf(rule: PriceRule, what: Priced): Price | null {
  const lines = linesOf(rule, what)
  return lines && priceFrom(lines)
}

function priceFrom(all: readonly CostLine[]): Price {
  // A copy has no space reserved for more: 128 bytes less in each open generation.
  const lines = all.filter((line) => line.quantity > 0).slice()
  return { amount: sumUsd(lines.map((line) => line.amount)), lines }
}

/** Whether the size of a reference image changes what an image costs. */
export const dependsOnReferences = (rule: PriceRule): boolean => rule.kind === 'megapixel' && compareUsd(rule.reference, '0') !== 0

/** Whether the size of the image changes what it costs. */
export const dependsOnSize = (rule: PriceRule): boolean => rule.kind === 'megapixel' || rule.kind === 'token'

function linesOf(rule: PriceRule, what: Priced): CostLine[] | null {
  switch (rule.kind) {
    case 'per_image':
      return imageLines(rule, what)
    case 'megapixel': {
      const cap = rule.reference_cap_mp ?? Number.POSITIVE_INFINITY
      const references = what.references.reduce((sum, reference) => sum + Math.min(billedMegapixels(reference), cap), 0)
      return [
        line('first output megapixel', what.images, rule.first_output),
        line('extra output megapixel', what.images * (billedMegapixels(what) - 1), rule.extra_output),
        line('reference megapixel', what.images * references, rule.reference),
      ]
    }
    case 'per_tier': {
      const amount = what.tier === undefined ? null : (rule.tiers[what.tier] ?? null)
      const references = what.images * what.references.length
      if (amount === null || (references > 0 && rule.reference === null)) return null
      return [line(`image at ${what.tier}`, what.images, amount), line('reference image', references, rule.reference ?? '0')]
    }
    case 'token':
      return tokenLines(rule, what)
  }
}

function imageLines({ per_image: image, edit = image }: Extract<PriceRule, { kind: 'per_image' }>, what: Priced): CostLine[] | null {
  const amount = what.references.length > 0 ? edit : image
  return amount === null ? null : [line('image', what.images, amount)]
}

/** The tokens of the images alone; those of the prompt are few, and known only when they are counted. */
function tokenLines(rule: TokenPrice, what: Priced): CostLine[] | null {
  const { image_output: output, image_input: input } = rule.per_million
  const table = rule.output_tokens
  const entry = table?.[what.tier ?? ''] ?? table?.[`${what.width}x${what.height}`]
  const tokens = typeof entry === 'object' ? entry[what.quality ?? ''] : entry
  const references = what.images * what.references.length
  if (output === null || tokens === undefined) return null
  if (references > 0 && (input === null || rule.reference_tokens === null)) return null
  return [
    tokenLine('image output token', what.images * tokens, output),
    tokenLine('image input token', references * (rule.reference_tokens ?? 0), input ?? '0'),
  ]
}

const TOKENS = { text_input: 'text input token', image_input: 'image input token', cached_input: 'cached input token' } as const
const OUTPUT_TOKENS = { image_output: 'image output token', text_output: 'text output token' } as const

/** What the vendor's own count comes to, by our dated price; null where that has no amount for something that was counted. */
export function meteredPrice(rule: PriceRule, counted: Exclude<VendorCost, { amount: Usd }>): Price | null {
  if ('units' in counted) {
    const unit = rule.kind === 'token' ? undefined : rule.unit_amount
    if (unit === undefined) return null
    const amount = amountForUnits(unit, counted.units)
    return priceFrom([{ what: `${counted.units} of the provider’s units`, quantity: 1, unit_amount: amount, amount }])
  }
  if (rule.kind !== 'token') return null
  const lines: CostLine[] = []
  for (const [kind, what] of Object.entries({ ...TOKENS, ...OUTPUT_TOKENS }) as [keyof TokenPrice['per_million'], string][]) {
    const tokens = counted.tokens[kind] ?? 0
    const perMillion = rule.per_million[kind]
    if (tokens === 0) continue
    // A sum of counts may be beyond what a number holds: no vendor's word of an amount.
    if (perMillion === null || !Number.isSafeInteger(tokens)) return null
    lines.push(tokenLine(what, tokens, perMillion))
  }
  return priceFrom(lines)
}

const MILLION = 1_000_000

/** Rounded half up to the ninth decimal, the amount of one token too. */
const tokenLine = (what: string, quantity: number, perMillion: Usd): CostLine => ({
  what,
  quantity,
  unit_amount: shareOfUsd(perMillion, 1, MILLION),
  amount: shareOfUsd(perMillion, quantity, MILLION),
})

const line = (what: string, quantity: number, unitAmount: Usd): CostLine => ({
  what,
  quantity,
  unit_amount: multiplyUsd(unitAmount, 1),
  amount: multiplyUsd(unitAmount, quantity),
})

/** What the line of a surcharge says. */
export const surchargeName = (percent: string): string => `surcharge of ${percent} %`

/** A price with what its provider takes outside the call, as a line of its own. */
export function withSurcharge<Any extends Price>(price: Any, percent: string | undefined): Any {
  if (percent === undefined) return price
  const amount = percentOfUsd(price.amount, percent)
  if (compareUsd(amount, '0') === 0) return price
  const surcharge: CostLine = { what: surchargeName(percent), quantity: 1, unit_amount: amount, amount }
  return { ...price, amount: sumUsd([price.amount, amount]), lines: [...price.lines, surcharge] }
}

/** Lines of the same thing at the same unit amount become one. */
export function mergeLines(lines: readonly CostLine[]): CostLine[] {
  if (lines.length < 2) return [...lines]
  const merged: CostLine[] = []
  for (const line of lines) {
    const at = merged.findIndex(({ what, unit_amount }) => what === line.what && unit_amount === line.unit_amount)
    const before = merged[at]
    if (before === undefined) merged.push(line)
    else merged[at] = { ...line, quantity: before.quantity + line.quantity, amount: sumUsd([before.amount, line.amount]) }
  }
  return merged
}

/** What several paid tasks cost together. Each is rounded by itself, as its cost will be, so that the quote is what they come to. */
function priceOfTasks(rule: PriceRule, what: Priced, tasks: readonly number[], percent: string | undefined): Price | null {
  const prices = tasks.map((images) => {
    const price = priceOf(rule, { ...what, images })
    return price && withSurcharge(price, percent)
  })
  const known = prices.filter((price) => price !== null)
  if (known.length < prices.length) return null
  if (known.length === 1) return known[0] ?? null
  return { amount: sumUsd(known.map(({ amount }) => amount)), lines: mergeLines(known.flatMap(({ lines }) => lines)) }
}

/**
 * The price of an adapted request before it is bought, or null where the offer publishes none for it. A size that cannot be seen,
 * of the output or of a reference, is taken as one megapixel, and the assumption says so.
 */
export function quoteFor(offer: Offer, applied: Applied, references: readonly Reference[]): QuotedPrice | null {
  const rule = offer.price
  if (rule === null) return null
  const output = pricedSize(offer, applied, references)
  const what: Priced = {
    ...output.size,
    images: applied.n,
    references: references.map((reference) => reference.pixels ?? UNSEEN),
    tier: applied.tier,
    quality: qualityOf(offer, applied),
  }
  const price = priceOfTasks(rule, what, splitImages(applied.n, offer.limits.n.max), offer.surchargePercent)
  return price && { ...price, assumptions: assumptionsOf(rule, output.assumptions, references) }
}

const qualityOf = ({ limits }: Offer, { quality }: Applied): string | undefined => quality ?? limits.quality?.default ?? undefined

function assumptionsOf(rule: PriceRule, output: readonly string[], references: readonly Reference[]): readonly string[] {
  switch (rule.kind) {
    case 'per_image':
    case 'per_tier':
      return []
    case 'megapixel':
      return [...output, ...unseenReferences(references)]
    case 'token':
      return ['Only the tokens of images are quoted; those of the prompt, and of thinking, are known when they are counted.']
  }
}

function pricedSize(offer: Offer, applied: Applied, references: readonly Reference[]): { size: Size; assumptions: readonly string[] } {
  const size = outputSize(applied, references, offer.limits)
  // Of a resolution that is sold without pixels the size is about what it is called, which is no word about a reference.
  if (size !== null && (applied.width !== undefined || applied.tier !== undefined)) return { size, assumptions: [] }
  return size === null
    ? { size: UNSEEN, assumptions: ['The size of the image is not known before it is made; it is priced as 1 megapixel.'] }
    : { size, assumptions: [`The image is priced at the size of the first reference image, ${size.width}×${size.height}.`] }
}

const unseenReferences = (references: readonly Reference[]): string[] =>
  references.flatMap((reference, index) =>
    reference.pixels === null ? [`The size of reference image ${index + 1} cannot be seen; it is priced as 1 megapixel.`] : [],
  )
