import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request as send } from 'undici'
import { load, WARM_UP } from './load.ts'
import { startRivals } from './overhead.ts'
import type { Rival } from './overhead.ts'
import { cpuMicroseconds, median } from './processes.ts'

const NAMES = ['bare', 'portkey', 'native'] as const
const ROUNDS = 3
const SECONDS = 5
const EACH_SECOND = 200
const SYNCS = 100
const PAGE_BYTES = 4_096

interface Calm {
  readonly cpuMicroseconds: number
  readonly p50Ms: number
  readonly pages: number
}

/** A load that leaves the machine idle: what a request costs and waits where none waits for another. */
export async function quiet(): Promise<void> {
  const { rivals, stop } = await startRivals()
  const rounds: Record<(typeof NAMES)[number], Calm>[] = []
  const syncs: number[] = []
  try {
    for (const name of NAMES) await load(rivals[name].server, rivals[name].path, rivals[name].body, WARM_UP)
    for (let round = 0; round <= ROUNDS; round++) {
      const seen = { bare: await paced(rivals.bare), portkey: await paced(rivals.portkey), native: await paced(rivals.native) }
      syncs.push(syncMs())
      // The first round still has what the loads before it left behind.
      if (round > 0) rounds.push(seen)
    }
  } finally {
    stop()
  }
  const of = (name: (typeof NAMES)[number], what: keyof Calm): number => median(rounds.map((round) => round[name][what]))
  console.log(`median of ${ROUNDS} interleaved rounds of ${SECONDS} s at ${EACH_SECOND} requests/s:`)
  for (const name of NAMES)
    console.log(
      `  ${name.padEnd(8)} ${of(name, 'cpuMicroseconds').toFixed(0).padStart(5)} µs of CPU, p50 ${of(name, 'p50Ms').toFixed(2)} ms`,
    )
  const sync = median(syncs)
  const cpu = median(rounds.map(({ native, portkey }) => native.cpuMicroseconds / portkey.cpuMicroseconds))
  const added = of('native', 'p50Ms') - of('bare', 'p50Ms')
  const allowed = of('portkey', 'p50Ms') - of('bare', 'p50Ms') + 2 * sync
  console.log(`  CPU / Portkey's  ${cpu.toFixed(2)} (aim: at most 1)`)
  console.log(
    `  added p50        ${added.toFixed(2)} ms, ${(added / allowed).toFixed(2)} of Portkey's and two fsyncs of ${sync.toFixed(2)} ms, ${allowed.toFixed(2)} ms (aim: at most 1)`,
  )
  console.log(`  pages of 4 kB written for each generation: ${of('native', 'pages').toFixed(1)}`)
}

/** Each request begins at its time, whatever became of those before. */
async function paced({ server, path, body }: Rival): Promise<Calm> {
  const dispatcher = new Agent({ connections: 64, allowH2: false })
  const headers = { 'content-type': 'application/json', ...server.headers }
  const waits: number[] = []
  const one = async (): Promise<void> => {
    const askedAt = performance.now()
    const reply = await send(server.url + path, { method: 'POST', dispatcher, headers, body })
    const text = await reply.body.text()
    if (reply.statusCode !== 200) throw new Error(`${path} answered ${reply.statusCode}: ${text.slice(0, 300)}`)
    waits.push(performance.now() - askedAt)
  }
  const count = SECONDS * EACH_SECOND
  const [cpu, written, startedAt] = [cpuMicroseconds(server.pid), writtenBytes(server.pid), performance.now()]
  const asked: Promise<void>[] = []
  for (let nth = 0; nth < count; nth++) {
    const wait = startedAt + (nth * 1_000) / EACH_SECOND - performance.now()
    if (wait > 0) await sleep(wait)
    asked.push(one())
  }
  await Promise.all(asked)
  await dispatcher.close()
  return {
    cpuMicroseconds: (cpuMicroseconds(server.pid) - cpu) / count,
    p50Ms: median(waits),
    pages: (writtenBytes(server.pid) - written) / PAGE_BYTES / count,
  }
}

/** What a process gave the kernel to write to disks, in whole pages of files: checkpoints too. */
const writtenBytes = (pid: number): number => Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1])

/** What it takes to make one page last, where the gateways keep theirs. */
function syncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-sync-'))
  const file = openSync(join(folder, 'pages'), 'w')
  const took = Array.from({ length: SYNCS }, () => {
    const from = performance.now()
    writeSync(file, Buffer.alloc(PAGE_BYTES))
    fdatasyncSync(file)
    return performance.now() - from
  })
  closeSync(file)
  rmSync(folder, { recursive: true })
  return median(took)
}
