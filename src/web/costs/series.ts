import type { CostGroup } from '../../client/index.ts'
import { compareUsd, sumUsd, usdForGraph } from '../../contract/amounts.ts'

export type Split = 'provider' | 'model' | 'key'

/** One colour of the chart: a provider, a model or a key, or all that are left. */
export interface Series {
  readonly id: string
  readonly colour: string
}

/** One day of one series. */
export interface Part {
  readonly series: Series
  readonly amount: string
}

export interface Day {
  readonly day: string
  /** The largest series first. */
  readonly parts: readonly Part[]
  readonly sum: string
  readonly unknown: number
}

const MOST_SERIES = 5
export const OTHERS = 'others'

export const nameOf = (group: CostGroup, split: Split): string => group.group[split] ?? ''

export const colourOf = (at: number): string => `var(--s${Math.min(at, MOST_SERIES) + 1})`

/** Groups by what was spent, the most first, each with its colour. */
export function seriesOf(groups: readonly CostGroup[], split: Split): readonly (Series & { readonly group: CostGroup })[] {
  return groups
    .toSorted((one, other) => compareUsd(other.spend, one.spend))
    .map((group, at) => ({ id: nameOf(group, split), colour: colourOf(at), group }))
}

/** The days of the chart: what each series came to, and how many generations of unknown cost it had. */
export function daysOfChart(
  days: readonly string[],
  groups: readonly CostGroup[],
  series: readonly Series[],
  split: Split,
): readonly Day[] {
  return days.map((day) => {
    const rows = groups.filter(({ group }) => group['day'] === day)
    const main = series.slice(0, MOST_SERIES)
    const parts = main.flatMap((one): Part[] => {
      const row = rows.find((group) => nameOf(group, split) === one.id)
      return row === undefined || usdForGraph(row.spend) === 0 ? [] : [{ series: one, amount: row.spend }]
    })
    const rest = rows.filter((group) => !main.some(({ id }) => id === nameOf(group, split))).map(({ spend }) => spend)
    const others = sumUsd(rest)
    if (usdForGraph(others) > 0) parts.push({ series: { id: OTHERS, colour: 'var(--s6)' }, amount: others })
    return {
      day,
      parts,
      sum: sumUsd(rows.map(({ spend }) => spend)),
      unknown: rows.reduce((count, row) => count + row.unknown_cost_generations, 0),
    }
  })
}

/** A round height for the axis, and its lines. */
export function axisOf(most: number): { readonly top: number; readonly lines: readonly number[] } {
  if (!(most > 0)) return { top: 1, lines: [0, 0.25, 0.5, 0.75, 1] }
  const rough = most / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one * 4 >= most) ?? rough
  return { top: step * 4, lines: [0, 1, 2, 3, 4].map((count) => count * step) }
}

/** A label of the axis: as few digits as it needs. */
export const axisLabel = (value: number): string => (value === 0 ? '0' : `$${Number(value.toPrecision(3))}`)
