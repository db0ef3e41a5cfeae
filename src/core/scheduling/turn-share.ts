import type { Clock } from '../ports.ts'

/** So long the pieces work in one turn of the event loop, together. */
const MS_PER_TURN = 1

/**
 * Gives work that comes in many small pieces at once, such as the replies to hundreds of polls, a share of each turn of the event loop: what
 * does not fit goes on in the next ones, in the order it came, so that others are served between. A piece that comes alone never waits:
 * `if (turns.areSpent()) await turns.next()`.
 */
export interface TurnShare {
  /** Whether others have worked for so long in this turn that a piece has to wait. */
  areSpent(): boolean
  next(): Promise<void>
}

export function createTurnShare({ monotonicMs }: Pick<Clock, 'monotonicMs'>): TurnShare {
  const waiting: (() => void)[] = []
  let endsAtMs: number | null = null

  function beginTurn(): number {
    endsAtMs = monotonicMs() + MS_PER_TURN
    setImmediate(() => {
      endsAtMs = null
      if (waiting.length === 0) return
      beginTurn()
      goOn()
    })
    return endsAtMs
  }

  /** One piece after the other: the microtask of the next runs behind that of the one before. */
  function goOn(): void {
    if (endsAtMs === null || monotonicMs() >= endsAtMs) return
    waiting.shift()?.()
    if (waiting.length > 0) queueMicrotask(goOn)
  }

  return {
    areSpent: () => monotonicMs() >= (endsAtMs ?? beginTurn()) || waiting.length > 0,
    next: () => new Promise((resolve) => waiting.push(resolve)),
  }
}
