import { CallersInTurn } from './callers-in-turn.ts'

/** To begin to count anew costs a round of the event loop. Less than this share of a turn is carried over, which only makes the others wait earlier. */
const LEAST_SHARE = 1 / 2

/** How long what comes over the network is parsed in one turn of the event loop, of all connections together. */
export interface ParseTurns {
  /** Whether nothing more is parsed in this turn. */
  isSpent(): boolean
  count(ms: number): void
  /** Goes on in the next turn that has time, in the order of callers. @param whose turn it is then */
  wait(whose: string, goOn: () => void): void
}

/** @param msPerTurn after which the others wait for the next turn */
export function parseTurns(msPerTurn: number): ParseTurns {
  let msSpent = 0
  let isNextTurnAwaited = false
  const waiting = new CallersInTurn<() => void>()
  const isSpent = (): boolean => msSpent >= msPerTurn

  function awaitNextTurn(): void {
    if (isNextTurnAwaited) return
    isNextTurnAwaited = true
    setImmediate(beginTurn)
  }

  /** Those that wait go on first, one of each caller after the other, for as long as a turn may take. */
  function beginTurn(): void {
    isNextTurnAwaited = false
    msSpent = 0
    while (!waiting.isEmpty && !isSpent()) waiting.next()?.()
    if (!waiting.isEmpty) awaitNextTurn()
  }

  return {
    isSpent,
    count(ms) {
      msSpent += ms
      if (msSpent >= msPerTurn * LEAST_SHARE) awaitNextTurn()
    },
    wait(whose, goOn) {
      waiting.add(whose, goOn)
      awaitNextTurn()
    },
  }
}

const MOST_PIECE_LINES = 256
/** What has no more is parsed at once, whoever waits: a usual request, and a large body, which has bounds and turns of its own. */
const LITTLE_LINES = 32
const LINE_END = 10

/** What is parsed next of what came. */
export interface Piece {
  readonly bytes: number
  /** All that came, and no more parts than a usual request has. */
  readonly isLittle: boolean
}

/**
 * A piece of so many lines. Requests, interim responses, chunks and trailers are made of lines, and a parser takes up to 30 µs for one; an image of
 * 32 KiB has half as many.
 */
export function pieceOfLines(bytes: Buffer): Piece {
  let end = -1
  for (let lines = 0; lines < MOST_PIECE_LINES; lines += 1) {
    end = bytes.indexOf(LINE_END, end + 1)
    if (end === -1) return pieceOf(bytes, bytes.length, lines <= LITTLE_LINES)
  }
  return { bytes: end + 1, isLittle: false }
}

/** @param isFew whether it has no more parts than a usual request */
export const pieceOf = (bytes: Buffer, end: number, isFew: boolean): Piece => ({
  bytes: end,
  isLittle: isFew && end === bytes.length,
})
