import { basename, dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { ENCODE_PASSWORD, isPostgresUrl } from '../config/postgres-url.ts'
import type { MovedTable } from '../store/postgres/move.ts'
import { DATABASE_FILE } from '../store/sqlite/open.ts'
import { inWords } from './backup.ts'
import { NotUnderstood, type Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'

interface MigrateOptions {
  readonly from: string
  readonly to: string
  readonly json?: boolean
}

export const migrateVerb: Verb = (terminal, finish) =>
  new Command('migrate')
    .description('copy the database of a stopped gateway into PostgreSQL, and compare both; can be repeated')
    .requiredOption('--from <url>', 'file:<folder>/imagegate.db')
    .requiredOption('--to <url>', 'postgres://user:password@host/database; PGPASSWORD is read too')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nImages stay where assets.url points. The file stays as it is: start no gateway on it any more, it would go on with the same generations.',
    )
    .action((options: MigrateOptions) => finish(move(options, terminal)))

async function move({ from, to, json }: MigrateOptions, terminal: Terminal): Promise<number> {
  const path = resolve(from.replace(/^file:(\/\/(?=\/))?/, ''))
  if (!from.startsWith('file:') || basename(path) !== DATABASE_FILE)
    throw new NotUnderstood(`--from: name the database of a data folder, as in file:data/${DATABASE_FILE}`)
  if (!/^postgres(ql)?:\/\//.test(to)) throw new NotUnderstood('--to: name a PostgreSQL database, as in postgres://user@host/database')
  if (!isPostgresUrl(to)) throw new NotUnderstood(`--to: it is no address; ${ENCODE_PASSWORD}`)
  const { moveToPostgres } = await import('../store/postgres/move.ts')
  const moved = await moveToPostgres(dirname(path), to, (table) => terminal.err(`copying ${table}`)).catch((error: unknown) => {
    throw inWords(error)
  })
  if (json) terminal.out(JSON.stringify({ tables: moved }, null, 2))
  else for (const line of report(moved)) terminal.out(line)
  return 0
}

function report(moved: readonly MovedTable[]): readonly string[] {
  const side = ({ rows, sums }: MovedTable['from']): string =>
    [`${rows} rows`, ...Object.entries(sums).map(([name, sum]) => `${name} ${sum}`)].join(', ')
  return [
    ...moved.flatMap(({ table, from, to }) => [table, `  file:       ${side(from)}`, `  PostgreSQL: ${side(to)}`]),
    'Both are the same. Set store.url to the database and start the gateway; start none on the file any more.',
  ]
}
