import type { Readable } from 'node:stream'
import { MOST_BYTES_OF_A_STRANGER } from '../../access.ts'
import type { Release, Taken } from '../../limits/limits.ts'
import type { Exceeded } from '../../limits/refusal.ts'

/** Smaller messages are not worth counting, as bodies are not. */
const COUNTED_FROM_BYTES = MOST_BYTES_OF_A_STRANGER

export interface Counting {
  /** The bytes below the frames. */
  readonly raw: Pick<Readable, 'on'>
  readonly socket: { on(event: 'close', listener: () => void): void }
  readonly take: (bytes: number) => Taken
  /** Once: more is on its way than may be. */
  readonly onTooMany: (exceeded: Exceeded) => void
}

/**
 * Counts what has come of a message among the bytes of bodies on their way: a connection keeps it from its first byte until it was read.
 * @returns to be called when one has come whole: gives what gives its bytes back
 */
export function countOnTheirWay({ raw, socket, take, onTooMany }: Counting): () => Release {
  let uncounted = 0
  let isOver = false
  let releases: Release[] = []
  const handOver = (): Release => {
    const taken = releases
    uncounted = 0
    releases = []
    return () => taken.forEach((release) => release())
  }
  raw.on('data', (chunk: Uint8Array) => {
    uncounted += chunk.length
    if (isOver || uncounted < COUNTED_FROM_BYTES) return
    const taken = take(uncounted)
    uncounted = 0
    if (taken.kind === 'taken') return void releases.push(taken.release)
    isOver = true
    onTooMany(taken.exceeded)
  })
  socket.on('close', () => {
    isOver = true
    handOver()()
  })
  return handOver
}
