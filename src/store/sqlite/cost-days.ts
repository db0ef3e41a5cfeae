import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CostQuery, Store } from '../../core/ports.ts'
import { itsTurn } from '../../reading/turn-share.ts'
import type { AddedUpReader } from '../rules/added-up-costs.ts'
import { dayAdder, firstUnsettledDay, newestMissingDay, SUM_COLUMNS } from '../rules/added-up-day.ts'
import type { AddedUpDay } from '../rules/added-up-day.ts'
import { costRowOf } from '../rules/cost-row.ts'
import { DAY_MS } from '../rules/generation-day.ts'
import { readCosts } from './costs.ts'
import type { GroupCommit } from './group-commit.ts'
import type { ReadingTurn } from './reading-turn.ts'
import { settledLines } from './settled.ts'

const SETTLED = settledLines('l')

/** Lines that are added up in one turn of the event loop: a few milliseconds. */
const PAGE_ROWS = 250
/** Between two turns, so that a year that is added up at once takes no time that others need. */
const PAUSE_MS = 25

/** The days that are added up, or are being. */
export interface AddedUpDays {
  /** Within a transaction: one is going to be added up. */
  claim(day: number): void
  /** Within a transaction: there is another line. Its day is forgotten, and added up anew. */
  lineAt(at: number): void
}

export function addedUpDays(database: DatabaseSync): AddedUpDays {
  const forget = database.prepare('DELETE FROM cost_days WHERE day = ?')
  // Nobody else writes. One that is too late, as behind a claim that the disk refused, forgets what is not there.
  let newest = Number(database.prepare('SELECT coalesce(max(day), -1) AS day FROM cost_days').get()?.['day'])
  return {
    claim(day) {
      newest = Math.max(newest, day)
    },
    lineAt(at) {
      const day = Math.floor(at / DAY_MS)
      if (day <= newest) forget.run(day)
    },
  }
}

/** Adds up one day after the other, behind everything else. */
export function dayTotaller(database: DatabaseSync, group: Pick<GroupCommit, 'add'>, days: Pick<AddedUpDays, 'claim'>): Store['addUpDay'] {
  const missing = database.prepare(newestMissingDay(SETTLED, '?'))
  const claimDay = database.prepare('INSERT INTO cost_days (day, claim) VALUES (?1, ?2) ON CONFLICT (day) DO UPDATE SET claim = ?2')
  const endDay = database.prepare('UPDATE cost_days SET about = ? WHERE day = ? AND claim = ?')
  const addSum = database.prepare(
    `INSERT INTO cost_sums (day, ${SUM_COLUMNS.join(', ')}) VALUES (${['day', ...SUM_COLUMNS].map(() => '?').join(', ')})`,
  )
  const page = database.prepare(`
    SELECT l.*, (SELECT iif(g.open = 0, json_array_length(g.state, '$.attempts'), NULL) FROM generations AS g WHERE g.id = l.generation_id) AS attempts,
      (SELECT json_group_object(m.key, m.value) FROM generation_metadata AS m WHERE m.generation_id = l.generation_id) AS metadata
    FROM ledger AS l WHERE ${SETTLED} AND (l.at, l.seq) > (:at, :seq) AND l.at < :to ORDER BY l.at, l.seq LIMIT ${PAGE_ROWS}`)
  page.setReadBigInts(true)

  async function addUp(day: number, signal: AbortSignal): Promise<AddedUpDay> {
    const adder = dayAdder()
    const to = (day + 1) * DAY_MS
    for (let from = { at: BigInt(day * DAY_MS), seq: -1n }; ;) {
      await sleep(PAUSE_MS, undefined, { signal, ref: false })
      await itsTurn(0)
      signal.throwIfAborted()
      const rows = page.all({ ...from, to })
      for (const row of rows) adder.add(row)
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS) return adder.result()
      from = { at: last['at'] as bigint, seq: last['seq'] as bigint }
    }
  }

  return async (now, signal) => {
    const day = missing.get(firstUnsettledDay(now))?.['day']
    if (typeof day !== 'number') return false
    const claim = randomUUID()
    const claimed = (): void => {
      days.claim(day)
      claimDay.run(day, claim)
    }
    await group.add([{ apply: claimed }])
    const { sums, about } = await addUp(day, signal)
    const apply = (): void => {
      // A line that came meanwhile took the claim away.
      if (endDay.run(JSON.stringify(about), day, claim).changes === 0) return
      for (const sum of sums) addSum.run(day, ...SUM_COLUMNS.map((column) => sum[column]))
    }
    await group.add([{ apply }])
    return true
  }
}

/** Reads lines and sums of days for a report. */
export function addedUpReader(database: DatabaseSync, readingTurn: ReadingTurn): (query: CostQuery) => AddedUpReader {
  const days = database.prepare('SELECT day FROM cost_days WHERE about IS NOT NULL AND day >= ? AND day < ? ORDER BY day')
  const aboutDay = database.prepare('SELECT about FROM cost_days WHERE day = ?')
  const sumsOf = database.prepare('SELECT * FROM cost_sums WHERE day = ? AND (name IS NULL OR name = ?)')
  const bySeq = database.prepare(`
    SELECT l.*, (SELECT json_object(m.key, m.value) FROM generation_metadata AS m WHERE m.generation_id = l.generation_id AND m.key = ?2) AS metadata
    FROM ledger AS l WHERE l.seq IN (SELECT value FROM json_each(?1)) ORDER BY l.seq`)
  for (const statement of [sumsOf, bySeq]) statement.setReadBigInts(true)

  return (query) => ({
    lines: (asked) => readCosts(database, asked, readingTurn),
    days: async (from, to) => days.all(from, to).map((row) => Number(row['day'])),
    async day(day, name) {
      await readingTurn(query)
      // Both in the same turn, in which nothing is written.
      return { about: aboutDay.get(day)?.['about'], sums: sumsOf.all(day, name) }
    },
    async linesBySeq(seqs, name) {
      await readingTurn(query)
      return bySeq.all(JSON.stringify(seqs), name).map(costRowOf)
    },
  })
}
