import type { Call } from '#contract'
import type {
  ActiveProvider,
  Connect,
  Connection,
  Download,
  Downloaded,
  Hooks,
  LogFields,
  ReplyListener,
  Ports,
  Sent,
} from '../core/ports.ts'
import type { Breakers } from '../core/scheduling/circuit-breaker.ts'
import type { TransportLease } from '../transport/index.ts'
import type { Monitoring } from './monitoring.ts'
import { IDS } from './clock-and-ids.ts'
import { settingsOf } from './from-config.ts'
import type { Resources } from './open-resources.ts'

export interface PortsDependencies {
  readonly resources: Resources
  readonly monitoring: Monitoring
  readonly hooks: Hooks
  readonly deliveriesDue: () => void
}

/** What the core needs from outside, each as it is configured now. */
export function composePorts({ resources, monitoring, hooks, deliveriesDue }: PortsDependencies): Ports {
  const { config, catalogue, transport, store, clock, assets, log, keys } = resources
  const { breakers, observer } = monitoring
  const settings = settingsOf({ config, catalogue, breakers, deadlineMs: resources.overrides.deadlineMs })
  const connect: Connect = (id) => {
    const provider = settings.provider(id)
    return provider === null ? null : new LeasedConnection(provider, transport.lease(), breakers)
  }
  return {
    clock,
    ids: IDS,
    connect,
    download: transport.download,
    store,
    assets,
    settings,
    observer,
    log,
    hooks,
    deliveriesDue,
    policyOf(key) {
      const standing = keys.standing(key)
      return standing.kind === 'key' ? standing.policy : null
    },
  }
}

/** A class, since each of thousands of open attempts holds one. */
class LeasedConnection implements Connection {
  readonly provider: ActiveProvider
  readonly #lease: TransportLease
  readonly #breakers: Breakers

  constructor(provider: ActiveProvider, lease: TransportLease, breakers: Breakers) {
    this.provider = provider
    this.#lease = lease
    this.#breakers = breakers
  }

  send(call: Call, timeoutMs: number, about?: LogFields, listener?: ReplyListener): Promise<Sent> {
    return call.purpose === 'submit'
      ? this.#submit(call, timeoutMs, about, listener)
      : this.#lease.send(this.provider.id, call, timeoutMs, about)
  }

  download(url: string, options: Parameters<Download>[1]): Promise<Downloaded> {
    return this.#lease.download(url, { ...options, trustedProvider: this.provider.id })
  }

  release(): void {
    this.#lease.release()
  }

  /** The breakers learn when a submit leaves, and of one that did not. What was answered, or lost, the core reports: it can read the reply. */
  async #submit(call: Call, timeoutMs: number, about?: LogFields, listener?: ReplyListener): Promise<Sent> {
    const { id } = this.provider
    this.#breakers.submitting(id)
    const sent = await this.#lease.send(id, call, timeoutMs, about, listener)
    if (sent.kind === 'unsent' || sent.kind === 'refused') this.#breakers.observer.submitted(id, 'provider_unavailable')
    return sent
  }
}
