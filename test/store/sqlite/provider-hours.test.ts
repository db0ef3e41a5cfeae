import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { migrate, MIGRATIONS } from '../../../src/store/sqlite/migrations.ts'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { settlement } from '../ledger-entries.ts'

const HOUR_MS = 3_600_000
/** The schema whose gateways counted a task with its line of the ledger. */
const COUNTED_AT_ONCE = 9

let directory: string
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'imagegate-hours-'))))
afterEach(() => rm(directory, { recursive: true }))

const task = (number: number) =>
  settlement(`gen_${number}`, `att_${number}`, { at: HOUR_MS * 6 + number, task: { wasSubmitted: true, durationMs: 4_000 } })
const hoursOf = async (lines: number) => {
  const store = await openStore({ directory })
  try {
    if (lines > 0) await store.commit({ ledger: Array.from({ length: lines }, (_, number) => task(number)) })
    return await store.providerHours('north', 0, HOUR_MS * 8)
  } finally {
    await store.close()
  }
}
const withDatabase = (work: (database: DatabaseSync) => void): void => {
  const database = new DatabaseSync(join(directory, 'imagegate.db'))
  work(database)
  database.close()
}

describe('the hours of a provider', () => {
  test('the hours count each task once, whenever the process ended between its line of the ledger and the count', async () => {
    const store = await openStore({ directory })
    await store.commit({ ledger: [task(1)] })
    await store.close()
    expect(await hoursOf(0)).toMatchObject([{ succeeded: 1, failed: 0, durationMs: { samples: 1 } }])
    expect(await hoursOf(0)).toMatchObject([{ succeeded: 1, failed: 0, durationMs: { samples: 1 } }])
  })

  test('the hours are whole in the answer, though more tasks ended than a batch holds', async () => {
    expect(await hoursOf(1_201)).toMatchObject([{ succeeded: 1_201, durationMs: { samples: 1_201 } }])
  })

  test('the hours count no task again that a version before had counted with its line', async () => {
    withDatabase((database) => {
      migrate(database, MIGRATIONS.slice(0, COUNTED_AT_ONCE))
      const { at, generationId, attemptId, provider, model, task: about } = task(1)
      database
        .prepare("INSERT INTO ledger (at, kind, generation_id, attempt_id, provider, model, task) VALUES (?, 'billed', ?, ?, ?, ?, ?)")
        .run(at, generationId, attemptId, provider, model, JSON.stringify(about))
      database.prepare('INSERT INTO provider_hours VALUES (?, 6, 1, 0)').run(provider)
    })
    expect(await hoursOf(0)).toMatchObject([{ succeeded: 1 }])
  })
})
