/** The longest wait a timer of Node holds. */
const LONGEST_MS = 2 ** 31 - 1

export interface Timers {
  /** Runs at an instant in milliseconds since 1970, at once where it is past; never where it is infinite. */
  at(instant: number, run: () => void): void
  close(): void
}

/** Timers that are all cleared together. */
export function createTimers(): Timers {
  const timers = new Set<NodeJS.Timeout>()
  return {
    at(instant, run) {
      if (!Number.isFinite(instant)) return
      const timer = setTimeout(
        () => {
          timers.delete(timer)
          run()
        },
        Math.min(LONGEST_MS, Math.max(0, instant - Date.now())),
      )
      timers.add(timer)
    },
    close() {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
