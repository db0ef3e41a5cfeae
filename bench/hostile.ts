import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { THIS_CHECKOUT } from './gateway.ts'
import { ATTACKS } from './hostile-attacks.ts'
import { cpuMicroseconds, median, residentBytes, serve } from './processes.ts'
import type { Served } from './processes.ts'
import type { AttackOrder } from './servers/attacker.ts'

const ROUNDS = 3
const ALONE_ROUNDS = 2
/** Normal generations of a round; for each, nine hostile things are done. */
const NORMAL = 60
const HOSTILE_FOR_EACH = 9
const EVERY_MS = 60
const KEYS = { bench: 'the-key-of-the-hostile-bench', hostile: 'the-key-of-the-hostile-caller' } as const
const NAMES = Object.keys(ATTACKS)
const MIXED: AttackOrder = { names: NAMES, atOnce: HOSTILE_FOR_EACH, everyMs: EVERY_MS }
/** As often as in the mixture. */
const alone = (name: string): AttackOrder => ({ names: [name], atOnce: 1, everyMs: (EVERY_MS * NAMES.length) / HOSTILE_FOR_EACH })

/** The p50 and p99 of normal generations while nine of ten requests are hostile, beside calm ones, in turn; then beside each attack alone. */
export async function hostile(): Promise<void> {
  const vendor = await serve('./servers/hostile-vendor.ts')
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-bench-'))
  const gateway = await serve(join(THIS_CHECKOUT, 'bin/gateway.mjs'), [], {
    IMAGEGATE_CONFIG: configuration(folder, vendor.url),
    IMAGEGATE_DATA: join(folder, 'data'),
    PORT: '0',
  })
  const attacker = fork(join(import.meta.dirname, 'servers/attacker.ts'), [gateway.url, KEYS.hostile], { execPath: process.execPath })
  try {
    await once(attacker, 'message')
    for (let warm = 0; warm < 2; warm += 1) await round(gateway, attacker, MIXED)
    await compared('all, mixed', { gateway, attacker, order: MIXED, rounds: ROUNDS })
    for (const name of NAMES) await compared(name, { gateway, attacker, order: alone(name), rounds: ALONE_ROUNDS })
  } finally {
    attacker.kill()
    for (const server of [gateway, vendor]) server.stop()
    setTimeout(() => rmSync(folder, { recursive: true, force: true }), 1_000).unref()
  }
}

function configuration(folder: string, vendorUrl: string): string {
  const file = join(folder, 'imagegate.yaml')
  const hash = (key: string): string => createHash('sha256').update(key).digest('hex')
  const keys = Object.entries(KEYS).map(([name, key]) => `{ name: ${name}, key_hash: ${hash(key)} }`)
  const provider = `{ base_url: "${vendorUrl}", api_key: bench-key-0123, max_in_flight: 1000 }`
  writeFileSync(
    file,
    `keys: [${keys.join(', ')}]\nnetwork: { allow: ["${new URL(vendorUrl).host}"] }\nbreaker: { faults: 1000 }\nproviders: { runware: ${provider} }\n`,
  )
  return file
}

interface Comparison {
  readonly gateway: Served
  readonly attacker: ChildProcess
  readonly order: AttackOrder
  readonly rounds: number
}

async function compared(what: string, { gateway, attacker, order, rounds }: Comparison): Promise<void> {
  const pairs: { readonly calm: Round; readonly attacked: Round }[] = []
  for (let index = 0; index < rounds; index += 1) {
    pairs.push({ calm: await round(gateway, attacker, null), attacked: await round(gateway, attacker, order) })
  }
  const all = (of: 'calm' | 'attacked'): Summary => summary(pairs.map((pair) => pair[of]))
  const [calm, attacked] = [all('calm'), all('attacked')]
  const each = ((attacked.cpuMs - calm.cpuMs) / attacked.attacks).toFixed(1)
  console.log(`${what}: ${each} ms of the gateway’s CPU for each; the gateway has ${mebibytes(gateway)} MiB resident`)
  console.log(`  calm      ${shown(calm)}`)
  console.log(
    `  attacked  ${shown(attacked)}; p99 ${(attacked.p99 / calm.p99).toFixed(1)} times, own ${(attacked.own99 / calm.own99).toFixed(1)}`,
  )
}

