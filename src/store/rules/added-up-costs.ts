import type { CostRow, CostSum } from '../../core/records.ts'
import type { CostQuery } from '../../core/ports.ts'
import { costSumOf } from './added-up-day.ts'
import type { AboutDay } from './added-up-day.ts'
import { DAY_MS } from './generation-day.ts'
import type { Row } from './rows.ts'

/** How a report reads days that are added up, whatever database they are in. */
export interface AddedUpReader {
  readonly lines: (query: CostQuery) => AsyncIterable<readonly CostRow[]>
  /** Days since 1970 that are added up, from the first to before the last; oldest first. */
  readonly days: (from: number, to: number) => Promise<readonly number[]>
  /** `AboutDay` as JSON, null where the day is not added up any more; its sums of all metadata, and those by the values of this name. */
  readonly day: (day: number, name: string | null) => Promise<{ readonly about: unknown; readonly sums: readonly Row[] }>
  /** With the metadata of this name. */
  readonly linesBySeq: (seqs: readonly number[], name: string | null) => Promise<readonly CostRow[]>
}

const PAGE_ROWS = 500
/** Beyond all days there are, and within the columns of days. */
const NO_END = 2_000_000_000

/** Days that are wholly asked for and added up come as their sums; between them, and where one is not, come lines. */
export async function* readAddedUp(reader: AddedUpReader, query: CostQuery): AsyncGenerator<readonly (CostRow | CostSum)[]> {
  const names = namesIn(query)
  if (query.withGeneration === true || names.length > 1) return yield* reader.lines(query)
  const [name = null] = names
  const begin = query.from ?? 0
  const days = await reader.days(Math.ceil(begin / DAY_MS), query.to === null ? NO_END : Math.floor(query.to / DAY_MS))
  let readTo = begin
  for (const day of days) {
    const addedUp = addedUpOf(await reader.day(day, name), day, name)
    if (addedUp === null) continue
    if (day * DAY_MS > readTo) yield* reader.lines({ ...query, from: readTo, to: day * DAY_MS })
    yield addedUp.sums.filter((sum) => isAsked(sum, query))
    for (let index = 0; index < addedUp.apart.length; index += PAGE_ROWS)
      yield (await reader.linesBySeq(addedUp.apart.slice(index, index + PAGE_ROWS), name)).filter((line) => isAsked(line, query))
    readTo = (day + 1) * DAY_MS
  }
  yield* reader.lines({ ...query, from: readTo })
}

/** The names of metadata that are grouped and filtered by. */
const namesIn = ({ metadata = {}, metadataNames = [] }: CostQuery): readonly string[] => [
  ...new Set([...metadataNames, ...Object.keys(metadata)]),
]

function isAsked({ key, provider, model, metadata }: CostRow | CostSum, query: CostQuery): boolean {
  const isKeyAsked = query.key === null || key === query.key
  if (!isKeyAsked || provider !== (query.provider ?? provider) || model !== (query.model ?? model)) return false
  return Object.entries(query.metadata ?? {}).every(([name, value]) => Object.hasOwn(metadata, name) && metadata[name] === value)
}

/** Null where the lines of the day have to be read. */
function addedUpOf(
  { about: json, sums }: Awaited<ReturnType<AddedUpReader['day']>>,
  day: number,
  name: string | null,
): { readonly sums: readonly CostSum[]; readonly apart: readonly number[] } | null {
  if (typeof json !== 'string') return null
  const { apart, names, hasOtherNames } = JSON.parse(json) as AboutDay
  const isOfName = name !== null && names.includes(name)
  // Sums of all metadata are those of generations without the name, where none has it.
  if (apart === null || (name !== null && !isOfName && hasOtherNames)) return null
  return { apart, sums: sums.filter((row) => (row['name'] === null) !== isOfName).map((row) => costSumOf(row, day)) }
}
