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

/** A process of its own that asks `/healthz` over and over while it is wanted. */
export interface Neighbour {
  stopsDuring(attack: () => Promise<unknown>): Promise<Stops>
  end(): void
}

const running = new Set<ChildProcess>()
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** It goes on so much longer than the attack. */
const AFTER_MS = 300

export async function startNeighbour({ url, pid }: Neighbourhood): Promise<Neighbour> {
  const script = join(import.meta.dirname, 'neighbour-process.ts')
  const child = fork(script, [url, ...(pid === undefined ? [] : [String(pid)])], { execPath: process.execPath })
  running.add(child)
  child.once('exit', () => running.delete(child))
  await once(child, 'message')
  return {
    async stopsDuring(attack) {
      child.send('begin')
      try {
        await attack()
        await new Promise((resolve) => setTimeout(resolve, AFTER_MS))
      } finally {
        child.send('report')
      }
      const [stops] = (await once(child, 'message')) as [Stops]
      return stops
    },
    end: () => void child.kill('SIGKILL'),
  }
}

/** The aim for every attack, in milliseconds. */
export const LONGEST_STOP_MS = 50

/**
 * The least of up to `tries` runs of one attack: a machine that does other work stops a gateway at random, what an attack causes comes back
 * each time. Ends with the first run within the aim.
 */
export async function leastStop(neighbour: Neighbour, attack: () => Promise<unknown>, tries = 3): Promise<Stops> {
  let least: Stops | null = null
  for (let run = 0; run < tries; run += 1) {
    const stops = await neighbour.stopsDuring(attack)
    if (least === null || stops.longestMs < least.longestMs) least = stops
    if (least.longestMs < LONGEST_STOP_MS) break
  }
  if (least === null) throw new RangeError('at least one try')
  return least
}