interface Round {
  /** Of each normal generation, and the same less the time in which the gateway or the measuring process was ready to run and had no core. */
  readonly waits: readonly { readonly ms: number; readonly ownMs: number }[]
  /** The gateway's, of all its threads. */
  readonly cpuMs: number
  readonly tookMs: number
  /** The longest that its event loop was late, by its own metric. */
  readonly lateMs: number
  readonly attacks: number
}

/** Generations begin at a steady pace, whatever becomes of those before. */
async function round(gateway: Served, attacker: ChildProcess, order: AttackOrder | null): Promise<Round> {
  await longestLateMs(gateway.url)
  const [cpu, startedAt] = [cpuMicroseconds(gateway.pid), performance.now()]
  if (order !== null) attacker.send(order)
  const normal: Promise<{ ms: number; ownMs: number }>[] = []
  for (let index = 0; index < NORMAL; index += 1) {
    normal.push(generate(gateway))
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
  const waits = await Promise.all(normal)
  const lateMs = await longestLateMs(gateway.url)
  let attacks = 0
  if (order !== null) {
    const ended = once(attacker, 'message')
    attacker.send('end')
    attacks = Number((await ended)[0])
  }
  return { waits, lateMs, attacks, cpuMs: (cpuMicroseconds(gateway.pid) - cpu) / 1_000, tookMs: performance.now() - startedAt }
}

interface Summary extends Omit<Round, 'waits'> {
  readonly p50: number
  readonly p99: number
  readonly own99: number
}

function summary(rounds: readonly Round[]): Summary {
  const sum = (of: 'cpuMs' | 'tookMs' | 'attacks'): number => rounds.reduce((total, one) => total + one[of], 0)
  const at = (share: number, of: 'ms' | 'ownMs'): number => {
    const sorted = rounds.flatMap(({ waits }) => waits.map((wait) => wait[of])).toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  }
  const totals = { cpuMs: sum('cpuMs'), tookMs: sum('tookMs'), attacks: sum('attacks') }
  return { ...totals, lateMs: median(rounds.map((one) => one.lateMs)), p50: at(0.5, 'ms'), p99: at(0.99, 'ms'), own99: at(0.99, 'ownMs') }
}

const shown = ({ p50, p99, own99, lateMs, cpuMs, tookMs }: Summary): string =>
  `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, own p99 ${own99.toFixed(0)} ms, event loop late ${lateMs.toFixed(0)} ms at most, ${((cpuMs / tookMs) * 100).toFixed(0)} % of a core`
const mebibytes = ({ pid }: Served): string => (residentBytes(pid) / 1_048_576).toFixed(0)

const agent = new Agent({ keepAlive: true })
const headers = { authorization: `Bearer ${KEYS.bench}`, 'content-type': 'application/json' }

function ask(url: string, path: string, body?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url + path, { agent, method: body === undefined ? 'GET' : 'POST', headers }, (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part: string) => (text += part))
      reply.once('end', () => resolve(text))
    })
    asked.once('error', reject).end(body)
  })
}

/** Milliseconds in which a process's main thread was ready to run and another thread had the core. */
const waitedForACore = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6

async function generate({ url, pid }: Served): Promise<{ ms: number; ownMs: number }> {
  const without = (): number => waitedForACore(pid) + waitedForACore(process.pid)
  const [startedAt, waitedBefore] = [performance.now(), without()]
  const reply = await ask(url, '/v1/generations', '{"model":"runware/flux-2-pro","prompt":"a lighthouse"}')
  const { status } = JSON.parse(reply) as { status?: string }
  if (status !== 'succeeded') throw new Error(`a normal generation was answered ${reply.slice(0, 300)}`)
  const ms = performance.now() - startedAt
  return { ms, ownMs: ms - (without() - waitedBefore) }
}

/** Since it was asked before. */
async function longestLateMs(url: string): Promise<number> {
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(await ask(url, '/metrics'))?.[1]) * 1_000
}
