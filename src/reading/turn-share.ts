import { AsyncLocalStorage } from 'node:async_hooks'
import { CallersInTurn } from './callers-in-turn.ts'

/**
 * So many bytes of bodies are read in one turn of the event loop, of all connections together. Node reads up to 2 MiB of each connection in
 * one turn where they are there, and decoding and hashing what three fast ones bring then takes longer than a neighbour should wait.
 */
export const BYTES_PER_TURN = 512 * 1_024
/** And so long, of all together: what is small is served between them, however many large ones wait. */
export const MS_PER_TURN = 1
/** Milliseconds of a turn in which requests are answered at once: as many as callers usually have waiting, which are then committed together. */
export const MS_AT_ONCE = 10
/** What a body may bring without being counted: a request that is this small never waits behind large ones. */
export const SMALL_BODY_BYTES = 64 * 1_024

/** A body that is being read, and that reads no more between `pause` and `resume`. */
export interface Pausable {
  pause(): unknown
  resume(): unknown
}

/** What was just read of a body. */
export interface Reading {
  /** Whose body it is: a gateway key, an address, or the provider whose reply it is. */
  readonly caller: string
  readonly bytes: number
  /** Of the whole body so far, these included. */
  readonly soFar: number
  /** How long it took to make something of them, in milliseconds. */
  readonly tookMs: number
}

const waiting = new CallersInTurn<Pausable>()
let bytesRead = 0
let msSpent = 0
let isNextTurnAwaited = false

const isSpent = (): boolean => bytesRead >= BYTES_PER_TURN || msSpent >= MS_PER_TURN

/** Counts what was just read of `body`, and pauses it until its next turn where that was enough for this one. */
export function countRead({ caller, bytes, soFar, tookMs }: Reading, body: Pausable): void {
  if (soFar <= SMALL_BODY_BYTES) return
  bytesRead += bytes
  msSpent += tookMs
  awaitNextTurn()
  if (!isSpent() || waiting.has(caller, body)) return
  waiting.add(caller, body)
  body.pause()
}

/** Who gave up, or has read what it wanted, waits no more; it reads on. */
export function leave(caller: string, body: Pausable): void {
  if (waiting.delete(caller, body)) body.resume()
}

/** Whose turn it is where images are encoded, hashed or searched on their way, whoever they are for. */
const OWN_WORK = 'own work'

/**
 * Waits for a turn in which so many bytes may be worked on: everything that encodes, hashes or searches a long text piece by piece asks for
 * each piece, so that no two pieces are worked on in one turn, and none in the turn of a body that goes on.
 * @param whose turn it is then, among the callers; by default that of all such work together
 */
export function itsTurn(bytes: number, whose = OWN_WORK): Promise<void> {
  return new Promise((resolve) => {
    const piece: Pausable = {
      pause() {},
      resume() {
        bytesRead += bytes
        resolve()
      },
    }
    waiting.add(whose, piece)
    awaitNextTurn()
  })
}

let littleSince: number | null = null

/** Whether what is little may be done at once: all of it in this turn, together, took little time so far. @param ms how much that is */
export function isTimeForLittle(ms = MS_PER_TURN): boolean {
  const now = performance.now()
  if (littleSince === null) {
    littleSince = now
    setImmediate(() => (littleSince = null))
  }
  return now - littleSince <= ms
}

/**
 * For work that comes in thousands of little pieces, such as the messages of a WebSocket, of which a single one never waits: at once while those
 * of this turn took little time, together, else in a turn of its caller, so that thousands of one delay nobody else's by more than one.
 */
export async function littleTurn(caller: string, bytes: number): Promise<void> {
  if (!isTimeForLittle()) await itsTurn(bytes, caller)
}

/** Asked after each piece of a long loop, however little it is: undefined while the loop may go on, else it may once this resolves. */
export type Breathe = () => Promise<void> | undefined

/** Milliseconds that a long loop works in each of its turns. */
const MS_PER_BREATH = 2

/**
 * For a loop whose length others decide, and for all loops of the same work together: it goes on in turns of its caller, by the clock, since
 * what one round takes is theirs to decide too. It has time of its own in each of them, so that it ends at a gateway that is busy.
 */
export function breather(whose: string): Breathe {
  let since = performance.now()
  const goOn = (): void => void (since = performance.now())
  return () => (performance.now() - since < MS_PER_BREATH ? undefined : itsTurn(0, whose).then(goOn))
}

/** So many are answered in a turn: each takes up to two milliseconds, of twenty images. */
const FEW = 4
let answered = 0
/** The others, by caller. */
const crowds = new Map<string, Set<() => void>>()

/**
 * Answers one of those who may be thousands at one moment, as where a key ends or all waited for the same time: the first few of a turn at once,
 * the others few by few in turns of their caller, since what follows from an answer is not over when `answer` returns.
 * @returns once it was answered
 */
export function amongMany(whose: string, answer: () => void): Promise<void> {
  if (answered === 0) setImmediate(() => (answered = 0))
  answered += 1
  if (answered <= FEW) {
    answer()
    return Promise.resolve()
  }
  return new Promise((resolve, reject) => {
    const crowd = crowds.get(whose) ?? new Set()
    // Each for its own request: links carry the host that was asked.
    const answerLater = AsyncLocalStorage.bind(() => {
      try {
        resolve(answer())
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
    crowd.add(answerLater)
    if (crowds.has(whose)) return
    crowds.set(whose, crowd)
    void answerFewByFew(whose, crowd)
  })
}

async function answerFewByFew(whose: string, crowd: Set<() => void>): Promise<void> {
  while (crowd.size > 0) {
    await itsTurn(0, whose)
    for (const answer of crowd.values().take(FEW)) {
      crowd.delete(answer)
      answer()
    }
  }
  crowds.delete(whose)
}

function awaitNextTurn(): void {
  if (isNextTurnAwaited) return
  isNextTurnAwaited = true
  setImmediate(beginTurn)
}

/** One body, or one piece of work, goes on in a turn: a stream reads on only after it was resumed, so that two would not know of each other. */
function beginTurn(): void {
  isNextTurnAwaited = false
  bytesRead = 0
  msSpent = 0
  waiting.next()?.resume()
  if (!waiting.isEmpty) awaitNextTurn()
}
