import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { GenerationRecord } from '../../src/core/records.ts'
import { openStore } from '../../src/store/sqlite/store.ts'

export interface Books {
  readonly generations: readonly GenerationRecord[]
  /** Generations that have not ended. */
  readonly open: number
  /** How many settlements the account holds for each attempt that ended. */
  readonly settlements: ReadonlyMap<string, number>
}

/** What a stopped gateway has left on disk. */
export async function readBooks(dataDirectory: string): Promise<Books> {
  const store = await openStore({ directory: dataDirectory })
  const generations: GenerationRecord[] = []
  let cursor: string | null | undefined
  while (cursor !== null) {
    const page = await store.list({ limit: 100, ...(cursor === undefined ? {} : { cursor }) })
    generations.push(...page.records)
    cursor = page.nextCursor
  }
  const open = (await store.claimOpen()).length
  await store.close()
  const times = settlementsIn(dataDirectory)
  const attempts = generations.flatMap((generation) => generation.attempts.filter((attempt) => attempt.endedAt !== null))
  return { generations, open, settlements: new Map(attempts.map(({ id }) => [id, times.get(id) ?? 0])) }
}

/** From the account itself: what a store shows of it could hide a second line. */
function settlementsIn(dataDirectory: string): ReadonlyMap<string, number> {
  const database = new DatabaseSync(join(dataDirectory, 'imagegate.db'), { readOnly: true })
  try {
    const rows = database
      .prepare(`SELECT attempt_id, count(*) AS times FROM ledger WHERE kind IN ('billed', 'computed', 'unknown') GROUP BY attempt_id`)
      .all()
    return new Map(rows.map((row) => [String(row['attempt_id']), Number(row['times'])]))
  } finally {
    database.close()
  }
}
