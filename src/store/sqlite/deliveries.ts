import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Instant, WebhookDeliveryRecord } from '../../core/records.ts'
import { ClaimLost } from '../../core/ports.ts'
import type { DeliveryClaim, Store } from '../../core/ports.ts'
import type { ChangeKind } from './change.ts'
import type { GroupCommit } from './group-commit.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import type { Position } from '../rules/cursor.ts'
import { deliveryRowOf, fullOf } from '../rules/delivery-row.ts'
import { preparer } from './prepared.ts'
import type { ReadingTurn } from './reading-turn.ts'

/** Claimed deliveries by id, and until when. In memory: this process is the only one, and a restart frees them all. */
export type Leases = Map<string, Instant>

/** Adds new ones; a known one is written by whoever has its claim. */
export const deliveryChanges =
  (leases: Leases): ChangeKind =>
  (database) => {
    const add = database.prepare(`
      INSERT INTO webhook_deliveries (id, created_at, generation_id, key, status, origin, next_try_at, record)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`)
    const change = database.prepare('UPDATE webhook_deliveries SET status = ?, next_try_at = ?, record = ? WHERE id = ?')
    return ({ deliveries = [], deliveryChange }) => {
      if (deliveries.length === 0 && deliveryChange === undefined) return null
      const rows = deliveries.map(deliveryRowOf)
      const { record, by } = deliveryChange ?? {}
      const changed = record && ([record.status, record.nextTryAt, JSON.stringify(record), record.id] as const)
      return {
        check() {
          if (!record || !by) return
          const heldUntil = leases.get(record.id) ?? 0
          const isOurs = 'freeAt' in by ? heldUntil <= by.freeAt : heldUntil === by.claimedUntil
          if (!isOurs) throw new ClaimLost(`${record.id} is being tried, or was since; nothing was written`)
        },
        apply() {
          for (const row of rows) add.run(...row)
          if (!changed) return
          change.run(...changed)
          leases.delete(changed[3])
        },
      }
    }
  }

const recordOf = (row: object): WebhookDeliveryRecord =>
  JSON.parse(String((row as { readonly record: unknown }).record)) as WebhookDeliveryRecord

/** Rows that one turn of the event loop examines: with every filter, and all of them in vain, two milliseconds. */
const EXAMINED_ROWS = 10_000

/**
 * Lists newest first. Where filters may fit few rows, those of other keys among them, it goes slice by slice; of all lists one goes on in a turn.
 */
function deliveryLister(database: DatabaseSync, readingTurn: ReadingTurn): Store['deliveries'] {
  const prepared = preparer(database)
  const endOfSlice = (from: Position): Position | null => {
    const sql = `SELECT created_at, id FROM webhook_deliveries WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ?`
    const row = prepared(sql).get(from.createdAt, from.id, EXAMINED_ROWS)
    return row === undefined ? null : { createdAt: Number(row['created_at']), id: String(row['id']) }
  }

  return async ({ generationId, status, key, cursor, limit }) => {
    const asked = Object.entries({ generation_id: generationId, status, key }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    )
    const conditions = [...asked.map(([column]) => `${column} = ?`), '(created_at, id) < (?, ?)', '(created_at, id) >= (?, ?)'].join(
      ' AND ',
    )
    const select = prepared(`SELECT record FROM webhook_deliveries WHERE ${conditions} ORDER BY created_at DESC, id DESC LIMIT ?`)
    const values = asked.map(([, value]) => value)
    // Those of one generation are few, and have an index.
    const isSliced = asked.length > 0 && generationId === undefined
    const rows: object[] = []
    let from: Position | null = cursor === undefined ? NEWEST : positionOf(cursor)
    while (from !== null && rows.length <= limit) {
      await readingTurn({ key })
      if (!database.isOpen) break
      const to: Position | null = isSliced ? endOfSlice(from) : null
      const end = to ?? OLDEST
      rows.push(...select.all(...values, from.createdAt, from.id, end.createdAt, end.id, limit + 1 - rows.length))
      from = to
    }
    return pageOf(rows.map(recordOf), limit)
  }
}

const NEWEST: Position = { createdAt: Number.MAX_SAFE_INTEGER, id: '' }
const OLDEST: Position = { createdAt: Number.MIN_SAFE_INTEGER, id: '' }

interface PlannedRow {
  readonly id: string
  readonly origin: string
  readonly key: string | null
  readonly next_try_at: Instant
}

type DeliveryReader = Pick<Store, 'delivery' | 'deliveries' | 'claimDeliveries' | 'planLateDeliveries'>

export function deliveryReader(
  database: DatabaseSync,
  leases: Leases,
  { readingTurn, group }: { readonly readingTurn: ReadingTurn; readonly group: Pick<GroupCommit, 'add'> },
): DeliveryReader {
  const one = database.prepare('SELECT record FROM webhook_deliveries WHERE id = ?')
  const planNow = database.prepare('UPDATE webhook_deliveries SET next_try_at = :now WHERE next_try_at > :latest')
  const claimer = new Claimer(database, leases)

  return {
    async delivery(id) {
      const row = one.get(id)
      return row === undefined ? null : recordOf(row)
    },

    deliveries: deliveryLister(database, readingTurn),
    planLateDeliveries: (latest, now) => group.add([{ apply: () => void planNow.run({ latest, now }) }]),

    async claimDeliveries(asked) {
      const { taken, nextAt } = claimer.choose(asked)
      for (const id of taken) leases.set(id, asked.now + asked.leaseMs)
      const records = taken.flatMap((id) => {
        const row = one.get(id)
        return row === undefined ? [] : [recordOf(row)]
      })
      return { records, nextAt: nextAt === Infinity ? null : nextAt }
    },
  }
}

