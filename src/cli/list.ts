import type { Generation, GenerationStatus } from '#contract'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { each, gatewayCommand, metadataOf, wholeNumber } from './options.ts'
import { costOf } from './generation-report.ts'
import { seconds, table } from './table.ts'

interface ListOptions extends ConnectOptions {
  readonly status?: GenerationStatus
  readonly model?: string
  readonly provider?: string
  readonly metadata?: readonly string[]
  readonly search?: string
  readonly limit: number
  readonly cursor?: string
  readonly json?: boolean
}

const DEFAULT_LIMIT = 20

export const listVerb: Verb = (terminal, finish) =>
  gatewayCommand('list', 'generations, newest first')
    .option('--status <status>', 'queued, running, succeeded, failed or canceled')
    .option('--model <model>', 'only of this model')
    .option('--provider <id>', 'only at this provider')
    .option('--search <words>', 'only with all of these words in the prompt')
    .option('--metadata <key=value>', 'only with this pair; several', each)
    .option('--limit <number>', 'how many, at most 100', wholeNumber, DEFAULT_LIMIT)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .action((options: ListOptions) =>
      finish(
        withGateway(options, terminal, async ({ client }) => {
          const { status, model, provider, search: q, limit, cursor } = options
          const given = { status, model, provider, q, limit, cursor, metadata: metadataOf(options.metadata ?? []) }
          const page = await client.list(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))
          terminal.out(options.json ? JSON.stringify(page, null, 2) : listReport(page.data))
          if (!options.json && page.next_cursor !== null) terminal.err(`There are more: --cursor ${page.next_cursor}`)
          return 0
        }),
      ),
    )

function listReport(generations: readonly Generation[]): string {
  if (generations.length === 0) return 'No generation fits.'
  const rows = generations.map((generation) => [
    generation.id,
    generation.created_at,
    generation.error === null ? generation.status : `${generation.status}: ${generation.error.code}`,
    generation.model,
    generation.provider ?? '–',
    costOf(generation),
    seconds(generation.timing.total_ms),
  ])
  return table(['generation', 'created', 'status', 'model', 'provider', 'cost', 'time'], rows)
}
