/**
 * So many bytes of bodies are read in one turn of the event loop, of all connections together. Node reads up to 2 MiB of each connection in
 * one turn where they are there, and decoding and hashing what three fast ones bring then takes longer than a neighbour should wait.
 */
export const BYTES_PER_TURN = 512 * 1_024

/** A body that is being read, and that reads no more between `pause` and `resume`. */
export interface Pausable {
  pause(): unknown
  resume(): unknown
}

const waiting = new Set<Pausable>()
let bytesRead = 0
let isNextTurnAwaited = false

/** Counts what was just read of `body`, and pauses it until its next turn where that was enough for this one. */
export function countRead(bytes: number, body: Pausable): void {
  bytesRead += bytes
  if (!isNextTurnAwaited) {
    isNextTurnAwaited = true
    setImmediate(beginTurn)
  }
  if (bytesRead < BYTES_PER_TURN || waiting.has(body)) return
  waiting.add(body)
  body.pause()
}

/** Who gave up, or has read what it wanted, waits no more; it reads on. */
export function leave(body: Pausable): void {
  if (waiting.delete(body)) body.resume()
}

/** Those that waited longest read first; who comes behind the share of this turn waits for the next. */
function beginTurn(): void {
  isNextTurnAwaited = false
  bytesRead = 0
  for (const body of waiting) {
    if (bytesRead >= BYTES_PER_TURN) break
    waiting.delete(body)
    body.resume()
  }
  if (waiting.size === 0 || isNextTurnAwaited) return
  isNextTurnAwaited = true
  setImmediate(beginTurn)
}
