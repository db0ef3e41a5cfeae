import type { Clock } from '../ports.ts'
import type { GatewayKeys } from './gateway-keys.ts'

/** What stays open for a caller ends with the caller's key. */
export interface KeyWatch {
  /**
   * Calls `end` once the secret counts no more: before the answer to whoever revoked or rotated it, and within a second where it expires or
   * leaves the configuration.
   * @param secret null: nobody was asked for one; it ends once keys are on
   * @returns stops watching
   */
  whileValid(secret: string | null, end: () => void): () => void
  /** Judges all now. */
  check(): void
}

const CHECKED_EVERY_MS = 1_000

export function createKeyWatch(keys: Pick<GatewayKeys, 'isOn' | 'counts' | 'onChanged'>, clock: Pick<Clock, 'after'>): KeyWatch {
  const watched = new Map<string | null, Set<() => void>>()
  let stopTimer: (() => void) | null = null

  const isValid = (secret: string | null): boolean => (secret === null ? !keys.isOn() : !keys.isOn() || keys.counts(secret))

  function check(): void {
    for (const [secret, ends] of watched) {
      if (isValid(secret)) continue
      watched.delete(secret)
      for (const end of ends) end()
    }
    stopTimer?.()
    stopTimer = watched.size === 0 ? null : clock.after(CHECKED_EVERY_MS, check)
  }
  keys.onChanged(check)

  return {
    check,
    whileValid(secret, end) {
      const ends = watched.get(secret) ?? new Set()
      // One function may watch twice.
      const ending = (): void => end()
      watched.set(secret, ends.add(ending))
      stopTimer ??= clock.after(CHECKED_EVERY_MS, check)
      return () => {
        ends.delete(ending)
        if (ends.size === 0 && watched.get(secret) === ends) watched.delete(secret)
        if (watched.size > 0) return
        stopTimer?.()
        stopTimer = null
      }
    },
  }
}
