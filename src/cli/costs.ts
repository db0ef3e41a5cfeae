import { Fidelity, givenFilters, type CostFilters } from '#contract'
import { Option } from 'commander'
import type { CostsQuery } from '../client/client.ts'
import { costReport } from './cost-table.ts'
import type { Verb } from './verb.ts'
import { writeWhole } from './write-whole.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { lastMonth, rangeOf, type RangeOptions } from './month.ts'
import { each, gatewayCommand, metadataOf, names, wholeNumber } from './options.ts'
import { VerbFailed, type Terminal } from './terminal.ts'

interface CostsOptions extends ConnectOptions, RangeOptions {
  readonly groupBy?: readonly string[]
  readonly provider?: string
  readonly model?: string
  readonly ofKey?: string
  readonly megapixels?: number
  readonly fidelity?: Fidelity
  readonly metadata?: readonly string[]
  /** A file, or true for standard output. */
  readonly csv?: string | boolean
  readonly json?: boolean
}

export const costsVerb: Verb = (terminal, finish) =>
  gatewayCommand('costs', 'what was spent, what of it was wasted, and which provider would have been cheapest')
    .option('--from <day>', 'from this day (UTC) or instant on (default: the beginning)')
    .option('--to <day>', 'up to and including this day, or up to this instant (default: now)')
    .option('--month <month>', 'one calendar month (UTC), for example 2026-10')
    .option('--last-month', 'the calendar month before this one')
    .option(
      '--group-by <names>',
      'provider, model, day, month, key, megapixels (size class), fidelity, metadata.<key>; several joined by commas (default: provider)',
      names,
    )
    .option('--provider <id>', 'only what ran at this provider')
    .option('--model <model>', 'only this model')
    .option('--of-key <name>', 'only what this gateway key spent (admin scope)')
    .option('--megapixels <number>', 'only images of this size class: megapixels, rounded up', wholeNumber)
    .addOption(new Option('--fidelity <fidelity>', 'only offers this near to the request').choices(Fidelity.options))
    .option('--metadata <key=value>', 'only generations that carry this; several', each)
    .option('--csv [file]', 'a row for each attempt, as an invoice has them; to standard output without a file')
    .action((options: CostsOptions) => finish(costs(options, terminal)))

async function costs(options: CostsOptions, terminal: Terminal): Promise<number> {
  const { groupBy, csv, json, lastMonth: isLastMonth, ...rest } = options
  const range = rangeOf(isLastMonth === true ? { ...rest, lastMonth: lastMonth(new Date()) } : rest)
  const query: CostsQuery = { ...range, groupBy, filters: filtersOf(options) }
  return withGateway(options, terminal, async ({ client }) => {
    if (csv === undefined || csv === false) {
      const report = await client.costs(query)
      terminal.out(json ? JSON.stringify(report, null, 2) : costReport(report))
      return 0
    }
    const text = await client.costsAsCsv(query)
    if (csv === true) terminal.out(text.trimEnd())
    else await save(text, csv, terminal)
    return 0
  })
}

function filtersOf({ provider, model, ofKey: key, megapixels, fidelity, metadata }: CostsOptions): CostFilters {
  return givenFilters({ provider, model, key, megapixels, fidelity, metadata: metadata && metadataOf(metadata) })
}

async function save(text: string, file: string, terminal: Terminal): Promise<void> {
  try {
    await writeWhole(file, text)
  } catch (error) {
    throw new VerbFailed(`--csv ${(error as VerbFailed).message}`)
  }
  const rows = text.split('\r\n').length - 2
  terminal.err(`${file}: ${rows} ${rows === 1 ? 'row' : 'rows'}`)
}
