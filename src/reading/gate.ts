/** What is left again by whoever entered it. */
export interface Entrance {
  enter(of?: string): Promise<void>
  leave(): void
}

/** Lets at most `limit` in at once; the others wait: of each name in order, and the names take turns. */
export function entrance(limit: number): Entrance {
  const waiting = new Map<string, (() => void)[]>()
  let running = 0
  const takeNext = (): (() => void) | undefined => {
    const [first] = waiting
    if (first === undefined) return undefined
    const [name, own] = first
    // Whoever has more waits behind the others.
    waiting.delete(name)
    const next = own.shift()
    if (own.length > 0) waiting.set(name, own)
    return next
  }
  const turnOf = (name: string): Promise<void> =>
    new Promise((resolve) => {
      const own = waiting.get(name)
      if (own === undefined) waiting.set(name, [resolve])
      else own.push(resolve)
    })
  return {
    async enter(of = '') {
      if (running >= limit) await turnOf(of)
      else running++
    },
    leave() {
      const next = takeNext()
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