/** Of what waits behind a full receiver or key, so much is passed over at each claim, and whatever there is once in a second. */
const MOST_PASSED_OVER = 1_000
const PASS_OVER_ALL_EVERY_MS = 1_000

/** Chooses what is tried next, in the order in which it was planned. */
class Claimer {
  readonly #planned: StatementSync
  readonly #beyond: StatementSync
  readonly #leases: Leases
  #allSeenAt = -Infinity

  constructor(database: DatabaseSync, leases: Leases) {
    this.#leases = leases
    const columns = 'SELECT id, origin, key, next_try_at FROM webhook_deliveries'
    const isPlanned = 'next_try_at IS NOT NULL AND origin NOT IN (SELECT value FROM json_each(?))'
    this.#planned = database.prepare(`${columns} WHERE ${isPlanned} ORDER BY next_try_at, id`)
    this.#beyond = database.prepare(`
      ${columns} WHERE ${isPlanned} AND coalesce(key, '') NOT IN (SELECT value FROM json_each(?)) AND (next_try_at, id) > (?, ?)
      ORDER BY next_try_at, id`)
  }

  choose(claim: DeliveryClaim): { readonly taken: readonly string[]; readonly nextAt: Instant } {
    const choice = new Choice(claim, this.#leases)
    if (choice.goThrough(rowsOf(this.#planned, choice.fullOrigins)) === 'done') return choice
    const seeAllAt = this.#allSeenAt + PASS_OVER_ALL_EVERY_MS
    if (claim.now < seeAllAt) return { taken: choice.taken, nextAt: Math.min(choice.nextAt, seeAllAt) }
    this.#allSeenAt = claim.now
    let end: ReturnType<Choice['goThrough']>
    do {
      const { next_try_at: at, id } = choice.last
      // The database passes them over much faster than we would.
      end = choice.goThrough(rowsOf(this.#beyond, choice.fullOrigins, choice.fullKeys, at, id), 1)
    } while (end === 'many are full')
    return choice
  }
}

const rowsOf = (statement: StatementSync, ...values: readonly SQLInputValue[]): Iterable<PlannedRow> =>
  statement.iterate(...values) as unknown as Iterable<PlannedRow>

/** What one claim has taken so far. */
class Choice {
  readonly taken: string[] = []
  nextAt: Instant = Infinity
  last: Pick<PlannedRow, 'next_try_at' | 'id'> = { next_try_at: 0, id: '' }
  readonly #claim: DeliveryClaim
  readonly #leases: Leases
  readonly #atOrigin: Map<string, number>
  readonly #ofKey: Map<string, number>

  constructor(claim: DeliveryClaim, leases: Leases) {
    this.#claim = claim
    this.#leases = leases
    this.#atOrigin = new Map(claim.underWay.byOrigin)
    this.#ofKey = new Map(claim.underWay.byKey)
  }

  get fullOrigins(): string {
    return JSON.stringify(fullOf(this.#atOrigin, this.#claim.perOrigin))
  }

  get fullKeys(): string {
    return JSON.stringify(fullOf(this.#ofKey, this.#claim.perKey))
  }

  /** @returns whether there was nothing more to take, or as many as that are behind full receivers and keys */
  goThrough(rows: Iterable<PlannedRow>, mostFull = MOST_PASSED_OVER): 'done' | 'many are full' {
    const { now, limit } = this.#claim
    let full = 0
    for (const row of rows) {
      this.last = row
      const freeAt = Math.max(row.next_try_at, this.#leases.get(row.id) ?? 0)
      const isFull = this.#isFull(row)
      if (freeAt <= now && this.taken.length < limit && !isFull) {
        this.#take(row)
        continue
      }
      // What waits for a try to end is claimed when it ends.
      if (!isFull) this.nextAt = Math.min(this.nextAt, freeAt)
      // From here on all are later, or the claim is full.
      if (row.next_try_at > now || this.taken.length === limit) return 'done'
      if (isFull) full += 1
      if (full === mostFull) return 'many are full'
    }
    return 'done'
  }

  #isFull({ origin, key }: PlannedRow): boolean {
    const { perOrigin, perKey } = this.#claim
    return (this.#atOrigin.get(origin) ?? 0) >= perOrigin || (key !== null && (this.#ofKey.get(key) ?? 0) >= perKey)
  }

  #take({ id, origin, key }: PlannedRow): void {
    this.taken.push(id)
    this.#atOrigin.set(origin, (this.#atOrigin.get(origin) ?? 0) + 1)
    if (key !== null) this.#ofKey.set(key, (this.#ofKey.get(key) ?? 0) + 1)
  }
}
