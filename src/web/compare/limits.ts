import type { Model } from '../../client/index.ts'
import { listed } from '../format/facts.ts'

type Limits = Model['offers'][number]['limits']

/** An offer of the model with its provider's title. */
export interface LimitedOffer {
  readonly title: string
  readonly limits: Limits
}

export interface Bounds {
  readonly min: number
  readonly max: number
  readonly step: number
  /** Who ends earlier than the others: `Runware to 99.` Empty where nobody does. */
  readonly earlier: string
}

/** What any of the offers takes of one field; null where none has it. */
export function boundsOf(
  offers: readonly LimitedOffer[],
  field: 'safety_tolerance' | 'guidance' | 'steps' | 'output_quality',
): Bounds | null {
  const ranges = offers.flatMap(({ title, limits }) => (limits[field] === null ? [] : [{ title, range: limits[field] }]))
  if (ranges.length === 0) return null
  const min = Math.min(...ranges.map(({ range }) => range.min))
  const max = Math.max(...ranges.map(({ range }) => range.max))
  const step = Math.min(...ranges.map(({ range }) => range.step ?? (Number.isInteger(range.min) && Number.isInteger(range.max) ? 1 : 0.1)))
  const shorter = ranges.filter(({ range }) => range.max < max).map(({ title, range }) => `${title} to ${range.max}`)
  const later = ranges.filter(({ range }) => range.min > min).map(({ title, range }) => `${title} from ${range.min}`)
  const without = offers.filter(({ limits }) => limits[field] === null).map(({ title }) => title)
  const parts = [
    ...shorter,
    ...later,
    ...(without.length === 0 ? [] : [`${listed(without)} ${without.length === 1 ? 'has' : 'have'} none`]),
  ]
  return { min, max, step, earlier: parts.length === 0 ? '' : `${parts.join(', ')}.` }
}

/** What any of the offers has to choose from. */
export const valuesOf = (offers: readonly LimitedOffer[], field: 'quality' | 'background'): readonly string[] => [
  ...new Set(offers.flatMap(({ limits }) => limits[field]?.values ?? [])),
]

/** `up to 8. Vtrix takes 1.`: the most that any offer takes, and who takes fewer. */
export function referencesText(offers: readonly LimitedOffer[]): string {
  const most = Math.max(0, ...offers.map(({ limits }) => limits.reference_images.max))
  if (most === 0) return 'No checked provider takes any.'
  const fewer = offers
    .filter(({ limits }) => limits.reference_images.max < most)
    .map(({ title, limits }) => `${title} takes ${limits.reference_images.max === 0 ? 'none' : limits.reference_images.max}.`)
  return [`up to ${most}.`, ...fewer].join(' ')
}

const COUNTS = 'None,The one,Both,All three,All four,All five,All six,All seven,All eight,All nine,All ten,All eleven,All twelve'.split(',')

/** `1.5 megapixels. All five take it.` */
export function sizeText(
  width: number,
  height: number,
  offers: readonly { readonly title: string; readonly fidelity: string | null }[],
): string {
  if (!(width > 0 && height > 0)) return ''
  const megapixels = Math.round((width * height * 10) / 1_048_576) / 10
  const not = offers.filter(({ fidelity }) => fidelity === 'far').map(({ title }) => title)
  const all = offers.length === 1 ? `${offers[0]?.title} takes it.` : `${COUNTS[offers.length] ?? `All ${offers.length}`} take it.`
  const taken = offers.length === 0 ? '' : not.length === 0 ? ` ${all}` : ` ${listed(not)} ${not.length === 1 ? 'does' : 'do'} not.`
  return `${megapixels} megapixel${megapixels === 1 ? '' : 's'}.${taken}`
}
