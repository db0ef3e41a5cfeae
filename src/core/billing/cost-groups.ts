import { COST_GROUPINGS, suggest } from '#contract'
import type { CostGrouping } from '#contract'
import type { CostRow, CostSum } from '../records.ts'
import { dayOf, monthOf } from '../instant.ts'
import { billedMegapixels } from '../plan/size.ts'

/** The size class of one image of a line: its output megapixels, rounded up; null where no size was known. */
export const megapixelsOf = ({ task }: { readonly task: Pick<CostRow['task'], 'megapixels' | 'made'> }): number | null =>
  task.megapixels ?? (task.made === null ? null : billedMegapixels(task.made))

const METADATA = 'metadata.'

/** What other services call these, and what people try first. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  vendor: 'provider',
  date: 'day',
  size: 'megapixels',
  size_class: 'megapixels',
  resolution: 'megapixels',
  mp: 'megapixels',
  quality: 'fidelity',
  team: 'key',
  user: 'key',
  api_key: 'key',
  tag: 'metadata.tag',
  since: 'from',
  until: 'to',
}

const isGrouping = (name: string): name is CostGrouping => COST_GROUPINGS.some((grouping) => grouping === name)

/** The metadata key that a grouping or filter names; null where it names none. */
export const metadataNamed = (name: string): string | null =>
  name.startsWith(METADATA) && name.length > METADATA.length && name.length <= METADATA.length + 64 ? name.slice(METADATA.length) : null

/** Why costs cannot be grouped by a name, with the nearest right one; null where they can. */
export function groupingObjection(name: string): string | null {
  if (isGrouping(name) || metadataNamed(name) !== null) return null
  const known = [...COST_GROUPINGS, `${METADATA}<key>`]
  return `${JSON.stringify(name.slice(0, 80))} is no grouping${nearestName(name, COST_GROUPINGS)}; names joined by commas: ${known.join(', ')}`
}

/** ` (did you mean "provider"?)`, or nothing where no name is near. */
export function nearestName(name: string, known: readonly string[]): string {
  const written = name.toLowerCase()
  const other = Object.hasOwn(OTHER_NAMES, written) ? OTHER_NAMES[written] : undefined
  if (other !== undefined && (known.includes(other) || other.startsWith(METADATA))) return ` (did you mean "${other}"?)`
  const suggestion = suggest(name.slice(0, 100), known)
  return suggestion.startsWith('did you mean') ? ` (${suggestion})` : ''
}

/** The metadata keys a grouping names, in its order. */
export const metadataOf = (groupBy: readonly string[]): readonly string[] => groupBy.flatMap((name) => metadataNamed(name) ?? [])

/** What a line has for each name of a grouping; null where it has nothing. */
export const valuesOf = (row: CostRow | CostSum, groupBy: readonly string[]): readonly (string | null)[] =>
  groupBy.map((name) => valueOf(row, name))

function valueOf(row: CostRow | CostSum, name: string): string | null {
  const key = metadataNamed(name)
  if (key !== null) return Object.hasOwn(row.metadata, key) ? (row.metadata[key] ?? null) : null
  if (!isGrouping(name)) return null
  switch (name) {
    case 'provider':
    case 'model':
    case 'key':
      return row[name]
    case 'day':
      return dayOf(row.at)
    case 'month':
      return monthOf(row.at)
    case 'megapixels': {
      const megapixels = megapixelsOf(row)
      return megapixels === null ? null : String(megapixels)
    }
    case 'fidelity':
      return row.task.fidelity ?? null
  }
}

/** In the order of the grouping, numbers by their size; what has no value comes last. */
export function byValues(left: readonly (string | null)[], right: readonly (string | null)[]): number {
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? null
    if (value === other) continue
    if (value === null || other === null) return value === null ? 1 : -1
    if (/^\d{1,9}$/.test(value) && /^\d{1,9}$/.test(other) && Number(value) !== Number(other)) return Number(value) - Number(other)
    return value < other ? -1 : 1
  }
  return 0
}
