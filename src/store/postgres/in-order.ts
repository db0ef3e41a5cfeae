/** Of one key the one that has the lock and the next: those that wait at the server have a connection each, which others need. */
const MOST_OF_A_KEY = 2

/**
 * Runs works side by side, but those about the same thing one after the other, in the order they were handed in, and of those that the server
 * does one after the other for a gateway key few at once.
 */
export function inOrder() {
  const last = new Map<string, Promise<unknown>>()
  const few = fewOfEach(MOST_OF_A_KEY)
  return {
    /** @param key whose lock the work takes */
    async run<Result>(names: readonly string[], work: () => Promise<Result>, key?: string): Promise<Result> {
      const before = names.flatMap((name) => last.get(name) ?? [])
      const inItsTurn = key === undefined ? work : () => few(key, work)
      const result = before.length === 0 ? inItsTurn() : Promise.all(before).then(inItsTurn)
      const ended = Promise.allSettled([result])
      for (const name of names) last.set(name, ended)
      try {
        return await result
      } finally {
        for (const name of names) if (last.get(name) === ended) last.delete(name)
      }
    },
    /** Resolves when all that was handed in has ended. */
    async idle(): Promise<void> {
      await Promise.all(last.values())
    },
  }
}

function fewOfEach(most: number): <Result>(name: string, work: () => Promise<Result>) => Promise<Result> {
  const all = new Map<string, { running: number; readonly waiting: (() => void)[] }>()
  return async (name, work) => {
    const own = all.get(name) ?? { running: 0, waiting: [] }
    all.set(name, own)
    if (own.running >= most) await new Promise<void>((resolve) => own.waiting.push(resolve))
    else own.running++
    try {
      return await work()
    } finally {
      const next = own.waiting.shift()
      if (next) next()
      else if (--own.running === 0) all.delete(name)
    }
  }
}
