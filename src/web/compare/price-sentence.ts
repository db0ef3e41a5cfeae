import type { Model, PriceEntry, QuotedOffer, Warning } from '../../client/index.ts'
import { multiplyUsd } from '../../contract/amounts.ts'
import { count } from '../format/facts.ts'
import { textOf } from '../format/text.ts'
import { usdShort, usdText } from '../format/usd.ts'

type PriceRule = NonNullable<PriceEntry['price']>
type Offer = Model['offers'][number]
type Line = NonNullable<QuotedOffer['cost']>['lines'][number]

const MEGAPIXEL = 1_048_576
const megapixels = (width: number, height: number): number => Math.round((width * height * 10) / MEGAPIXEL) / 10
const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five', 'six']
const mp = (amount: number): string => `${amount} megapixel${amount === 1 ? '' : 's'}`

/** Lines that have a sentence of their own. */
const SAID = new Set(['first output megapixel', 'extra output megapixel', 'reference megapixel', 'image'])

/** How a price is made, a sentence for each kind of line, from the rule and the quote's lines. */
export function priceSentences(
  offer: Pick<QuotedOffer, 'cost' | 'observed' | 'applied' | 'assumptions'>,
  rule: PriceRule | null | undefined,
  title: string,
): readonly string[] {
  if (offer.cost === null) return withoutPrice(offer)
  const images = offer.applied?.n ?? 1
  const { lines } = offer.cost
  const first = lines.find(({ what }) => what === 'first output megapixel')
  const sentences = [
    first === undefined ? null : outputSentence(offer, first, lines, images),
    ...lines.filter(({ what }) => what === 'image').map((line) => `${usdShort(line.unit_amount)} an image.`),
    ...lines.filter(({ what }) => what === 'reference megapixel').map((line) => referenceSentence(line, images, offer.assumptions)),
    ...lines.filter(({ what }) => !SAID.has(what)).map((line) => otherSentence(line, rule, title)),
    rule?.kind === 'token' ? 'Settled by the provider’s own count.' : null,
    rule?.source === 'configuration' ? 'Your own price.' : null,
  ].filter((sentence) => sentence !== null)
  const [begin = '', ...rest] = sentences
  return images === 1 ? sentences : [`Each of ${images} images: ${begin.charAt(0).toLowerCase()}${begin.slice(1)}`, ...rest]
}

function withoutPrice({ observed }: Pick<QuotedOffer, 'observed'>): readonly string[] {
  const sentence = 'No published price: known once billed.'
  if (observed === null) return [sentence]
  const last = observed.samples === 1 ? 'The last one like it was' : `The last ${count(observed.samples)} like it averaged`
  return [sentence, `${last} ${usdText(observed.amount)}.`]
}

function outputSentence({ applied }: Pick<QuotedOffer, 'applied'>, first: Line, lines: readonly Line[], images: number): string {
  const extra = lines.find(({ what }) => what === 'extra output megapixel')
  const more = (extra?.quantity ?? 0) / images
  const made = applied?.width === undefined || applied.height === undefined ? null : megapixels(applied.width, applied.height)
  const counted = made === null || made === more + 1 ? mp(more + 1) : `${mp(made)} count as ${more + 1}`
  if (extra === undefined || more === 0) return `${counted}: ${usdShort(first.unit_amount)}.`
  const further = more === 1 ? `one more ${usdShort(extra.unit_amount)}` : `${NUMBERS[more] ?? more} more at ${usdShort(extra.unit_amount)}`
  return `${counted}: first ${usdShort(first.unit_amount)}, ${further}.`
}

function referenceSentence({ quantity, unit_amount: unit }: Line, images: number, assumptions: readonly string[]): string {
  const each = quantity / images
  const assumed = assumptions.some((text) => text.includes('cannot be seen')) ? ' (assumed 1 megapixel each)' : ''
  return `Plus ${each} reference megapixel${each === 1 ? '' : 's'} at ${usdShort(unit)}${assumed}.`
}

