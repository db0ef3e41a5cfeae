import type { CostQuery, Store } from '../../core/ports.ts'
import type { CostRow } from '../../core/records.ts'
import { usdFromNano } from '#contract'
import { readAddedUp } from '../rules/added-up-costs.ts'
import { costRowOf, observedBillOf, SETTLED } from '../rules/cost-row.ts'
import { durationOf, HOUR_MS } from '../rules/provider-hour.ts'
import type { Step } from '../rules/provider-hour.ts'
import { budgetUsed, usedOf } from './budgets.ts'
import { turnOf } from '../../reading/turn-of.ts'
import type { Connections } from './connections.ts'
import { addedUpReader } from './cost-days.ts'
import { hasPair } from './generations.ts'
import { binder, prepare } from './statement.ts'
import type { Statement } from './statement.ts'

const PAGE_ROWS = 500

const newestBills = prepare(`
  SELECT key, amount, images, task, at FROM ledger
  WHERE kind = 'billed' AND quoted IS NULL AND provider = $1 AND model = $2 ORDER BY seq DESC LIMIT $3`)
const hours = prepare('SELECT hour, succeeded, failed FROM provider_hours WHERE provider = $1 AND hour >= $2 AND hour < $3 ORDER BY hour')
const durations = prepare(
  'SELECT hour, step, tasks FROM provider_hour_durations WHERE provider = $1 AND hour >= $2 AND hour < $3 ORDER BY hour, step',
)

type AccountReader = Pick<Store, 'costs' | 'costSums' | 'observedBills' | 'budgetUsed' | 'providerHours'>

/** Reads the account, and what it says of each provider. */
export const accountReader = (connections: Connections): AccountReader => ({
  costs: (query) => readCosts(connections, query),
  costSums: (query) =>
    readAddedUp(
      addedUpReader(connections, query, (asked) => readCosts(connections, asked)),
      query,
    ),
  observedBills: async (provider, model, limit) => (await connections.read(newestBills(provider, model, limit))).flatMap(observedBillOf),
  budgetUsed: async (key, period, periodStart) => usdFromNano(usedOf(await connections.read(budgetUsed(key, period, periodStart)))),
  async providerHours(provider, from, to) {
    const range = [provider, Math.floor(from / HOUR_MS), Math.ceil(to / HOUR_MS)] as const
    const [counted, taken] = await Promise.all([connections.read(hours(...range)), connections.read(durations(...range))])
    const steps = Map.groupBy(taken, ({ hour }) => Number(hour))
    return counted.map(({ hour, succeeded, failed }) => ({
      startsAt: Number(hour) * HOUR_MS,
      succeeded: Number(succeeded),
      failed: Number(failed),
      durationMs: durationOf(
        (steps.get(Number(hour)) ?? []).map((row): Step => ({ step: Number(row['step']), tasks: Number(row['tasks']) })),
      ),
    }))
  },
})

/** Settled and adjusted lines, oldest first; each page begins where the last one ended, whatever was appended meanwhile. */
async function* readCosts({ readMany }: Connections, query: CostQuery): AsyncGenerator<readonly CostRow[]> {
  let after = { at: BigInt(query.from ?? 0), seq: -1n }
  for (;;) {
    const rows = await readMany(pageAfter(query, after), turnOf(query))
    if (rows.length > 0) yield rows.map(costRowOf)
    const last = rows.at(-1)
    if (rows.length < PAGE_ROWS || last === undefined) return
    after = { at: last['at'] as bigint, seq: last['seq'] as bigint }
  }
}

function pageAfter(query: CostQuery, after: { readonly at: bigint; readonly seq: bigint }): Statement {
  const { values, bind } = binder()
  const conditions = [SETTLED, `(l.at, l.seq) > (${bind(after.at)}, ${bind(after.seq)})`]
  if (query.to !== null) conditions.push(`l.at < ${bind(query.to)}`)
  for (const column of ['key', 'provider', 'model'] as const) {
    const value = query[column]
    if (value !== null && value !== undefined) conditions.push(`l.${column} = ${bind(value)}`)
  }
  for (const pair of Object.entries(query.metadata ?? {})) conditions.push(hasPair('l.generation_id', pair, bind))
  const asked = (query.metadataNames ?? []).map((name) => bind(name))
  const generation =
    query.withGeneration === true
      ? `, (SELECT g.created_at FROM generations AS g WHERE g.id = l.generation_id) AS created_at,
         (SELECT json_object_agg(m.key, m.value) FROM generation_metadata AS m WHERE m.generation_id = l.generation_id) AS metadata`
      : asked.length > 0
        ? `, (SELECT json_object_agg(m.key, m.value) FROM generation_metadata AS m
            WHERE m.generation_id = l.generation_id AND m.key IN (${asked.join(', ')})) AS metadata`
        : ''
  const text = `SELECT l.*${generation} FROM ledger AS l WHERE ${conditions.join(' AND ')} ORDER BY l.at, l.seq LIMIT ${PAGE_ROWS}`
  return { text, values }
}
