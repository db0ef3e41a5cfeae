/**
 * How many paid tasks a provider may have unfinished at once. The vendor counts a task until it ends, so a slot is held
 * from before the submit until the task is done or failed. Those that wait are served in order of arrival.
 */
export interface Slots {
  /** Runs `enter` at once where a slot is free and the provider is not paused, later otherwise. The returned function gives up waiting. */
  acquire(provider: string, enter: () => void): () => void
  /** Counts a task that was bought before this process began, beyond the limit if need be. */
  hold(provider: string): void
  release(provider: string): void
  /** No new task before `untilMs`: the vendor said to come back later. */
  pause(provider: string, untilMs: number): void
  inFlight(provider: string): number
  waiting(provider: string): number
  /** Lets nobody enter any more. */
  stop(): void
}

interface Gate {
  inFlight: number
  pausedUntilMs: number
  readonly queue: Set<() => void>
}

export interface SlotsDependencies {
  readonly now: () => number
  readonly schedule: (delayMs: number, callback: () => void) => unknown
  /** Read at each use, so that an edited configuration applies at once. */
  readonly limitOf: (provider: string) => number
}

export function createSlots({ now, schedule, limitOf }: SlotsDependencies): Slots {
  const gates = new Map<string, Gate>()
  let isStopped = false

  function gateOf(provider: string): Gate {
    let gate = gates.get(provider)
    if (!gate) gates.set(provider, (gate = { inFlight: 0, pausedUntilMs: 0, queue: new Set() }))
    return gate
  }

  const isOpen = (gate: Gate, provider: string) => !isStopped && gate.inFlight < limitOf(provider) && gate.pausedUntilMs <= now()

  function drain(provider: string): void {
    const gate = gateOf(provider)
    for (const enter of gate.queue) {
      if (!isOpen(gate, provider)) return
      gate.queue.delete(enter)
      gate.inFlight++
      enter()
    }
  }

  return {
    acquire(provider, enter) {
      const gate = gateOf(provider)
      if (gate.queue.size === 0 && isOpen(gate, provider)) {
        gate.inFlight++
        enter()
        return () => {}
      }
      const entry = () => enter()
      gate.queue.add(entry)
      return () => gate.queue.delete(entry)
    },
    hold(provider) {
      gateOf(provider).inFlight++
    },
    release(provider) {
      gateOf(provider).inFlight--
      drain(provider)
    },
    pause(provider, untilMs) {
      const gate = gateOf(provider)
      if (untilMs <= gate.pausedUntilMs) return
      gate.pausedUntilMs = untilMs
      schedule(untilMs - now(), () => drain(provider))
    },
    inFlight: (provider) => gateOf(provider).inFlight,
    waiting: (provider) => gateOf(provider).queue.size,
    stop() {
      isStopped = true
    },
  }
}
