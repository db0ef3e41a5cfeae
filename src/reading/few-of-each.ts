/** Lets at most so many works of a name run at once, and those of other names beside them; the others of that name wait in order. */
export function fewOfEach(): <Result>(name: string, most: number, work: () => Promise<Result>) => Promise<Result> {
  const all = new Map<string, { running: number; readonly waiting: (() => void)[] }>()
  return async (name, most, work) => {
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
