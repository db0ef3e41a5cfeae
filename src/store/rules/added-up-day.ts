import { nanoFromUsd, subtractUsd, sumUsd, usdFromNano } from '#contract'
import type { Usd } from '#contract'
import type { CostSum, Instant, SettledTask } from '../../core/records.ts'
import { DAY_MS } from './generation-day.ts'
import type { Row } from './rows.ts'

/** No line of a day is expected so long after its end; one that comes later still has the day added up anew. */
const SETTLES_MS = DAY_MS
/** A day of more sums than this, as where each generation has references of its own sizes, takes long to read in one turn: its lines are read. */
const MOST_SUMS = 1_000
/** So is one of which sums and lines apart are not clearly fewer than its lines. */
const WORTH_IT = 0.75
/** Of metadata, so many names of a day are added up by their values, and of each so many sums. */
const MOST_NAMES = 16
const MOST_SUMS_OF_NAME = 200

/** The days before this one, since 1970, can be added up. */
export const firstUnsettledDay = (now: Instant): number => Math.floor((now - SETTLES_MS) / DAY_MS)

/** SQL, of both databases: the newest day before $1, since 1970, that has lines and is not added up. @param settled SQL, whether a line `l` is settled */
export const newestMissingDay = (settled: string, before: string): string => `
  WITH RECURSIVE days (day) AS (
    SELECT (SELECT max(l.at) FROM ledger AS l WHERE ${settled} AND l.at < ${before} * ${DAY_MS}) / ${DAY_MS}
    UNION ALL
    SELECT (SELECT max(l.at) FROM ledger AS l WHERE ${settled} AND l.at < days.day * ${DAY_MS}) / ${DAY_MS} FROM days WHERE days.day IS NOT NULL
  )
  SELECT day FROM days WHERE day IS NOT NULL AND day NOT IN (SELECT d.day FROM cost_days AS d WHERE d.about IS NOT NULL) LIMIT 1`

/** A sum while lines are added to it. */
interface Sum {
  /** The metadata of which its generations have the same value; null where it is of all values. */
  readonly name: string | null
  /** Null where its generations have none of that name. */
  readonly value: string | null
  readonly key: string | null
  readonly provider: string
  readonly model: string
  readonly kind: string
  /** JSON of what a report asks of the task, beside the sums. */
  readonly task: string
  attempts: number
  generations: number
  images: number
  amount: Usd
  quoted: Usd | null
}

/** A sum as its table has it. */
export type SumRow = Readonly<Omit<Sum, 'amount' | 'quoted'>> & { readonly amount: bigint; readonly quoted: bigint | null }

export const SUM_COLUMNS = [
  'name',
  'value',
  'key',
  'provider',
  'model',
  'kind',
  'task',
  'attempts',
  'generations',
  'images',
  'amount',
  'quoted',
] as const

/** What is known of a day besides its sums; kept as JSON. */
export interface AboutDay {
  /** `seq` of the lines that are in no sum; null where all lines have to be read. */
  readonly apart: readonly number[] | null
  /** Metadata by whose values there are sums. */
  readonly names: readonly string[]
  /** Whether generations of the day have metadata of other names too. */
  readonly hasOtherNames: boolean
}

export interface AddedUpDay {
  readonly about: AboutDay
  readonly sums: readonly SumRow[]
}

/** A line with the kind of sum it belongs to. */
interface Placed {
  readonly seq: bigint
  readonly kind: string
  readonly row: Sum
}

type Sums = Map<string, Sum>

/**
 * Adds up the lines of a day. A generation is in one sum with all its lines, or apart with all of them, so that those of several sums are never one
 * and can be counted by adding. Of a row, `attempts` says how many lines its generation has when all are there: the attempts of one that has
 * ended, null of one that is open or gone; `metadata` are its generation's.
 */
export function dayAdder(): { add(row: Row): void; result(): AddedUpDay } {
  const sums: Sums = new Map()
  const byMetadata = metadataAdder()
  const apart: bigint[] = []
  const incomplete = new Map<unknown, Placed[]>()
  let lines = 0

  return {
    add(row) {
      lines++
      const attempts = row['attempts'] === null ? 0 : Number(row['attempts'])
      const placed = placedOf(row)
      if (placed === null || attempts === 0) return void apart.push(row['seq'] as bigint)
      const ofOne = [...(incomplete.get(row['generation_id']) ?? []), placed]
      if (ofOne.length < attempts) return void incomplete.set(row['generation_id'], ofOne)
      incomplete.delete(row['generation_id'])
      if (ofOne.some(({ kind }) => kind !== placed.kind)) return void apart.push(...ofOne.map(({ seq }) => seq))
      const sum = sumOf(ofOne)
      addTo(sums, placed.kind, sum)
      byMetadata.add(placed.kind, sum, metadataOf(row))
    },
    result() {
      for (const ofOne of incomplete.values()) apart.push(...ofOne.map(({ seq }) => seq))
      const doFit = [...sums.values()].map(rowOf).every(({ amount, quoted }) => fitsColumn(amount) && fitsColumn(quoted ?? 0n))
      if (!doFit || sums.size > MOST_SUMS || sums.size + apart.length > lines * WORTH_IT)
        return { about: { apart: null, names: [], hasOtherNames: true }, sums: [] }
      const named = byMetadata.result(sums)
      const about = { apart: apart.map(Number).toSorted((left, right) => left - right), ...named.about }
      return { about, sums: [...sums.values(), ...named.sums].map(rowOf) }
    },
  }
}

