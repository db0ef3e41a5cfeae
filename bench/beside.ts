import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { keepOnCores } from './cores.ts'
import { GENERATION, serveGateway, THIS_CHECKOUT } from './gateway.ts'
import { measureInFlight, type InFlight } from './in-flight.ts'
import { load, WARM_UP } from './load.ts'
import { RUNWARE_TASK } from './overhead.ts'
import { median, serve, type Served } from './processes.ts'

/** Of each checkout. */
const PROCESSES = 5
const ROUNDS = 4
const REQUESTS = 2_000
const KEPT_REQUESTS = 100
const KEPT_ROUNDS = 5
const IN_FLIGHT = 3_000
const POLL_FOR_MS = 6_000

type Pair = Both<number>

/** The same figures of two checkouts, their rounds interleaved, so that a noisy neighbour disturbs both. Some ten minutes. */
export async function beside(other: string): Promise<void> {
  if (!existsSync(join(other, 'src/main.ts'))) throw new Error(`${other} is no checkout: it has no src/main.ts`)
  if (!existsSync(join(other, 'node_modules'))) throw new Error(`${other} has no node_modules: run npm ci there`)
  console.log(`before: ${other}\nafter:  ${THIS_CHECKOUT}\n`)
  console.log(`${''.padEnd(46)}${'before'.padStart(10)}${'after'.padStart(10)}   after / before`)
  await synchronous(other)
  await keptImage(other)
  await inFlight(other)
}

function line(what: string, rounds: readonly Pair[], digits: number): void {
  const before = median(rounds.map((round) => round.before))
  const after = median(rounds.map((round) => round.after))
  const ratio = median(rounds.map((round) => round.after / round.before))
  console.log(`${what.padEnd(46)}${before.toFixed(digits).padStart(10)}${after.toFixed(digits).padStart(10)}   ${ratio.toFixed(2)}`)
}

interface Both<Seen> {
  readonly before: Seen
  readonly after: Seen
}

/** Each round measures both, the first one in turn. */
async function interleaved<Measured, Seen>(
  rounds: number,
  measure: (one: Measured) => Promise<Seen>,
  [first, second]: readonly [Measured, Measured],
): Promise<readonly Both<Seen>[]> {
  const seen: Both<Seen>[] = []
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const before = await measure(first)
      seen.push({ before, after: await measure(second) })
    } else {
      const after = await measure(second)
      seen.push({ before: await measure(first), after })
    }
  }
  return seen
}

/**
 * CPU of a synchronous Runware generation with `assets.keep: false`, beside a bare undici pass-through in the same minute. V8 compiles one process
 * better than the next, by a tenth either way, for as long as it lives: so several of each are measured. Which one starts, and is asked, first
 * changes from pair to pair, and both are warmed up in turns: the one that stood still while the other was warmed up took a tenth less afterwards.
 */
async function synchronous(other: string): Promise<void> {
  const vendor = await serve('./servers/vendor.ts')
  const bare = await serve('./servers/pass-through.ts', [vendor.url])
  try {
    await load(bare, '/', RUNWARE_TASK, REQUESTS)
    const pairs: Pair[] = []
    keepOnCores([bare], [vendor])
    for (let pair = 0; pair < PROCESSES; pair++) pairs.push(await ofTwoProcesses(other, vendor.url, pair % 2 === 0))
    line('CPU of a generation by link, µs', pairs, 0)
    const floor = (await load(bare, '/', RUNWARE_TASK, REQUESTS)).cpuPerRequest
    console.log(`${'  (a bare undici pass-through, µs)'.padEnd(46)}${floor.toFixed(0).padStart(10)}`)
  } finally {
    for (const server of [bare, vendor]) server.stop()
  }
}

async function ofTwoProcesses(other: string, vendorUrl: string, isOtherFirst: boolean): Promise<Pair> {
  const checkouts = isOtherFirst ? [other, THIS_CHECKOUT] : [THIS_CHECKOUT, other]
  const served = await Promise.all(checkouts.map((checkout) => serveGateway(vendorUrl, 'runware', { checkout })))
  keepOnCores(served, [])
  const [first, second] = served as [Served, Served]
  const both: readonly [Served, Served] = isOtherFirst ? [first, second] : [second, first]
  const measure = async (gateway: Served) => (await load(gateway, '/v1/generations', GENERATION, REQUESTS)).cpuPerRequest
  try {
    await interleaved(WARM_UP / REQUESTS, measure, both)
    const rounds = await interleaved(ROUNDS, measure, both)
    return { before: median(rounds.map((round) => round.before)), after: median(rounds.map((round) => round.after)) }
  } finally {
    for (const server of served) server.stop()
  }
}

/** CPU of a generation whose image is fetched, checked and stored. */
async function keptImage(other: string): Promise<void> {
  const vendor = await serve('./servers/image-vendor.ts')
  const before = await serveGateway(vendor.url, 'runware', { checkout: other, keep: true })
  const after = await serveGateway(vendor.url, 'runware', { keep: true })
  const measure = async (gateway: Served) => (await load(gateway, '/v1/generations', GENERATION, KEPT_REQUESTS, 8)).cpuPerRequest / 1000
  try {
    await measure(before)
    await measure(after)
    line('CPU of a generation with a kept image, ms', await interleaved(KEPT_ROUNDS, measure, [before, after]), 1)
  } finally {
    for (const server of [before, after, vendor]) server.stop()
  }
}

/** Memory and event-loop delay with many open generations; one after the other, as each fills the machine alone. */
async function inFlight(other: string): Promise<void> {
  const measure = (checkout: string): Promise<InFlight> => measureInFlight(checkout, IN_FLIGHT, POLL_FOR_MS)
  const seen = await interleaved(PROCESSES, measure, [other, THIS_CHECKOUT])
  const print = (what: string, read: (one: InFlight) => number, digits: number): void =>
    line(
      `${IN_FLIGHT} open: ${what}`,
      seen.map(({ before, after }) => ({ before: read(before), after: read(after) })),
      digits,
    )
  print('CPU to accept and submit, µs', ({ acceptedCpuMicroseconds }) => acceptedCpuMicroseconds, 0)
  print('accepted in, s', ({ acceptedInSeconds }) => acceptedInSeconds, 1)
  print('held memory each, kB', ({ heldBytesEach }) => heldBytesEach / 1000, 1)
  print('resident memory each, kB', ({ residentBytesEach }) => residentBytesEach / 1000, 1)
  print('event-loop delay p99, ms', ({ delayMs }) => delayMs, 0)
}
