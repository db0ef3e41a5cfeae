import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { GenerationRecord } from '#contract'

export interface Books {
  readonly generations: readonly GenerationRecord[]
  /** Generations that have not ended. */
  readonly open: number
  /** How many settlements the account holds for each attempt that ended. */
  readonly settlements: ReadonlyMap<string, number>
}

/** What a stopped gateway has left on disk. */
export function readBooks(dataDirectory: string): Books {
  const database = new DatabaseSync(join(dataDirectory, 'imagegate.db'))
  try {
    const generations = database
      .prepare('SELECT state, plan FROM generations JOIN generation_plans USING (number)')
      .all()
      .map((row) => ({ ...JSON.parse(String(row['plan'])), ...JSON.parse(String(row['state'])) }) as GenerationRecord)
    const settled = database
      .prepare(`SELECT attempt_id, count(*) AS times FROM ledger WHERE kind IN ('billed', 'computed', 'unknown') GROUP BY attempt_id`)
      .all()
      .map((row) => [String(row['attempt_id']), Number(row['times'])] as const)
    const times = new Map(settled)
    const attempts = generations.flatMap((generation) => generation.attempts.filter((attempt) => attempt.endedAt !== null))
    return {
      generations,
      open: Number(database.prepare('SELECT count(*) AS open FROM generations WHERE open = 1').get()?.['open']),
      settlements: new Map(attempts.map(({ id }) => [id, times.get(id) ?? 0])),
    }
  } finally {
    database.close()
  }
}
