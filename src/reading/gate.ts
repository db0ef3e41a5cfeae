import { CallersInTurn } from './callers-in-turn.ts'

/** What is left again by whoever entered it. */
export interface Entrance {
  enter(of?: string): Promise<void>
  leave(): void
}

/** Lets at most `limit` in at once; the others wait: of each name in order, and the names take turns. */
export function entrance(limit: number): Entrance {
  const waiting = new CallersInTurn<() => void>()
  let running = 0
  return {
    async enter(of = '') {
      if (running >= limit) await new Promise<void>((resolve) => waiting.add(of, resolve))
      else running++
    },
    leave() {
      const next = waiting.next()
      // A turn is passed to the next, not given back and taken again, so nobody slips in between.
      if (next) next()
      else running--
    },
  }
}

/** Lets at most `limit` pieces of work run at once, as an entrance does. */
export function gate(limit: number): <T>(work: () => Promise<T>, of?: string) => Promise<T> {
  const { enter, leave } = entrance(limit)
  return async (work, of = '') => {
    await enter(of)
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
