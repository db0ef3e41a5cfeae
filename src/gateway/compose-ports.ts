import type { Connect, Hooks, Ports } from '../core/ports.ts'
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
  const settings = settingsOf({ config, catalogue, breakers })
  const send: Ports['send'] = async (provider, call, timeoutMs) => {
    if (call.purpose !== 'submit') return transport.send(provider, call, timeoutMs)
    breakers.submitting(provider)
    const sent = await transport.send(provider, call, timeoutMs)
    // What was answered, or lost, the core reports: it can read the reply.
    if (sent.kind === 'unsent' || sent.kind === 'refused') breakers.observer.submitted(provider, 'provider_unavailable')
    return sent
  }
  const connect: Connect = (id) => {
    const provider = settings.provider(id)
    if (provider === null) return null
    return {
      provider,
      send: (call, timeoutMs) => send(id, call, timeoutMs),
      download: transport.download,
      release() {},
    }
  }
  return {
    clock: CLOCK,
    ids: IDS,
    send,
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
