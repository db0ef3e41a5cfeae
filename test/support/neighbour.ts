import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** What a neighbour saw at `/healthz` while something hostile went on. */
export interface Stops {
  /** The longest wait for an answer, in milliseconds, less the time in which other processes of this machine had the cores. */
  readonly longestMs: number
  /** The same as a clock on the wall shows it. */
  readonly longestWallMs: number
  readonly asked: number
  /** Answers that did not come, or were not 200. */
  readonly failed: number
}

/** Where a gateway runs: `pid` is that of its process, without which other processes’ work counts as its own. */
export interface Neighbourhood {
  readonly url: string
  readonly pid?: number
}

const running = new Set<ChildProcess>()
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** Asks `/healthz` from a process of its own while `attack` goes on, and for `afterMs` longer. */
export async function stopsDuring({ url, pid }: Neighbourhood, attack: () => Promise<unknown>, afterMs = 300): Promise<Stops> {
  const script = join(import.meta.dirname, 'neighbour-process.ts')
  const child = fork(script, [url, ...(pid === undefined ? [] : [String(pid)])], { execPath: process.execPath })
  running.add(child)
  child.once('exit', () => running.delete(child))
  try {
    await once(child, 'message')
    await attack()
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    const answered = once(child, 'message')
    child.send('done')
    const [stops] = (await answered) as [Stops]
    return stops
  } finally {
    child.kill('SIGKILL')
  }
}

/** The aim for every attack, in milliseconds. */
export const LONGEST_STOP_MS = 50

/**
 * The least of up to `tries` runs of one attack: a machine that does other work stops a gateway at random, what an attack causes comes back
 * each time. Ends with the first run within the aim.
 */
export async function leastStop(where: Neighbourhood, attack: () => Promise<unknown>, tries = 3): Promise<Stops> {
  let least: Stops | null = null
  for (let run = 0; run < tries; run += 1) {
    const stops = await stopsDuring(where, attack)
    if (least === null || stops.longestMs < least.longestMs) least = stops
    if (least.longestMs < LONGEST_STOP_MS) break
  }
  if (least === null) throw new RangeError('at least one try')
  return least
}
