/** How much of something is open now, for each name. */
export interface OpenCount {
  /** @returns gives it back, once; null where `most` would be exceeded, and nothing was taken */
  take(name: string, quantity: number, most: number | null): (() => void) | null
  of(name: string): number
}

export function createOpenCount(): OpenCount {
  const open = new Map<string, number>()
  const of = (name: string): number => open.get(name) ?? 0
  return {
    of,
    take(name, quantity, most) {
      const next = of(name) + quantity
      // Without a limit it is counted all the same: one may come with the next reload.
      if (most !== null && next > most) return null
      open.set(name, next)
      let isOpen = true
      return () => {
        if (!isOpen) return
        isOpen = false
        const left = of(name) - quantity
        if (left > 0) open.set(name, left)
        else open.delete(name)
      }
    },
  }
}
