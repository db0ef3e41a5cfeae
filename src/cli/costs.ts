import type { BudgetState, CostFigures, CostReport } from '#contract'
import type { CostsQuery } from '../client/client.ts'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { gatewayCommand, names } from './options.ts'
import { table } from './table.ts'
import type { Terminal } from './terminal.ts'

interface CostsOptions extends ConnectOptions {
  readonly from?: string
  readonly to?: string
  readonly groupBy?: readonly string[]
  readonly csv?: boolean
  readonly json?: boolean
}

export const costsVerb: Verb = (terminal, finish) =>
  gatewayCommand('costs', 'what was spent, what of it was wasted, and what the same would have cost elsewhere')
    .option('--from <day>', 'from this day (UTC) or instant on (default: the beginning)')
    .option('--to <day>', 'up to and including this day, or up to this instant (default: now)')
    .option('--group-by <names>', 'provider, model, day, key, metadata.<key>; several joined by commas (default: provider)', names)
    .option('--csv', 'print a row for each attempt, as an invoice has them')
    .action((options: CostsOptions) => finish(costs(options, terminal)))

async function costs({ from, to, groupBy, csv, json, ...options }: CostsOptions, terminal: Terminal): Promise<number> {
  const query: CostsQuery = { from, to, groupBy }
  return withGateway(options, terminal, async ({ client }) => {
    if (csv) terminal.out((await client.costsAsCsv(query)).trimEnd())
    else {
      const report = await client.costs(query)
      terminal.out(json ? JSON.stringify(report, null, 2) : costReport(report))
    }
    return 0
  })
}

/** Groups and their sum, then what the same would have cost elsewhere, then budgets. */
export function costReport({ groups, total, group_by: groupBy, budgets }: CostReport): string {
  if (total.attempts === 0) return ['Nothing was bought.', ...budgets.map(budgetLine)].join('\n')
  const head = [...groupBy, 'spent', 'generations', 'images', 'an image', 'wasted', 'cost unknown', 'bill against quote']
  const rows = groups.map(({ group, ...figures }) => [...groupBy.map((name) => group[name] ?? '–'), ...figureCells(figures)])
  const sum = [...groupBy.map((_, index) => (index === 0 ? 'all' : '')), ...figureCells(total)]
  const elsewhere = total.what_if.length === 0 ? [] : ['', 'The same images elsewhere', '', whatIfTable(total)]
  return [table(head, [...rows, sum]), ...elsewhere, ...(budgets.length > 0 ? ['', ...budgets.map(budgetLine)] : [])].join('\n')
}

function figureCells(figures: CostFigures): readonly string[] {
  const { spend, generations, images, cost_per_image: each, wasted, unknown_cost_generations: unknown, drift } = figures
  return [
    `$${spend}`,
    String(generations),
    String(images),
    each === null ? '–' : `$${each}`,
    wasted.unknown === '0' ? `$${wasted.amount}` : `$${wasted.amount} (+ $${wasted.unknown} perhaps)`,
    String(unknown),
    drift.percent === null ? '–' : `$${drift.amount} (${drift.percent})`,
  ]
}

function whatIfTable({ what_if: rows }: CostFigures): string {
  const cells = rows.map((row) => [
    row.provider,
    row.amount === null ? '–' : `$${row.amount}`,
    row.amount === null ? '–' : `$${row.spent}`,
    row.vs_spent ?? '–',
    String(row.images),
    String(row.not_priced),
    String(row.cost_unknown),
  ])
  return table(['provider', 'there', 'here', 'difference', 'images', 'not priced there', 'cost unknown here'], cells)
}

const budgetLine = ({ key, limit, period, used, left, renews_at: renewsAt }: BudgetState): string =>
  `budget of ${key}: $${left} of $${limit} left, $${used} used (${period === 'total' ? 'in total' : `a ${period}, anew at ${renewsAt ?? '–'}`})`
