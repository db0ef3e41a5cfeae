/**
 * How many paid tasks a provider may have unfinished at once. The vendor counts a task until it ends, so a slot is held from before the
 * submit until the task is done or failed. Who waits is served in turns between gateway keys, and in order of arrival within one key.
 *
 * `Task` is whatever a task is known by, the same object or text each time.
 *
 * A rate limit lowers a provider's limit to what it has just taken; accepted submits raise it again, one by one.
 */
export interface ProviderSlots<Task> {
  /** Takes a slot for a task at once, or not at all. A task that holds one already keeps it. */
  tryTake(provider: string, task: Task): boolean
  /** Calls back once, when a slot was taken for the task or the provider's state changed. Asked again, a task keeps its turn. */
  wait(provider: string, key: string | null, task: Task, callback: () => void): void
  /** Waits no longer. */
  leave(provider: string, key: string | null, task: Task): void
  /** Counts a task that was bought before this process began, beyond the limit if need be. */
  hold(provider: string, task: Task): void
  /** Lets go of the task's slot; without one it does nothing. */
  release(provider: string, task: Task): void
  isHeld(provider: string, task: Task): boolean
  /** The provider answered 429. No new task for `pauseMs`, and fewer at once from now on. */
  rateLimited(provider: string, pauseMs: number): void
  /** The provider took a submit. */
  accepted(provider: string): void
  /** Calls everybody who waits at the provider, or at all of them: its state changed. */
  recheck(provider?: string): void
  /** Other processes may have let go of slots. */
  serve(provider: string): void
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

interface Gate<Task> {
  readonly holders: Set<Task>
  /** By gateway key; the key whose turn is next stands first. */
  readonly queues: Map<string | null, Map<Task, () => void>>
  pausedUntilMs: number
  /** Below what is configured, after a rate limit; null without one. */
  loweredTo: number | null
  loweredAtMs: number
  acceptedSince: number
  /** The keys that wait, as `onWaiting` heard. */
  said: ReadonlySet<string | null>
}

export interface ProviderSlotsDependencies {
  /** Monotonic. */
  readonly nowMs: () => number
  readonly schedule: (delayMs: number, callback: () => void) => unknown
  /** As configured now; read at each use. */
  readonly limitOf: (provider: string) => number
  /** How many of them other processes hold. */
  readonly takenElsewhere?: (provider: string) => number
  /** Hears of which keys wait at a provider for nothing but a slot, whenever these are others. */
  readonly onWaiting?: (provider: string, keys: readonly (string | null)[]) => void
}

/** A lowered limit rises by one no sooner than this after the last change. */
const RAISE_AFTER_MS = 1_000

export const createProviderSlots = <Task = string>(dependencies: ProviderSlotsDependencies): ProviderSlots<Task> => new Slots(dependencies)

class Slots<Task> implements ProviderSlots<Task> {
  readonly #dependencies: ProviderSlotsDependencies
  readonly #gates = new Map<string, Gate<Task>>()
  #isStopped = false

  constructor(dependencies: ProviderSlotsDependencies) {
    this.#dependencies = dependencies
  }

