/** Lets at most `limit` pieces of work run at once; the others wait their turn in order. */
export function gate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      // A turn is passed to the next, not given back and taken again, so nobody slips in between.
      if (next) next()
      else running--
    }
  }
}
