import type { CostRow, Instant } from '../records.ts'
import type { Breathe, Store } from '../ports.ts'
import { DAY_MS, dayOf } from '../instant.ts'
import type { Recorded } from './reconciliation-rows.ts'

/**
 * The attempts that are wanted, each with what was adjusted since, oldest first, in parts. An adjustment has the instant of the settlement it
 * completes, and stands behind it: once there is a later instant nothing more comes, so that no more is held than the attempts of one instant.
 */
export async function* recorded(
  store: Pick<Store, 'costs'>,
  query: Parameters<Store['costs']>[0],
  isWanted: (row: CostRow) => boolean,
): AsyncGenerator<readonly Recorded[]> {
  let ofInstant = attemptsOfInstant()
  let at: Instant | null = null
  for await (const page of store.costs(query)) {
    const whole: Recorded[][] = []
    for (const row of page) {
      if (!isWanted(row)) continue
      if (row.at !== at) {
        whole.push(ofInstant.attempts)
        ofInstant = attemptsOfInstant()
        at = row.at
      }
      ofInstant.add(row)
    }
    yield whole.flat()
  }
  yield ofInstant.attempts
}

/** Of what is never adjusted, which is nearly all, no map is made. */
function attemptsOfInstant() {
  const attempts: Recorded[] = []
  const byId = new Map<string, Recorded>()
  let named = 0
  return {
    attempts,
    add(row: CostRow): void {
      const { amount } = row
      const { surcharge } = row.task
      if (row.kind === 'adjusted') {
        for (; named < attempts.length; named += 1) {
          const one = attempts[named]
          if (one !== undefined) byId.set(one.row.attemptId, one)
        }
        const before = byId.get(row.attemptId)
        if (before) return void Object.assign(before, { amount, surcharge })
      }
      attempts.push({ row, amount, surcharge })
    },
  }
}

/** What the account has of the tasks of an invoice. */
export interface RecordedTasks {
  readonly byTask: ReadonlyMap<string, readonly Recorded[]>
  /** Whether one of them is this attempt, or of this generation. */
  has(id: string): boolean
  /** Their providers, by name. */
  readonly providers: readonly string[]
  /** The whole days (UTC) between the first and the last settlement; null where there is none. */
  readonly days: { readonly from: Instant; readonly to: Instant } | null
}

/**
 * @param idOf the id under which an attempt stands on the invoice; null where it does not
 * @param asked of which ids `has` knows; few
 */
export async function recordedTasks(
  parts: AsyncIterable<readonly Recorded[]>,
  idOf: (row: CostRow) => string | null,
  asked: ReadonlyMap<string, string>,
  breathe: Breathe,
): Promise<RecordedTasks> {
  const byTask = new Map<string, Recorded[]>()
  const providers = new Set<string>()
  const ids = new Set<string>()
  let [first, last] = [Infinity, -Infinity]
  for await (const part of parts)
    for (const one of part) {
      await breathe()
      const { row } = one
      const id = idOf(row)
      if (id === null) continue
      const ofTask = byTask.get(id)
      if (ofTask) ofTask.push(one)
      else byTask.set(id, [one])
      providers.add(row.provider)
      if (asked.size > 0) for (const own of [row.attemptId, row.generationId]) if (asked.has(own)) ids.add(own)
      first = Math.min(first, row.at)
      last = Math.max(last, row.at)
    }
  const days = byTask.size === 0 ? null : { from: Date.parse(dayOf(first)), to: Date.parse(dayOf(last)) + DAY_MS }
  return { byTask, has: (id) => ids.has(id), providers: [...providers].toSorted(), days }
}
