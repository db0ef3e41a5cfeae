import { amongMany } from '../../reading/turn-share.ts'
import type { Clock } from '../ports.ts'
import { isStill } from './caller.ts'
import type { Caller } from './caller.ts'
import type { GatewayKeys } from './gateway-keys.ts'

/** What stays open for a caller ends with the caller's key. */
export interface KeyWatch {
  /**
   * Calls `end` once the secret counts no more, is another key's, or shows others' rows no more: before the answer to whoever revoked or
   * rotated it, and within a second where it expires or the configuration changes.
   * @param secret null: nobody was asked for one; it ends once keys are on
   * @param caller whose it was when what stays open was allowed
   * @returns stops watching
   */
  whileValid(secret: string | null, caller: Caller, end: () => void): () => void
  /** Judges all now. Resolves once those whose time is over have ended, who may be thousands. */
  check(): Promise<void>
}

const CHECKED_EVERY_MS = 1_000

interface Watched {
  readonly caller: Caller
  readonly end: () => void
  /** By itself, before its turn to be ended came. */
  isStopped: boolean
}

export function createKeyWatch(keys: Pick<GatewayKeys, 'isOn' | 'holder' | 'onChanged'>, clock: Pick<Clock, 'after'>): KeyWatch {
  const watched = new Map<string | null, Set<Watched>>()
  let stopTimer: (() => void) | null = null

  /** Of those who showed one secret, whose time is over. */
  function over(secret: string | null, all: ReadonlySet<Watched>): readonly Watched[] {
    if (!keys.isOn()) return []
    const now = secret === null ? null : keys.holder(secret)
    return [...all].filter(({ caller }) => !isStill(caller, now))
  }

  function check(): Promise<void> {
    const ending: Watched[] = []
    for (const [secret, all] of watched) {
      for (const one of over(secret, all)) {
        all.delete(one)
        ending.push(one)
      }
      if (all.size === 0) watched.delete(secret)
    }
    stopTimer?.()
    stopTimer = watched.size === 0 ? null : checkLater()
    return endAll(ending)
  }
  const checkLater = (): (() => void) => clock.after(CHECKED_EVERY_MS, () => void check())
  keys.onChanged(check)

  return {
    check,
    whileValid(secret, caller, end) {
      const all = watched.get(secret) ?? new Set()
      const one = { caller, end, isStopped: false }
      watched.set(secret, all.add(one))
      stopTimer ??= checkLater()
      return () => {
        one.isStopped = true
        all.delete(one)
        if (all.size === 0 && watched.get(secret) === all) watched.delete(secret)
        if (watched.size > 0) return
        stopTimer?.()
        stopTimer = null
      }
    },
  }
}

async function endAll(ending: readonly Watched[]): Promise<void> {
  await Promise.all(
    ending.map((one) =>
      amongMany(one.caller.key ?? '', () => {
        if (!one.isStopped) one.end()
      }),
    ),
  )
}