function otherSentence({ what, quantity, unit_amount: unit, amount }: Line, rule: PriceRule | null | undefined, title: string): string {
  if (/surcharge/i.test(what)) return `Plus ${/[\d.]+ ?%/.exec(what)?.[0] ?? what} to ${title}: ${usdText(amount)}.`
  const tier = /^image at (.+)$/.exec(what)?.[1]
  if (tier !== undefined) return `${tier}: ${usdShort(unit)} an image.`
  if (rule?.kind === 'token')
    return `About ${count(quantity)} ${what}${quantity === 1 || what.endsWith('s') ? '' : 's'} at ${usdShort(multiplyUsd(unit, 1_000_000))} a million.`
  return `Plus ${count(quantity)} ${what}${quantity === 1 ? '' : 's'} at ${usdShort(unit)}.`
}

const shown = (value: unknown): string =>
  value === null || value === undefined
    ? 'none'
    : typeof value === 'object'
      ? JSON.stringify(value)
      : typeof value === 'boolean'
        ? value
          ? 'on'
          : 'off'
        : textOf(value)

const words = (field: string): string => field.replaceAll('_', ' ')

/** What was changed on the way to the offer, every warning of it, without the word in front. */
export function adaptedText(warnings: readonly Warning[], offer: Pick<Offer, 'limits'> | undefined): string {
  const sides = warnings.filter(({ field, code }) => (field === 'width' || field === 'height') && code === 'adjusted')
  const limits = offer?.limits.size
  const step = limits?.kind === 'range' ? limits.width.step : undefined
  const others = warnings.filter((warning) => !sides.includes(warning)).map(oneWarning)
  if (sides.length === 0) return others.join(' ')
  const [one, other] = sides
  // A shape and a resolution stand for both sides: they are said once.
  const changes =
    typeof one?.used === 'string' && one.used === other?.used
      ? `${shown(one.requested)} × ${shown(other.requested)} to ${one.used}`
      : sides
          .map(({ field, requested, used }) => `${field} ${requested === null ? '' : `${shown(requested)} `}to ${shown(used)}`)
          .join(', ')
  const why = step !== undefined && step > 1 ? `its sizes go in steps of ${step}` : lowered(sides[0]?.reason ?? '')
  return [`${changes}, ${why.replace(/\.$/, '')}.`, ...others].join(' ')
}

function oneWarning({ code, field, requested, used, reason }: Warning): string {
  switch (code) {
    case 'adjusted':
      return `${words(field)} ${shown(requested)} to ${shown(used)}. ${reason}`
    case 'unsupported':
    case 'ignored_option':
    case 'deprecated':
      return `${words(field)}: ${lowered(reason)}`
  }
}

const lowered = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1)

/** Why it cannot. The name of the field stays where the reason begins with its value, which says nothing alone. */
export const refusedText = (reasons: readonly string[]): string =>
  reasons
    .map((reason) => {
      const [, field = '', said = reason] = /^([a-z_., ]+): (.*)$/s.exec(reason) ?? []
      return /^[\d×]+ was asked/.test(said) ? `${words(field)} ${said}` : lowered(said)
    })
    .join(' ')

/** A price rule as one phrase, for the list of prices. */
export function ruleText(rule: PriceRule): string {
  switch (rule.kind) {
    case 'per_image':
      return `${usdShort(rule.per_image)} an image`
    case 'megapixel': {
      const reference = rule.reference === '0' ? '' : `, ${usdShort(rule.reference)} each reference megapixel`
      return `${usdShort(rule.first_output)} the first output megapixel, ${usdShort(rule.extra_output)} each further one${reference}; rounded up`
    }
    case 'per_tier': {
      const tiers = Object.entries(rule.tiers).map(([tier, amount]) => `${tier}: ${amount === null ? 'no price' : usdShort(amount)}`)
      return `${tiers.join(', ')} an image${rule.reference === null || rule.reference === '0' ? '' : `, ${usdShort(rule.reference)} each reference image`}`
    }
    case 'token': {
      const kinds = Object.entries(rule.per_million).flatMap(([kind, amount]) =>
        amount === null ? [] : [`${kind.replace('_', ' ')} ${usdShort(amount)}`],
      )
      return `${kinds.join(', ')} a million tokens`
    }
  }
}
