import type { Json } from '#contract'
import type { GenerationRecord, Instant } from './records.ts'

/** An open generation that this process works on from now on. */
export interface Claimed {
  readonly record: GenerationRecord
  /** The right to write it. Each claim counts it up, and a write under an earlier one is refused with `LeaseLost`. */
  readonly lease: number
  /** Somebody asked another process to cancel it. */
  readonly isCancelAsked: boolean
}

/** Of a generation that the process which accepted it works on. */
export const FIRST_LEASE = 1

/** Another process has taken the generation over; nothing was written, and nothing more may be done about it here. */
export class LeaseLost extends Error {}

/** Another process has written the generation since it was read here; nothing was written. */
export class ChangedMeanwhile extends Error {}

/** The provider has as many unfinished tasks, those of all processes together, as it may have, or the next slot is another key's; nothing was written. */
export class NoSlot extends Error {}

/** A gateway key has as many open generations, those of all processes together, as it may have; nothing was written. */
export class TooManyOpen extends Error {
  readonly most: number
  constructor({ key, most }: OpenCheck) {
    super(`${key} has ${most} open generations, as many as it may have`)
    this.most = most
  }
}

/** How many generations of a gateway key may be open, those that are being accepted included. */
export interface OpenCheck {
  readonly key: string
  readonly most: number
}

/** A task that is about to be bought, and must be counted at its provider. */
export interface SlotClaim {
  readonly provider: string
  readonly attemptId: string
  /** The gateway key that buys. */
  readonly key: string | null
  /** How many unfinished tasks the provider may have, this one included. */
  readonly limit: number
}

/** What processes that share a store say to each other. Whoever was not listening catches up at `reconnected`. */
export type NodeMessage =
  /** A generation was written. */
  | { readonly kind: 'changed'; readonly generationId: string }
  | { readonly kind: 'cancel'; readonly generationId: string }
  /** A vendor says that an attempt has news. */
  | { readonly kind: 'callback'; readonly provider: string; readonly generationId: string; readonly attemptId: string }
  /** Slots of a provider may be free again. */
  | { readonly kind: 'freed'; readonly provider: string }
  /** What happened at the process `from`, for whoever follows the topic. */
  | { readonly kind: 'news'; readonly topic: string; readonly from: string; readonly items: readonly Json[] }
  /** A webhook is to be tried again, at a time that is on record. */
  | { readonly kind: 'planned' }
  /** A provider's breaker is other than it was. */
  | { readonly kind: 'breaker'; readonly provider: string }
  /** Gateway keys were made, changed or revoked. */
  | { readonly kind: 'keys' }
  /** From this process to itself: it was not heard of in time, and others may have taken these over. */
  | { readonly kind: 'lost'; readonly generationIds: readonly string[] }
  /** From this process to itself: it listens again, and may have missed whatever was said meanwhile. */
  | { readonly kind: 'reconnected' }

export interface Limiter {
  /** Rejects with the state where more than the limit is counted. */
  consume(name: string, points: number): Promise<LimitState>
  /** Gives points back. */
  reward(name: string, points: number): Promise<LimitState>
  /** Begins a new window. */
  delete(name: string): Promise<unknown>
}

export interface LimitState {
  readonly consumedPoints: number
  readonly remainingPoints: number
  /** Until the window ends. */
  readonly msBeforeNext: number
}

/** A process that uses the store. */
export interface NodeState {
  readonly id: string
  readonly isThis: boolean
  /** Of its configuration. */
  readonly revision: string
  readonly startedAt: Instant
  /** When it was heard of last. */
  readonly seenAt: Instant
}

/** A provider's breaker, as processes share it. */
export interface KeptBreaker {
  readonly provider: string
  /** Counts its changes, from 1 on. */
  readonly version: number
  readonly state: {
    readonly state: 'closed' | 'open' | 'half_open'
    readonly failuresInARow: number
    readonly fault: string | null
    readonly opened: number
    readonly coolDowns: number
    readonly untilAt: Instant | null
    readonly probedUntilAt: Instant | null
    readonly trialUntilAt: Instant | null
  }
}

/** The processes that share a store, as one of them sees the others. */
export interface Nodes {
  /** The wall time that all of them share, whatever the clocks of their machines say. */
  now(): Instant
  /** Makes this process one that works; at its start, so that nothing it does later waits for it. @throws StoreError */
  begin(): Promise<void>
  onMessage(listener: (message: NodeMessage) => void): void
  /** Reaches every process that listens, this one too. Never rejects: a message that is lost is found at the next catch-up, or not needed. */
  say(message: NodeMessage): Promise<void>
  /** Keeps on record that a generation is to be canceled, and says so. */
  askCancel(generationId: string): Promise<void>
  /** All gateway keys whose tasks wait for a slot of a provider here: keys take turns, wherever they wait. */
  waitForSlots(provider: string, keys: readonly (string | null)[]): void
  /** How many unfinished tasks other processes have at a provider, and how many are due to keys that wait there, as far as this one knows; exact only where a unit of work asks. */
  slotsElsewhere(provider: string): number
  /** How many unfinished tasks the other processes have at each provider at this moment, for those who want to see it. */
  tasksElsewhere(): Promise<ReadonlyMap<string, number>>
  /** At most so many points of a name in a window that begins with its first one, counted for all processes together. */
  limiter(policy: string, points: number, windowSeconds: number): Limiter
  /** Whether this process does a periodic work in this period: true for one of all processes. */
  takeTurn(work: string, periodMs: number): Promise<boolean>
  /** Every provider's breaker that anything ever happened to. */
  breakers(): Promise<readonly KeptBreaker[]>
  /** Keeps what became of a breaker, and says so, where it is still that of `version` (0: there is none); else nothing. Returns whether it was kept. */
  keepBreaker(breaker: KeptBreaker): Promise<boolean>
  /** Shows the others which configuration this process runs, from now on and for as long as it lives. */
  report(revision: string): void
  /** Those that were heard of in the last 15 seconds, this one too, the longest running first. */
  list(): Promise<readonly NodeState[]>
}
