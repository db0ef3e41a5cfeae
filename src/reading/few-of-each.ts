import { gate } from './gate.ts'

/** Lets at most so many works of a name run at once, and those of other names beside them; the others of that name wait in order. */
export function fewOfEach(): <Result>(name: string, most: number, work: () => Promise<Result>) => Promise<Result> {
  const all = new Map<string, { readonly letIn: ReturnType<typeof gate>; works: number }>()
  return async (name, most, work) => {
    const own = all.get(name) ?? { letIn: gate(most), works: 0 }
    all.set(name, own)
    own.works++
    try {
      return await own.letIn(work)
    } finally {
      if (--own.works === 0) all.delete(name)
    }
  }
}
