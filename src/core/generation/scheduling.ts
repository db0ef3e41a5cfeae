import { createProviderSlots } from '../scheduling/provider-slots.ts'
import type { ProviderSlots } from '../scheduling/provider-slots.ts'
import { createTimerWheel } from '../scheduling/timer-wheel.ts'
import type { Ports } from '../ports.ts'
import type { AttemptRecord } from '../records.ts'
import type { Core } from './open-generation.ts'

export interface Scheduling {
  readonly slots: ProviderSlots<AttemptRecord>
  readonly schedule: Core['schedule']
  /** Notices pauses of the process as long as something is open. */
  watchForPauses(isNeeded: () => boolean): void
  stop(): void
}

/** How often a pause of the process is checked for while generations are open. */
const HEARTBEAT_MS = 1_000

export function createScheduling(ports: Ports, onPause: (pausedMs: number) => void): Scheduling {
  const wheel = createTimerWheel(ports.clock, onPause)
  const { nodes } = ports.store
  const slots = createProviderSlots<AttemptRecord>({
    nowMs: () => ports.clock.monotonicMs(),
    schedule: (delayMs, callback) => wheel.schedule(delayMs, callback),
    limitOf: (provider) => ports.settings.provider(provider)?.maxInFlight ?? 1,
    // A process alone need not know who waits.
    ...(nodes && {
      takenElsewhere: (provider: string) => nodes.slotsElsewhere(provider),
      onWaiting: (provider: string, keys: readonly (string | null)[]) => nodes.waitForSlots(provider, keys),
    }),
  })
  let isWatching = false
  const beat = (isNeeded: () => boolean): void => {
    isWatching = isNeeded()
    if (isWatching) wheel.schedule(HEARTBEAT_MS, () => beat(isNeeded))
  }
  return {
    slots,
    schedule: (delayMs, callback) => wheel.schedule(delayMs, callback),
    watchForPauses(isNeeded) {
      if (!isWatching) beat(isNeeded)
    },
    stop() {
      wheel.stop()
      slots.stop()
    },
  }
}
