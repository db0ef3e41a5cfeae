import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import pg from 'pg'
import { sumUsd } from '#contract'
import type { Usd } from '#contract'
import { quotedShare } from '../../src/core/billing/ledger.ts'
import type { Store } from '../../src/core/ports.ts'
import type { GenerationRecord } from '../../src/core/records.ts'
import { openPostgresStore } from '../../src/store/postgres/store.ts'
import { openStore } from '../../src/store/sqlite/store.ts'

export interface Books {
  readonly generations: readonly GenerationRecord[]
  /** Generations that have not ended. */
  readonly open: number
  /** How many settlements the account holds for each attempt that ended. */
  readonly settlements: ReadonlyMap<string, number>
}

/** What a stopped gateway has left on disk. */
export const readBooks = async (dataDirectory: string): Promise<Books> =>
  booksOf(await openStore({ directory: dataDirectory }), async () => settlementsIn(dataDirectory))

/** The same of a gateway whose database is PostgreSQL. */
export const readPostgresBooks = async (url: string): Promise<Books> => booksOf(await openPostgresStore(url), () => settlementsAt(url))

async function booksOf(store: Store, readSettlements: () => Promise<ReadonlyMap<string, number>>): Promise<Books> {
  const generations: GenerationRecord[] = []
  let cursor: string | null | undefined
  while (cursor !== null) {
    const page = await store.list({ limit: 100, ...(cursor === undefined ? {} : { cursor }) })
    generations.push(...page.records)
    cursor = page.nextCursor
  }
  const open = (await store.claimOpen()).length
  await store.close()
  const times = await readSettlements()
  const attempts = generations.flatMap((generation) => generation.attempts.filter((attempt) => attempt.endedAt !== null))
  return { generations, open, settlements: new Map(attempts.map(({ id }) => [id, times.get(id) ?? 0])) }
}

/** From the account itself: what a store shows of it could hide a second line. */
function settlementsIn(dataDirectory: string): ReadonlyMap<string, number> {
  const database = new DatabaseSync(join(dataDirectory, 'imagegate.db'), { readOnly: true })
  try {
    return timesOf(database.prepare(SETTLEMENTS.replace('$1', 'ledger')).all())
  } finally {
    database.close()
  }
}

async function settlementsAt(url: string): Promise<ReadonlyMap<string, number>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return timesOf((await client.query<Record<string, unknown>>(SETTLEMENTS.replace('$1', 'imagegate.ledger'))).rows)
  } finally {
    await client.end()
  }
}

const SETTLEMENTS = `SELECT attempt_id, count(*) AS times FROM $1 WHERE kind IN ('billed', 'computed', 'unknown') GROUP BY attempt_id`

const timesOf = (rows: readonly Readonly<Record<string, unknown>>[]): ReadonlyMap<string, number> =>
  new Map(rows.map((row) => [String(row['attempt_id']), Number(row['times'])]))

/** What counts against the budget: known costs, and the quote of what may have been billed. */
export function countedIn(generations: readonly GenerationRecord[]): Usd {
  const attempts = generations.flatMap((record) => record.attempts.map((attempt) => ({ attempt, route: record.routes[attempt.route] })))
  return sumUsd(attempts.flatMap(({ attempt, route }) => attempt.settled?.amount ?? quotedShare(route, attempt) ?? []))
}
