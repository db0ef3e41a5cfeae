/** The longest wait a timer of Node holds. */
const LONGEST_MS = 2 ** 31 - 1

export interface Timers {
  /** Runs at an instant in milliseconds since 1970, never before it, at once where it is past; never where it is infinite. */
  at(instant: number, run: () => void): void
  close(): void
}

/** Timers that are all cleared together. */
export function createTimers(): Timers {
  const timers = new Set<NodeJS.Timeout>()
  function at(instant: number, run: () => void): void {
    if (!Number.isFinite(instant)) return
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        // A timer may fire a little before the wall clock is there.
        if (Date.now() < instant) at(instant, run)
        else run()
      },
      Math.min(LONGEST_MS, Math.max(0, instant - Date.now())),
    )
    timers.add(timer)
  }
  return {
    at,
    close() {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
