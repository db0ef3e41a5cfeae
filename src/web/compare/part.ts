import type { Comparison, ComparisonRow, Generation, Image } from '../../client/index.ts'
import { isZeroUsd, shareUsd, subtractUsd, sumUsd } from '../../contract/amounts.ts'
import { duration, listed, plural } from '../format/facts.ts'
import { percentText, usdText } from '../format/usd.ts'
import { stateWord } from '../parts/state.tsx'
import { isOpen, shownState } from '../parts/shown-state.ts'
import type { Size } from './layout.ts'

/** One provider's part of a comparison: its row and its generation, under the provider's title. */
export interface Part {
  readonly provider: string
  readonly title: string
  readonly row: ComparisonRow
  readonly generation: Generation | undefined
  readonly images: readonly Image[]
}

export function partsOf(comparison: Comparison, titles: (id: string) => string, again: ReadonlyMap<string, Generation>): readonly Part[] {
  return comparison.summary.map((row) => {
    const replaced = again.get(row.provider)
    const generation = replaced ?? comparison.generations.find(({ id }) => id === row.generation_id)
    return {
      provider: row.provider,
      title: titles(row.provider),
      row:
        replaced === undefined
          ? row
          : { ...row, status: replaced.status, amount: replaced.cost.amount, total_ms: replaced.timing.total_ms, vs_cheapest: null },
      generation,
      images: generation?.images ?? [],
    }
  })
}

export const hasEnded = ({ row }: Part): boolean => !isOpen(row.status)
export const isDelivered = ({ images }: Part): boolean => images.length > 0
export const isFar = ({ row }: Part): boolean => row.fidelity === 'far'
export const isComparable = (part: Part): boolean => isDelivered(part) && !isFar(part)

/** The size that was asked for; without one the first image's. */
export function askedSize({ request }: Comparison, parts: readonly Part[]): Size {
  const [width, height] = [request['width'], request['height']]
  if (typeof width === 'number' && typeof height === 'number') return { width, height }
  const first = parts.flatMap(({ images }) => images).find((image) => image.width !== null && image.height !== null)
  return { width: first?.width ?? 1024, height: first?.height ?? 1024 }
}

/** `3 delivered for $0.0975`, and how many of unknown cost. */
export function outcomeOf(parts: readonly Part[]) {
  const delivered = parts.filter(isDelivered).length
  const ended = parts.filter(hasEnded)
  const known = ended.flatMap(({ row }) => (row.amount === null ? [] : [row.amount]))
  const unknown = ended.filter(
    ({ row, generation }) => row.amount === null && row.status !== 'ineligible' && generation !== undefined && mayBeBilled(generation),
  ).length
  const asked = parts.filter(({ row }) => row.status !== 'ineligible').length
  return {
    delivered,
    asked,
    known: sumUsd(known),
    unknown,
    text: delivered === asked ? `${delivered} delivered` : `${delivered} of ${asked} delivered`,
  }
}

const mayBeBilled = ({ error }: Generation): boolean => error?.billed !== false

/** What one of its images cost; null where that is not known, or cannot be written without rounding. */
export function perImage({ row, images }: Part): string | null {
  if (row.amount === null || images.length === 0) return null
  const [share = null, ...others] = shareUsd(row.amount, images.length)
  return others.every((other) => other === share) ? share : null
}

export const fastestOf = (parts: readonly Part[]): Part | undefined =>
  parts
    .filter((part) => isComparable(part) && part.row.total_ms !== null)
    .toSorted((one, other) => (one.row.total_ms ?? 0) - (other.row.total_ms ?? 0))[0]

export interface Difference {
  readonly text: string
  readonly colour: 'ok' | 'two' | 'warn'
}

/** The first of those that are the cheapest; the others cost the same. */
export const cheapestOf = (parts: readonly Part[]): Part | undefined => parts.find(({ row }) => row.vs_cheapest === '+0%')

/** The price beside the cheapest that delivered a comparable image. */
export function differenceOf(
  { row, images, provider }: Part,
  cheapest: Part | undefined,
  isRunning: boolean,
  isLong: boolean,
): Difference | null {
  if (images.length === 0) return null
  if (row.fidelity === 'far') return { text: 'not comparable', colour: 'warn' }
  if (row.vs_cheapest === null) return null
  if (provider === cheapest?.provider) return { text: isRunning ? 'cheapest so far' : 'cheapest', colour: 'ok' }
  if (row.vs_cheapest === '+0%') return { text: 'same', colour: 'two' }
  return { text: `${percentText(row.vs_cheapest)}${isLong ? ' over the cheapest' : ''}`, colour: 'two' }
}

/** `billed, as quoted`, `billed, $0.0030 above the quote`, `computed, no quote before`. */
export function settledText({ cost, error, status }: Generation): { readonly text: string; readonly isAbove: boolean } {
  const { amount, quoted, basis } = cost
  if (isOpen(status)) return { text: quoted === null ? 'no price' : 'quoted', isAbove: false }
  if (amount === null) return { text: quoted === null ? 'no quote before' : `quoted ${usdText(quoted)}`, isAbove: false }
  if (error !== null && isZeroUsd(amount)) return { text: 'nothing to pay', isAbove: false }
  if (quoted === null) return { text: `${basis}, no quote before`, isAbove: false }
  const difference = subtractUsd(amount, quoted)
  if (isZeroUsd(difference)) return { text: `${basis}, as quoted`, isAbove: false }
  const isAbove = !difference.startsWith('-')
  return { text: `${basis}, ${usdText(difference.replace('-', ''))} ${isAbove ? 'above' : 'below'} the quote`, isAbove }
}

/** What a screen reader says when a part has ended: `Runware succeeded, $0.0450, 4.1 s`. */
export function endedText({ title, row, generation }: Part): string {
  if (generation === undefined) return `${title} cannot`
  const word = shownState(generation) === 'part' ? stateWord(generation) : stateWord(generation).toLowerCase()
  return [`${title} ${word}`, row.amount === null ? null : usdText(row.amount), row.total_ms === null ? null : duration(row.total_ms)]
    .filter((text) => text !== null)
    .join(', ')
}

export const leftOutText = (parts: readonly Part[]): string => {
  const far = parts.filter((part) => isDelivered(part) && isFar(part)).length
  const without = parts.filter((part) => !isDelivered(part)).length
  const said = [
    far === 0 ? '' : `${plural(far, 'is', 'are')} left out: another shape`,
    without === 0 ? '' : `${plural(without, 'has', 'have')} no image`,
  ]
  return listed(said.filter((text) => text !== ''))
}
