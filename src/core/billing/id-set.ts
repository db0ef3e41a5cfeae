import type { Breathe } from '../ports.ts'

/** A set of ids of generations that may hold a year of them. */
export interface IdSet {
  add(id: string): void
  /** What another one has, in turns. */
  addAll(other: IdSet, breathe: Breathe): Promise<void>
  size(): number
  readonly parts: ReadonlyMap<string, ReadonlySet<string>>
}

/** In parts, by the last character, since a set that grows moves all that it holds at once: 100 ms with a million ids. */
export function createIdSet(): IdSet {
  const parts = new Map<string, Set<string>>()
  function add(id: string): void {
    const name = id.slice(-1)
    const part = parts.get(name)
    if (part === undefined) parts.set(name, new Set([id]))
    else part.add(id)
  }
  return {
    parts,
    add,
    async addAll(other, breathe) {
      for (const part of other.parts.values())
        for (const id of part) {
          add(id)
          await breathe()
        }
    },
    size: () => [...parts.values()].reduce((sum, { size }) => sum + size, 0),
  }
}
