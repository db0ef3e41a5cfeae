import { fewOfEach } from '../../reading/few-of-each.ts'

/** Something that the server does one after the other: those that wait for it there have a connection each, which others need. */
export interface Line {
  readonly name: string
  /** How many works may stand in it at once. */
  readonly most: number
}

/** Runs works side by side, but those about the same thing one after the other, in the order they were handed in. */
export function inOrder() {
  const last = new Map<string, Promise<unknown>>()
  const few = fewOfEach()
  return {
    /** @param lines where the work stands in line, always in one order: whoever stands in one may wait for the next */
    async run<Result>(names: readonly string[], work: () => Promise<Result>, lines: readonly Line[] = []): Promise<Result> {
      const before = names.flatMap((name) => last.get(name) ?? [])
      const inItsTurn = lines.reduceRight(
        (inner, { name, most }) =>
          () =>
            few(name, most, inner),
        work,
      )
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
