/**
 * Runs works side by side, but those about the same thing one after the other, in the order they were handed in.
 */
export function inOrder() {
  const last = new Map<string, Promise<unknown>>()
  return {
    async run<Result>(names: readonly string[], work: () => Promise<Result>): Promise<Result> {
      const before = names.flatMap((name) => last.get(name) ?? [])
      const result = before.length === 0 ? work() : Promise.all(before).then(work)
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