/** Adds up by the values of each name of metadata, as far as names and values are few: by those that are many, nobody groups. */
function metadataAdder() {
  const named = new Map<string, Sums>()
  let hasOtherNames = false

  return {
    add(kind: string, sum: Sum, metadata: Readonly<Record<string, string>>): void {
      for (const [name, value] of Object.entries(metadata)) {
        const sums = named.get(name) ?? (named.size < MOST_NAMES ? new Map<string, Sum>() : null)
        if (sums === null) {
          hasOtherNames = true
          continue
        }
        named.set(name, sums)
        if (sums.size <= MOST_SUMS_OF_NAME) addTo(sums, JSON.stringify([value, kind]), { ...sum, name, value })
      }
    },
    /** @param all of the day, whatever their metadata */
    result(all: Sums): { readonly sums: readonly Sum[]; readonly about: Pick<AboutDay, 'names' | 'hasOtherNames'> } {
      const few = [...named].filter(([, sums]) => sums.size <= MOST_SUMS_OF_NAME)
      return {
        about: { names: few.map(([name]) => name), hasOtherNames: hasOtherNames || few.length < named.size },
        sums: few.flatMap(([name, sums]) => [...sums.values(), ...withoutName(name, sums, all)]),
      }
    },
  }
}

/** What is left of all sums for generations that have no metadata of that name. */
function withoutName(name: string, sums: Sums, all: Sums): readonly Sum[] {
  const left: Sums = new Map([...all].map(([kind, sum]) => [kind, { ...sum, name }]))
  for (const [id, sum] of sums) {
    const [, kind] = JSON.parse(id) as [string, string]
    addTo(left, kind, sum, -1)
  }
  return [...left.values()].filter(({ attempts }) => attempts > 0)
}

function sumOf(lines: readonly Placed[]): Sum {
  const [first, ...others] = lines.map(({ row }) => row)
  if (first === undefined) throw new Error('no line is added up')
  const sums: Sums = new Map([['', { ...first }]])
  for (const row of others) addTo(sums, '', { ...row, generations: 0 })
  return sums.get('') ?? first
}

function addTo(sums: Sums, id: string, { attempts, generations, images, amount, quoted, ...own }: Sum, sign: 1 | -1 = 1): void {
  const sum = sums.get(id)
  if (sum === undefined) return void sums.set(id, { ...own, attempts, generations, images, amount, quoted })
  sum.attempts += sign * attempts
  sum.generations += sign * generations
  sum.images += sign * images
  const add = (before: Usd, more: Usd): Usd => (sign === 1 ? sumUsd([before, more]) : subtractUsd(before, more))
  sum.amount = add(sum.amount, amount)
  if (sum.quoted !== null && quoted !== null) sum.quoted = add(sum.quoted, quoted)
}

const metadataOf = ({ metadata }: Row): Readonly<Record<string, string>> =>
  typeof metadata === 'string' ? (JSON.parse(metadata) as Record<string, string>) : {}

const rowOf = (sum: Sum): SumRow => ({
  ...sum,
  amount: nanoFromUsd(sum.amount),
  quoted: sum.quoted === null ? null : nanoFromUsd(sum.quoted),
})
const fitsColumn = (amount: bigint): boolean => BigInt.asIntN(64, amount) === amount

/** Null where a line must be read by itself: what is unknown may be adjusted. */
function placedOf(row: Row): Placed | null {
  const kind = String(row['kind'])
  const { amount, quoted } = row
  if ((kind !== 'billed' && kind !== 'computed') || typeof amount !== 'bigint') return null
  const { code, made, megapixels = null, fidelity = null } = JSON.parse(String(row['task'])) as SettledTask
  const images = Number(row['images'])
  const task = JSON.stringify({ code: images === 0 && code === 'moderated' ? code : null, made, megapixels, fidelity })
  const own = {
    name: null,
    value: null,
    key: row['key'] as string | null,
    provider: String(row['provider']),
    model: String(row['model']),
    kind,
    task,
    attempts: 1,
    generations: 1,
    images,
    amount: usdFromNano(amount),
    quoted: typeof quoted === 'bigint' ? usdFromNano(quoted) : null,
  }
  const sameSum = JSON.stringify([own.key, own.provider, own.model, kind, task, images === 0, own.quoted === null])
  return { seq: row['seq'] as bigint, kind: sameSum, row: own }
}

/** A sum as a report reads it; integers of the row may be big. */
export function costSumOf(row: Row, day: number): CostSum {
  const { quoted, name, value } = row
  return {
    key: row['key'] as string | null,
    provider: String(row['provider']),
    model: String(row['model']),
    kind: row['kind'] as CostSum['kind'],
    at: day * DAY_MS,
    amount: usdFromNano(row['amount'] as bigint),
    metadata: typeof name === 'string' && typeof value === 'string' ? { [name]: value } : {},
    task: {
      ...(JSON.parse(String(row['task'])) as Pick<CostSum['task'], 'code' | 'made'>),
      images: Number(row['images']),
      quoted: typeof quoted === 'bigint' ? usdFromNano(quoted) : null,
    },
    attempts: Number(row['attempts']),
    generations: Number(row['generations']),
  }
}
