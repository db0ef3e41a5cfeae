import type { Download, Send } from '../core/ports.ts'
import type { DestinationCheck } from './destination.ts'
import type { Post } from './post.ts'
import { SettingsRefused, type SettingsProblem } from './settings-problem.ts'
import { type TransportConfig, type TransportLease, Wiring } from './wiring.ts'

export type { ProxySettings } from './proxy.ts'
export type { TransportConfig, TransportLease } from './wiring.ts'
export { type SettingsProblem, SettingsRefused } from './settings-problem.ts'

/** Settings that were built whole and wait to be taken into force; or every reason why they cannot be. */
export type Prepared =
  | {
      readonly kind: 'prepared'
      /** False where the settings are those in force: nothing was built, and `apply` does nothing. */
      readonly isChange: boolean
      /** From now on new calls use these settings. Cannot fail. */
      apply(): void
    }
  | { readonly kind: 'refused'; readonly problems: readonly SettingsProblem[] }

export interface Transport {
  /** The four use the settings in force at the moment of the call. */
  readonly send: Send
  readonly download: Download
  readonly post: Post
  /** Judges a URL that `post` is to be given later. */
  readonly objection: DestinationCheck
  /** The settings in force, kept for as long as a task needs them: its keys, base URLs, allow list and connections. */
  lease(): TransportLease
  /**
   * Builds everything that new settings need and changes nothing, so that a reload can be refused whole. After `apply` new calls use the new
   * settings; calls in flight and leases go on under the old ones, whose connections close when the last of them ends.
   */
  prepare(config: TransportConfig): Prepared
  /** `prepare` and `apply` in one. @throws SettingsRefused with every problem; the settings in force stay */
  update(config: TransportConfig): void
  /** Refuses new calls, those of leases included, and resolves when those in flight are done, which the caller bounds in time. */
  close(): Promise<void>
}

/** @throws SettingsRefused with every problem of `allow`, the base URLs and the proxy */
export function createTransport(config: TransportConfig): Transport {
  let current = new Wiring(config)
  const retiring = new Set<Wiring>()

  function swap(next: Wiring): void {
    const old = current
    current = next
    retiring.add(old)
    void old.retire().finally(() => retiring.delete(old))
  }

  function prepare(next: TransportConfig): Prepared {
    if (current.isBuiltFrom(next)) return { kind: 'prepared', isChange: false, apply: () => {} }
    try {
      const wiring = new Wiring(next)
      return { kind: 'prepared', isChange: true, apply: () => swap(wiring) }
    } catch (error) {
      if (error instanceof SettingsRefused) return { kind: 'refused', problems: error.problems }
      throw error
    }
  }

  return {
    send: (provider, call, timeoutMs, about, listener) => current.send(provider, call, timeoutMs, about, listener),
    download: (url, options) => current.download(url, options),
    post: (url, message) => current.post(url, message),
    objection: (url) => current.objection(url),
    lease: () => current.lease(),
    prepare,
    update(next) {
      const prepared = prepare(next)
      if (prepared.kind === 'refused') throw new SettingsRefused(prepared.problems)
      prepared.apply()
    },
    async close() {
      await Promise.all([current, ...retiring].map((wiring) => wiring.close()))
    },
  }
}
