import { randomUUID } from 'node:crypto'
import type { CostQuery, Store } from '../../core/ports.ts'
import type { CostRow } from '../../core/records.ts'
import type { AddedUpReader } from '../rules/added-up-costs.ts'
import { dayAdder, firstUnsettledDay, newestMissingDay, SUM_COLUMNS } from '../rules/added-up-day.ts'
import type { AddedUpDay, SumRow } from '../rules/added-up-day.ts'
import { costRowOf, SETTLED } from '../rules/cost-row.ts'
import { DAY_MS } from '../rules/generation-day.ts'
import { turnOf } from '../../reading/turn-of.ts'
import type { Connection, Connections } from './connections.ts'
import { failureOf } from './failure-of.ts'
import { LOCKS } from './locks.ts'
import { prepare } from './statement.ts'

const PAGE_ROWS = 500

const begin = prepare('BEGIN')
const commit = prepare('COMMIT')
/** SQL: the days before it are settled by the server's clock too, by which the trigger goes that sees late lines. */
const UNSETTLED = '((extract(epoch FROM now())::bigint - 86400) / 86400)'
const missing = prepare(newestMissingDay(SETTLED, `least($1::bigint, ${UNSETTLED})`))
/** Added up while the server's clock was ahead: lines that come since are not late. */
const forgetEarly = prepare(`DELETE FROM cost_days WHERE day >= ${UNSETTLED}`)
/** Behind every unit that writes a late line now: one that comes later finds the claim and takes it away. */
const lockLate = prepare('SELECT pg_advisory_xact_lock($1, $2)')
const claimDay = prepare('INSERT INTO cost_days (day, claim) VALUES ($1, $2) ON CONFLICT (day) DO UPDATE SET claim = excluded.claim')
const endDay = prepare('UPDATE cost_days SET about = $1 WHERE day = $2 AND claim = $3')
/** SQL: the state as JSON that the server reads. It refuses escapes of NUL and of half a surrogate, which a vendor's words may have. */
const READABLE = String.raw`regexp_replace(g.state, '\\u(0000|d[89a-f][0-9a-f]{2})', '\\u0001', 'g')`
const linesOfDay = prepare(`
  SELECT l.*, (SELECT CASE WHEN NOT g.open THEN json_array_length(${READABLE}::json -> 'attempts') END
    FROM generations AS g WHERE g.id = l.generation_id) AS attempts,
    (SELECT json_object_agg(m.key, m.value) FROM generation_metadata AS m WHERE m.generation_id = l.generation_id) AS metadata
  FROM ledger AS l WHERE ${SETTLED} AND (l.at, l.seq) > ($1, $2) AND l.at < $3 ORDER BY l.at, l.seq LIMIT ${PAGE_ROWS}`)

/** What columns of sums are, in the order of `SUM_COLUMNS`. */
const TYPES: Readonly<Record<keyof SumRow, string>> = {
  name: 'text',
  value: 'text',
  key: 'text',
  provider: 'text',
  model: 'text',
  kind: 'text',
  task: 'text',
  attempts: 'bigint',
  generations: 'bigint',
  images: 'bigint',
  amount: 'bigint',
  quoted: 'bigint',
}
const addSums = prepare(`
  INSERT INTO cost_sums (day, ${SUM_COLUMNS.join(', ')})
  SELECT $1, * FROM unnest(${SUM_COLUMNS.map((column, index) => `$${index + 2}::${TYPES[column]}[]`).join(', ')})`)

/** Adds up one day after the other. Processes that do so at once each find what the other has not ended. */
export const dayTotaller =
  (connections: Connections): Store['addUpDay'] =>
  async (now, signal) => {
    await connections.read(forgetEarly())
    const [row] = await connections.read(missing(firstUnsettledDay(now)))
    if (row === undefined) return false
    const day = Number(row['day'])
    const claim = randomUUID()
    await inTransaction(connections, async ({ run }) => {
      await run(lockLate(...LOCKS.lateLines))
      await run(claimDay(day, claim))
    })
    const { sums, about } = await addUp(connections, day, signal)
    await inTransaction(connections, async ({ run }) => {
      // A line that came meanwhile took the claim away.
      if ((await run(endDay(JSON.stringify(about), day, claim))).count > 0)
        await run(addSums(day, ...SUM_COLUMNS.map((column) => sums.map((sum) => sum[column]))))
    })
    return true
  }

async function addUp({ readMany }: Connections, day: number, signal: AbortSignal): Promise<AddedUpDay> {
  const adder = dayAdder()
  for (let from = { at: BigInt(day * DAY_MS), seq: -1n }; ;) {
    signal.throwIfAborted()
    const rows = await readMany(linesOfDay(from.at, from.seq, (day + 1) * DAY_MS), turnOf({}))
    for (const line of rows) adder.add(line)
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return adder.result()
    from = { at: last['at'] as bigint, seq: last['seq'] as bigint }
  }
}

async function inTransaction(connections: Connections, work: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await connections.take()
  // What is half done is taken back with its connection.
  let isBroken = true
  try {
    await connection.run(begin())
    await work(connection)
    await connection.run(commit())
    isBroken = false
  } catch (error) {
    throw failureOf(error) ?? error
  } finally {
    connection.release(isBroken)
  }
}

const daysBetween = prepare(
  `SELECT day FROM cost_days WHERE about IS NOT NULL AND day >= $1 AND day < least($2::bigint, ${UNSETTLED}) ORDER BY day`,
)
/** The day with each of its sums, or with none: one statement sees both as they were at one moment. */
const dayWithSums = prepare(`
  SELECT d.about, s.* FROM cost_days AS d LEFT JOIN cost_sums AS s ON s.day = d.day AND (s.name IS NULL OR s.name = $2) WHERE d.day = $1`)
const linesBySeq = prepare(`
  SELECT l.*, (SELECT json_object_agg(m.key, m.value) FROM generation_metadata AS m WHERE m.generation_id = l.generation_id AND m.key = $2) AS metadata
  FROM ledger AS l WHERE l.seq = ANY ($1::bigint[]) ORDER BY l.seq`)

/** Reads lines and sums of days for a report. */
export const addedUpReader = (
  { read, readMany }: Connections,
  query: CostQuery,
  lines: (query: CostQuery) => AsyncIterable<readonly CostRow[]>,
): AddedUpReader => ({
  lines,
  days: async (from, to) => (await read(daysBetween(from, to))).map((row) => Number(row['day'])),
  async day(day, name) {
    const rows = await readMany(dayWithSums(day, name), turnOf(query))
    return { about: rows[0]?.['about'], sums: rows.filter((row) => row['provider'] !== null) }
  },
  linesBySeq: async (seqs, name) => (await readMany(linesBySeq(seqs, name), turnOf(query))).map(costRowOf),
})
