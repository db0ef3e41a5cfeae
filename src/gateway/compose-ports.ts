import type { Connect, Hooks, Ports, Send } from '../core/ports.ts'
import type { Breakers } from '../core/scheduling/circuit-breaker.ts'
import type { Monitoring } from './monitoring.ts'
import { CLOCK, IDS } from './clock-and-ids.ts'
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
  const { config, catalogue, transport, store, assets, log } = resources
  const { breakers, observer } = monitoring
  const settings = settingsOf({ config, catalogue, breakers, deadlineMs: resources.overrides.deadlineMs })
  const watched = (send: Send): Send => submitsWatched(send, breakers)
  const connect: Connect = (id) => {
    const provider = settings.provider(id)
    if (provider === null) return null
    const { send, download, release } = transport.lease()
    const watchedSend = watched(send)
    return {
      provider,
      send: (call, timeoutMs) => watchedSend(id, call, timeoutMs),
      download: (url, options) => download(url, { ...options, trustedProvider: id }),
      release,
    }
  }
  return {
    clock: CLOCK,
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
  }
}

/** Reports to the breakers when a submit leaves, and one that did not. What was answered, or lost, the core reports: it can read the reply. */
function submitsWatched(send: Send, breakers: Breakers): Send {
  return async (provider, call, timeoutMs) => {
    if (call.purpose !== 'submit') return send(provider, call, timeoutMs)
    breakers.submitting(provider)
    const sent = await send(provider, call, timeoutMs)
    if (sent.kind === 'unsent' || sent.kind === 'refused') breakers.observer.submitted(provider, 'provider_unavailable')
    return sent
  }
}