  tryTake(provider: string, task: Task): boolean {
    const gate = this.#gateOf(provider)
    if (gate.holders.has(task)) return true
    if (gate.queues.size > 0 || this.#freeAt(gate, provider) === 0) return false
    gate.holders.add(task)
    return true
  }

  wait(provider: string, key: string | null, task: Task, callback: () => void): void {
    const { queues } = this.#gateOf(provider)
    const queue = queues.get(key) ?? new Map<Task, () => void>()
    queues.set(key, queue.set(task, callback))
    this.#serve(provider)
  }

  leave(provider: string, key: string | null, task: Task): void {
    const { queues } = this.#gateOf(provider)
    const queue = queues.get(key)
    if (!queue?.delete(task) || queue.size > 0) return
    queues.delete(key)
    this.#sayWhoWaits(provider)
  }

  hold(provider: string, task: Task): void {
    this.#gateOf(provider).holders.add(task)
  }

  release(provider: string, task: Task): void {
    if (this.#gateOf(provider).holders.delete(task)) this.#serve(provider)
  }

  isHeld(provider: string, task: Task): boolean {
    return this.#gateOf(provider).holders.has(task)
  }

  rateLimited(provider: string, pauseMs: number): void {
    const gate = this.#gateOf(provider)
    const nowMs = this.#dependencies.nowMs()
    // The refused task holds a slot still: what is left without it is what the provider has taken.
    gate.loweredTo = Math.max(1, gate.holders.size - 1)
    gate.loweredAtMs = nowMs
    gate.acceptedSince = 0
    if (nowMs + pauseMs <= gate.pausedUntilMs) return
    gate.pausedUntilMs = nowMs + pauseMs
    this.#dependencies.schedule(pauseMs, () => this.#serve(provider))
    if (pauseMs > 0) callEverybody(gate)
    this.#sayWhoWaits(provider)
  }

  accepted(provider: string): void {
    const gate = this.#gateOf(provider)
    if (gate.loweredTo === null) return
    gate.acceptedSince++
    const nowMs = this.#dependencies.nowMs()
    if (gate.acceptedSince < gate.loweredTo || nowMs - gate.loweredAtMs < RAISE_AFTER_MS) return
    const raised = gate.loweredTo + 1
    gate.loweredTo = raised >= this.#dependencies.limitOf(provider) ? null : raised
    gate.loweredAtMs = nowMs
    gate.acceptedSince = 0
    this.#serve(provider)
  }

  recheck(provider?: string): void {
    for (const one of provider === undefined ? [...this.#gates.keys()] : [provider]) {
      callEverybody(this.#gateOf(one))
      this.#sayWhoWaits(one)
    }
  }

  state(provider: string): SlotState {
    const gate = this.#gateOf(provider)
    let waiting = 0
    for (const queue of gate.queues.values()) waiting += queue.size
    const pausedMs = Math.max(0, gate.pausedUntilMs - this.#dependencies.nowMs())
    return { inFlight: gate.holders.size, waiting, free: this.#freeAt(gate, provider), pausedMs }
  }

  serve(provider: string): void {
    this.#serve(provider)
  }

  stop(): void {
    this.#isStopped = true
  }

  #gateOf(provider: string): Gate<Task> {
    let gate = this.#gates.get(provider)
    if (!gate) {
      gate = { holders: new Set(), queues: new Map(), pausedUntilMs: 0, loweredTo: null, loweredAtMs: 0, acceptedSince: 0, said: new Set() }
      this.#gates.set(provider, gate)
    }
    return gate
  }

  #freeAt(gate: Gate<Task>, provider: string): number {
    if (this.#isStopped || gate.pausedUntilMs > this.#dependencies.nowMs()) return 0
    const free = this.#dependencies.limitOf(provider) - (this.#dependencies.takenElsewhere?.(provider) ?? 0)
    return Math.max(0, Math.min(free, gate.loweredTo ?? Infinity) - gate.holders.size)
  }

  #serve(provider: string): void {
    const gate = this.#gateOf(provider)
    while (gate.queues.size > 0 && this.#freeAt(gate, provider) > 0) {
      const next = takeNext(gate)
      if (next === null) break
      gate.holders.add(next.task)
      next.callback()
    }
    this.#sayWhoWaits(provider)
  }

  #sayWhoWaits(provider: string): void {
    const { onWaiting } = this.#dependencies
    if (onWaiting === undefined) return
    const gate = this.#gateOf(provider)
    // A limit of this process alone keeps nobody else waiting.
    const isHeldBack =
      this.#isStopped || gate.pausedUntilMs > this.#dependencies.nowMs() || gate.holders.size >= (gate.loweredTo ?? Infinity)
    const keys = isHeldBack ? [] : [...gate.queues.keys()]
    if (keys.length === gate.said.size && keys.every((key) => gate.said.has(key))) return
    gate.said = new Set(keys)
    onWaiting(provider, keys)
  }
}

/** They ask again whether they may, and wait again where they may not. */
function callEverybody(gate: Gate<unknown>): void {
  const all = [...gate.queues.values()].flatMap((queue) => [...queue.values()])
  gate.queues.clear()
  for (const callback of all) callback()
}

/** The first task of the key whose turn it is; the key goes to the end. */
function takeNext<Task>(gate: Gate<Task>): { readonly task: Task; readonly callback: () => void } | null {
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
