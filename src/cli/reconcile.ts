import { Option } from 'commander'
import type { Reconciliation, ReconciliationOutcome } from '#contract'
import type { ReconcileQuery } from '../client/client.ts'
import type { Verb } from './verb.ts'
import { readNamedFile } from '../config/named-file.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { lastMonth, rangeOf, type RangeOptions } from './month.ts'
import { each, gatewayCommand } from './options.ts'
import { table } from './table.ts'
import { VerbFailed, type Terminal } from './terminal.ts'

interface ReconcileOptions extends ConnectOptions, RangeOptions {
  readonly apply?: boolean
  readonly provider?: string
  readonly taskColumn?: string
  readonly amountColumn?: string
  readonly currencyColumn?: string
  readonly unit?: 'usd' | 'cents'
  readonly attach?: readonly string[]
  readonly json?: boolean
}

export const reconcileVerb: Verb = (terminal, finish) =>
  gatewayCommand('reconcile', 'put a vendor’s invoice beside the account, and settle costs that are not known')
    .argument('<file>', 'CSV, or JSON lines (.jsonl, .ndjson): one object a line')
    .option('--apply', 'write what is found; without it nothing is written')
    .option('--provider <id>', 'whose invoice it is (default: whoever’s its tasks are)')
    .option('--from <day>', 'the first day (UTC) it covers (default: the day of its first task)')
    .option('--to <day>', 'its last day (default: the day of its last task)')
    .option('--month <month>', 'the calendar month (UTC) it covers, for example 2026-10')
    .option('--last-month', 'the calendar month before this one')
    .option('--task-column <name>', 'where the task ids are (default: task_id, taskUUID, request_id, id and the like)')
    .option('--amount-column <name>', 'where the amounts are (default: amount, cost, price, credits and the like)')
    .option('--currency-column <name>', 'where the currency is (default: currency)')
    .addOption(new Option('--unit <unit>', 'of amounts without a currency (default: usd)').choices(['usd', 'cents']))
    .option(
      '--attach <task=attempt>',
      'whose a task of the invoice is where its id never came back (outcome_unknown): <vendor’s task id>=<attempt or generation id>; several',
      each,
    )
    .action((file: string, options: ReconcileOptions) => finish(reconcile(file, options, terminal)))

async function reconcile(file: string, options: ReconcileOptions, terminal: Terminal): Promise<number> {
  const { apply = false, provider, taskColumn, amountColumn, currencyColumn, unit, attach, json, lastMonth: isLastMonth, ...rest } = options
  const range = rangeOf(isLastMonth === true ? { ...rest, lastMonth: lastMonth(new Date()) } : rest)
  const query: ReconcileQuery = { ...range, apply, provider, taskColumn, amountColumn, currencyColumn, unit, attach }
  const invoice = readInvoice(file)
  return withGateway(options, terminal, async ({ client }) => {
    const found = await client.reconcile(invoice, query).catch(asOptions)
    terminal.out(json ? JSON.stringify(found, null, 2) : reconciliationReport(found))
    return 0
  })
}

/** The API's names of what is an option here. */
function asOptions(error: unknown): never {
  if (error instanceof Error) error.message = error.message.replaceAll(/\b(task|amount|currency)_column\b/g, '--$1-column')
  throw error
}

/** What the gateway takes of one. */
const MOST_MEGABYTES = 16

function readInvoice(file: string): { readonly text: string; readonly format: 'csv' | 'jsonl' } {
  try {
    return { text: readNamedFile(file, MOST_MEGABYTES).toString('utf8'), format: /\.(jsonl|ndjson)$/i.test(file) ? 'jsonl' : 'csv' }
  } catch (error) {
    throw new VerbFailed(`${file}: ${error instanceof Error ? error.message : 'it cannot be read'}`)
  }
}

const NAMES: Readonly<Record<ReconciliationOutcome, string>> = {
  equal: 'the same amount',
  settled: 'settled',
  confirmed: 'bill confirmed',
  differs: 'differs',
  unknown_task: 'unknown task',
  not_on_invoice: 'not on the invoice',
  unreadable: 'not read',
  ambiguous: 'several attempts',
  under_way: 'under way',
}

/** What came of it by outcome, then each difference with its explanation. */
export function reconciliationReport(found: Reconciliation): string {
  const { applied, summary, rows, rows_left_out: leftOut, lines, invoiced, providers, from, to } = found
  const days = from === null || to === null ? '' : `, from ${from.slice(0, 10)} to before ${to.slice(0, 10)}`
  const whose = providers.length === 0 ? 'no provider' : providers.join(', ')
  const counted = Object.entries(summary).flatMap(([outcome, part]) =>
    part.count === 0
      ? []
      : [[NAMES[outcome as ReconciliationOutcome], String(part.count), `$${part.invoiced}`, `$${part.recorded}`, `$${part.difference}`]],
  )
  const shown = rows.filter(({ outcome }) => outcome !== 'equal')
  const cells = shown.map((row) => [
    NAMES[row.outcome],
    row.task_id ?? '–',
    row.provider ?? '–',
    row.invoiced === null ? '–' : `$${row.invoiced}`,
    row.recorded === null ? '–' : `$${row.recorded}`,
    row.explanation,
  ])
  const difference = table(['', 'task', 'provider', 'invoice', 'account', 'why'], cells)
  const more = leftOut > 0 ? ['', `${leftOut} more rows are counted above and not shown.`] : []
  const settles = summary.settled.count + summary.confirmed.count
  return [
    `${lines} lines of $${invoiced} together; ${whose}${days}`,
    '',
    counted.length === 0 ? 'There is nothing on it.' : table(['', 'tasks', 'invoice', 'account', 'difference'], counted),
    ...(shown.length === 0 ? [] : ['', difference]),
    ...more,
    '',
    endOfReport(applied, settles),
  ].join('\n')
}

function endOfReport(applied: boolean, settles: number): string {
  const costs = settles === 1 ? '1 unknown cost' : `${settles} unknown costs`
  if (applied) return settles === 0 ? 'Nothing had to be settled.' : `${costs} settled.`
  return settles === 0 ? 'Nothing would be settled.' : `Nothing was written. --apply settles ${costs}.`
}
