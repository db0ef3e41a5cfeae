import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { ownServer } from '../test/support/postgres.ts'
import { GENERATION, serveGateway } from './gateway.ts'
import { load } from './load.ts'
import { cpuMicroseconds, median, serve } from './processes.ts'
import type { Served } from './processes.ts'
import { countingDatabase } from './servers/counting-database.ts'

const ROUNDS = 5
const REQUESTS = 900
const CONNECTIONS = 48
const COUNTED = 200
const IDLE_MS = 4_000

interface Round {
  readonly requestsPerSecond: number
  readonly gateways: number
  readonly database: number
}

/** CPU of the server and of all that it started, in microseconds. */
function databaseMicroseconds(pid: number): number {
  const parentOf = (each: string): string => /^PPid:\s+(\d+)$/m.exec(statusOf(each))?.[1] ?? ''
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === String(pid))
  return [pid, ...children.map(Number)].reduce((sum, each) => sum + cpuMicroseconds(each), 0)
}
function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

async function round(gateways: readonly Served[], databasePid: number | null): Promise<Round> {
  const before = databasePid === null ? 0 : databaseMicroseconds(databasePid)
  const startedAt = performance.now()
  const share = REQUESTS / gateways.length
  const measured = await Promise.all(gateways.map((one) => load(one, '/v1/generations', GENERATION, share, CONNECTIONS / gateways.length)))
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = measured.reduce((sum, { cpuPerRequest }) => sum + cpuPerRequest, 0) / measured.length
  const database = databasePid === null ? 0 : (databaseMicroseconds(databasePid) - before) / REQUESTS
  return { requestsPerSecond: REQUESTS / seconds, gateways: cpu, database }
}

/**
 * Synchronous generations by link on one, two and three gateways with one PostgreSQL, beside one gateway with SQLite, in interleaved rounds; and how often a
 * generation asks the database. On a machine whose cores the vendor, the clients, the database and all gateways share, more gateways answer no more
 * requests: what each request costs is what counts.
 */
export async function nodes(): Promise<void> {
  const vendor = await serve('./servers/vendor.ts')
  const database = ownServer()
  const script = 'bin/gateway.mjs'
  const withFile = await serveGateway(vendor.url, 'runware', { script })
  const three = await Promise.all(
    Array.from({ length: 3 }, () => serveGateway(vendor.url, 'runware', { script, storeUrl: database.url('postgres') })),
  )
  const setups = new Map<string, { readonly gateways: readonly Served[]; readonly pid: number | null }>([
    ['SQLite, 1', { gateways: [withFile], pid: null }],
    ...[1, 2, 3].map((count) => [`PostgreSQL, ${count}`, { gateways: three.slice(0, count), pid: database.pid() }] as const),
  ])
  const rounds = new Map([...setups.keys()].map((name) => [name, [] as Round[]]))
  try {
    for (const { gateways, pid } of setups.values()) await round(gateways, pid)
    for (let nth = 0; nth < ROUNDS; nth++)
      for (const [name, { gateways, pid }] of setups) rounds.get(name)?.push(await round(gateways, pid))
    print(rounds)
    await printTrips(vendor, database.url('postgres'))
  } finally {
    for (const server of [withFile, ...three, vendor]) server.stop()
    await Promise.all([withFile, ...three].map(({ ended }) => ended))
    database.remove()
  }
}

function print(rounds: ReadonlyMap<string, readonly Round[]>): void {
  const base = rounds.get('SQLite, 1') ?? []
  for (const [name, all] of rounds) {
    const of = (read: (one: Round) => number): string => median(all.map(read)).toFixed(0)
    const ratio = median(all.map((one, nth) => (one.gateways + one.database) / (base[nth]?.gateways ?? Number.NaN)))
    console.log(
      `${name.padEnd(14)} ${of((one) => one.requestsPerSecond).padStart(5)}/s; CPU of a request: gateway ${of((one) => one.gateways)} µs, database ${of((one) => one.database)} µs, together ${ratio.toFixed(2)} times SQLite`,
    )
  }
}

async function printTrips(vendor: Served, url: string): Promise<void> {
  const proxied = await countingDatabase(new URL(url).searchParams.get('host') ?? '')
  const gateway = await serveGateway(vendor.url, 'runware', {
    script: 'bin/gateway.mjs',
    storeUrl: url.replace(/host=.*/, `host=${encodeURIComponent(proxied.folder)}`),
  })
  try {
    for (const connections of [1, CONNECTIONS]) {
      await load(gateway, '/v1/generations', GENERATION, COUNTED, connections)
      const idleFrom = proxied.counted()
      await pause(IDLE_MS)
      const from = proxied.counted()
      const startedAt = performance.now()
      await load(gateway, '/v1/generations', GENERATION, COUNTED, connections)
      const to = proxied.counted()
      const idle = (read: 'trips' | 'statements') => ((from[read] - idleFrom[read]) / IDLE_MS) * (performance.now() - startedAt)
      const each = (read: 'trips' | 'statements') => ((to[read] - from[read] - idle(read)) / COUNTED).toFixed(1)
      console.log(
        `${connections} at once: ${each('trips')} round trips and ${each('statements')} statements for each generation; idle ${(((from.trips - idleFrom.trips) / IDLE_MS) * 1000).toFixed(1)} round trips/s`,
      )
    }
  } finally {
    gateway.stop()
    await gateway.ended
    proxied.close()
  }
}
