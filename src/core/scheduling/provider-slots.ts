/**
 * How many paid tasks a provider may have unfinished at once. The vendor counts a task until it ends, so a slot is held from before the
 * submit until the task is done or failed. Who waits is served in turns between gateway keys, and in order of arrival within one key.
 *
 * A rate limit lowers a provider's limit to what it has just taken; accepted submits raise it again, one by one.
 */
export interface ProviderSlots {
  /** Takes a slot for a task at once, or not at all. A task that holds one already keeps it. */
  tryTake(provider: string, task: string): boolean
  /** Calls back once, when a slot was taken for the task or the provider's state changed. Asked again, a task keeps its turn. */
  wait(provider: string, key: string | null, task: string, callback: () => void): void
  /** Waits no longer. */
  leave(provider: string, key: string | null, task: string): void
  /** Counts a task that was bought before this process began, beyond the limit if need be. */
  hold(provider: string, task: string): void
  /** Lets go of the task's slot; without one it does nothing. */
  release(provider: string, task: string): void
  isHeld(provider: string, task: string): boolean
  /** The provider answered 429. No new task for `pauseMs`, and fewer at once from now on. */
  rateLimited(provider: string, pauseMs: number): void
  /** The provider took a submit. */
  accepted(provider: string): void
  /** Calls everybody who waits at the provider, or at all of them: its state changed. */
  recheck(provider?: string): void
  state(provider: string): SlotState
  /** Calls nobody back any more. */
  stop(): void
}

export interface SlotState {
  readonly inFlight: number
  readonly waiting: number
  /** How many more tasks it takes now. */
  readonly free: number
  /** How long a rate limit still lasts; 0 without one. */
  readonly pausedMs: number
}

interface Gate {
  readonly holders: Set<string>
  /** By gateway key; the key whose turn is next stands first. */
  readonly queues: Map<string | null, Map<string, () => void>>
  pausedUntilMs: number
  /** Below what is configured, after a rate limit; null without one. */
  loweredTo: number | null
  loweredAtMs: number
  acceptedSince: number
}

export interface ProviderSlotsDependencies {
  /** Monotonic. */
  readonly nowMs: () => number
  readonly schedule: (delayMs: number, callback: () => void) => unknown
  /** As configured now; read at each use. */
  readonly limitOf: (provider: string) => number
}

/** A lowered limit rises by one no sooner than this after the last change. */
const RAISE_AFTER_MS = 1_000

export function createProviderSlots({ nowMs, schedule, limitOf }: ProviderSlotsDependencies): ProviderSlots {
  const gates = new Map<string, Gate>()
  let isStopped = false

  function gateOf(provider: string): Gate {
    let gate = gates.get(provider)
    if (!gate) {
      gate = { holders: new Set(), queues: new Map(), pausedUntilMs: 0, loweredTo: null, loweredAtMs: 0, acceptedSince: 0 }
      gates.set(provider, gate)
    }
    return gate
  }

  function freeAt(gate: Gate, provider: string): number {
    if (isStopped || gate.pausedUntilMs > nowMs()) return 0
    return Math.max(0, Math.min(limitOf(provider), gate.loweredTo ?? Infinity) - gate.holders.size)
  }

  function serve(provider: string): void {
    const gate = gateOf(provider)
    while (freeAt(gate, provider) > 0) {
      const next = takeNext(gate)
      if (next === null) return
      gate.holders.add(next.task)
      next.callback()
    }
  }

  function callEverybody(gate: Gate): void {
    const all = [...gate.queues.values()].flatMap((queue) => [...queue.values()])
    gate.queues.clear()
    for (const callback of all) callback()
  }

  return {
    tryTake(provider, task) {
      const gate = gateOf(provider)
      if (gate.holders.has(task)) return true
      if (gate.queues.size > 0 || freeAt(gate, provider) === 0) return false
      gate.holders.add(task)
      return true
    },
    wait(provider, key, task, callback) {
      const gate = gateOf(provider)
      const queue = gate.queues.get(key) ?? new Map<string, () => void>()
      gate.queues.set(key, queue.set(task, callback))
      serve(provider)
    },
    leave(provider, key, task) {
      const { queues } = gateOf(provider)
      const queue = queues.get(key)
      if (queue?.delete(task) && queue.size === 0) queues.delete(key)
    },
    hold: (provider, task) => void gateOf(provider).holders.add(task),
    release(provider, task) {
      if (gateOf(provider).holders.delete(task)) serve(provider)
    },
    isHeld: (provider, task) => gateOf(provider).holders.has(task),
    rateLimited(provider, pauseMs) {
      const gate = gateOf(provider)
      // The refused task holds a slot still: what is left without it is what the provider has taken.
      gate.loweredTo = Math.max(1, gate.holders.size - 1)
      gate.loweredAtMs = nowMs()
      gate.acceptedSince = 0
      const untilMs = nowMs() + pauseMs
      if (untilMs <= gate.pausedUntilMs) return
      gate.pausedUntilMs = untilMs
      schedule(pauseMs, () => serve(provider))
      if (pauseMs > 0) callEverybody(gate)
    },
    accepted(provider) {
      const gate = gateOf(provider)
      if (gate.loweredTo === null) return
      gate.acceptedSince++
      if (gate.acceptedSince < gate.loweredTo || nowMs() - gate.loweredAtMs < RAISE_AFTER_MS) return
      const raised = gate.loweredTo + 1
      gate.loweredTo = raised >= limitOf(provider) ? null : raised
      gate.loweredAtMs = nowMs()
      gate.acceptedSince = 0
      serve(provider)
    },
    recheck(provider) {
      for (const one of provider === undefined ? [...gates.keys()] : [provider]) callEverybody(gateOf(one))
    },
    state(provider) {
      const gate = gateOf(provider)
      let waiting = 0
      for (const queue of gate.queues.values()) waiting += queue.size
      return {
        inFlight: gate.holders.size,
        waiting,
        free: freeAt(gate, provider),
        pausedMs: Math.max(0, gate.pausedUntilMs - nowMs()),
      }
    },
    stop() {
      isStopped = true
    },
  }
}

/** The first task of the key whose turn it is; the key goes to the end. */
function takeNext(gate: Gate): { readonly task: string; readonly callback: () => void } | null {
  for (const [key, queue] of gate.queues) {
    gate.queues.delete(key)
    for (const [task, callback] of queue) {
      queue.delete(task)
      if (queue.size > 0) gate.queues.set(key, queue)
      return { task, callback }
    }
  }
  return null
}
