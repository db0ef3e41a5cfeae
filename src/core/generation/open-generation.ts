import type { Call, Failure, ImageRef } from '#contract'
import { noCalls, type KeptCalls } from '../calls/kept-calls.ts'
import type { CallbackTrust, HearsCallbacks } from '../scheduling/callbacks.ts'
import type { PollSchedule } from '../scheduling/poll-schedule.ts'
import type { SlotState } from '../scheduling/provider-slots.ts'
import type { Wait } from '../scheduling/timer-wheel.ts'
import type { TurnShare } from '../scheduling/turn-share.ts'
import { release } from '../../reading/held-bytes.ts'
import { FIRST_LEASE } from '../nodes.ts'
import type { OpenCheck, SlotClaim } from '../nodes.ts'
import { releaseImages } from '../../reading/inline-bytes.ts'
import type { ActiveProvider, BudgetCheck, Connection, IdempotencyEntry, Ports } from '../ports.ts'
import type {
  AttemptCallsRecord,
  AttemptRecord,
  GenerationRecord,
  ImageRecord,
  LedgerEntry,
  Route,
  TimelineEntry,
  WebhookDeliveryRecord,
} from '../records.ts'
import type { Watchers } from './watchers.ts'

/** What every step shares. Steps wait for nothing: they return what comes next, and the driver waits. */
export interface Core {
  readonly ports: Ports
  readonly patience: Patience
  readonly pollSchedule: PollSchedule
  /** The part of it that other processes are not said anything of. */
  readonly remembered: Pick<PollSchedule, 'observe' | 'forget'>
  readonly trust: CallbackTrust
  readonly watchers: Watchers
  readonly open: Map<string, OpenGeneration>
  /** By attempt, from its first step until the driver has done its last. */
  readonly tracks: Map<AttemptRecord, AttemptTrack>
  readonly slots: SlotView
  /** Of what goes on once a write or a reply is there. */
  readonly turns: TurnShare
  /** Calls back after `delayMs` of monotonic time. */
  readonly schedule: (delayMs: number, callback: () => void) => Wait
  /** Another process works on the generation: everything of it is dropped here, and nothing of it is written. */
  readonly drop: (open: OpenGeneration) => void
}

/** What the steps may know and say of slots; the driver alone takes and releases them. */
export interface SlotView {
  state(provider: string): SlotState
  rateLimited(provider: string, pauseMs: number): void
  accepted(provider: string): void
  recheck(provider?: string): void
  serve(provider: string): void
}

/** How long what was bought is waited for where the vendor does not say. Milliseconds. */
export interface Patience {
  /** A submit whose reply was lost, while the vendor does not find it. */
  readonly recoverMs: number
  /** An image whose link has no known end. */
  readonly linkMs: number
  /** However long a link is said to live, its image is not tried for longer. */
  readonly longestLinkMs: number
  /** An image whose link must have died by the wall clock, which may be wrong, and whose server says so too. */
  readonly deadLinkMs: number
}

export const PATIENCE: Patience = { recoverMs: 60_000, linkMs: 600_000, longestLinkMs: 3_600_000, deadLinkMs: 5_000 }

/** A generation that is worked on: its row, and what this process alone knows of it. */
export interface OpenGeneration {
  readonly record: GenerationRecord
  readonly lease: number
  /** Another process works on it. */
  isLost: boolean
  /** Monotonic: from when on it is counted how long no provider takes its tasks. */
  sinceMs: number
  /** The save that is being gathered in this turn of the event loop. */
  saving: Promise<void> | null
  idempotency: IdempotencyEntry | null
  /** A write of it has succeeded. */
  isOnDisk: boolean
  newImages: readonly ImageRecord[]
  newReferences: readonly ImageRecord[]
  newEntries: readonly LedgerEntry[]
  newCalls: readonly AttemptCallsRecord[]
  newDelivery: WebhookDeliveryRecord | null
  newSlots: readonly SlotClaim[]
  /** What its acceptance is held against: how many its key may have open at all processes. Null once it is on disk. */
  openCheck: OpenCheck | null
  /** What the new entries that reserve must fit into. */
  budget: BudgetCheck | null
  /** The next route is being reserved: nothing is said of the generation's end before that is done. Never rejects. */
  raising: Promise<unknown> | null
  /** Saves under way that somebody is to see. */
  publishing: number
  isAccountClosed: boolean
}

/** What the driver alone reads and writes: the wait it can end, or the step that runs. */
export interface Drive {
  wait: Wait | null
  isRunning: boolean
  /** Another step was asked for while one was running. */
  isAskedAgain: boolean
}

/** What this process alone knows of one open attempt. Times are monotonic milliseconds. */
export interface AttemptTrack extends Drive, HearsCallbacks {
  /** The provider as it was configured when the attempt was submitted or resumed; null before. */
  connection: Connection | null
  /** The submit whose intent is written and which is not sent yet. */
  unsent: Call | null
  /** The references of that submit, until it is sent; what is lent of them is then given back. */
  given: readonly string[]
  /** Why a submit's reply is missing. */
  lostReason: string
  /** The vendor had begun to answer. */
  hasBegun: boolean
  /** When this process began to wait for it: in the queue, then at the vendor. */
  sinceMs: number
  deadlineAtMs: number
  /** Polls the vendor answered since the attempt began, was resumed, or the process was paused. */
  answeredPolls: number
  /** Polls in a row that were refused or not answered, and the last refusal. */
  missedPolls: number
  refusal: Failure | null
  /** Its answer was asked for at another address, without a wait. */
  hasGoneOn: boolean
  /** Polls that said that the task is done, and brought no image. */
  emptyEnds: number
  /** The vendor was asked to cancel the task: what it says from then on settles the attempt. */
  isCancelAsked: boolean
  collecting: Collecting | null
  readonly calls: KeptCalls
}

/** Delivered images on their way into the store. */
export interface Collecting {
  readonly results: (CollectedImage | null)[]
  references: readonly ImageRef[]
  passes: number
}

export type CollectedImage =
  | { readonly kind: 'image'; readonly image: ImageRecord }
  | { readonly kind: 'failure'; readonly failure: Failure }

/** One for all: thousands of open generations have nothing new most of the time. */
export const NOTHING: readonly never[] = []

export function openGeneration(
  core: Core,
  record: GenerationRecord,
  idempotency: IdempotencyEntry | null,
  lease = FIRST_LEASE,
): OpenGeneration {
  return {
    record,
    lease,
    isLost: false,
    sinceMs: core.ports.clock.monotonicMs(),
    saving: null,
    idempotency,
    isOnDisk: false,
    newImages: NOTHING,
    newReferences: NOTHING,
    newEntries: NOTHING,
    newCalls: NOTHING,
    newDelivery: null,
    newSlots: NOTHING,
    openCheck: null,
    budget: null,
    raising: null,
    publishing: 0,
    isAccountClosed: false,
  }
}

export function trackOf(core: Core, open: OpenGeneration, attempt: AttemptRecord): AttemptTrack {
  const known = core.tracks.get(attempt)
  if (known) return known
  const sinceMs = core.ports.clock.monotonicMs()
  const track: AttemptTrack = {
    wait: null,
    isRunning: false,
    isAskedAgain: false,
    connection: null,
    unsent: null,
    given: NOTHING,
    lostReason: 'the server stopped before the reply was recorded',
    hasBegun: false,
    sinceMs,
    deadlineAtMs: sinceMs + remainingMs(core, open, attempt),
    answeredPolls: 0,
    missedPolls: 0,
    refusal: null,
    hasGoneOn: false,
    emptyEnds: 0,
    isCancelAsked: false,
    collecting: null,
    calls: noCalls(attempt.submittedAt === null),
    callbacks: null,
  }
  core.tracks.set(attempt, track)
  return track
}

/**
 * By the wall clock, which may have jumped while the attempt was not driven: where nothing would be left, the task may as well have been bought a
 * moment ago, and has the whole deadline.
 */
function remainingMs(core: Core, open: OpenGeneration, attempt: AttemptRecord): number {
  const deadlineMs = providerOf(core, open.record, attempt)?.manifest.timeouts.deadline_ms ?? 0
  if (attempt.submittedAt === null) return deadlineMs
  const leftMs = attempt.submittedAt + deadlineMs - core.ports.clock.now()
  return leftMs > 0 ? Math.min(deadlineMs, leftMs) : deadlineMs
}

/** The attempt has ended, or was taken back: the settings it was bought under are let go, and the bytes of images that nobody stored. */
export function releaseConnection(core: Core, attempt: AttemptRecord): void {
  const track = core.tracks.get(attempt)
  if (!track) return
  track.connection?.release()
  track.connection = null
  releaseReferences(track)
  releaseImages(attempt.results)
}

/** The references of a submit that is sent, or never will be. */
export function releaseReferences(track: AttemptTrack): void {
  track.given.forEach(release)
  track.given = NOTHING
}

export function routeOf(record: GenerationRecord, attempt: Pick<AttemptRecord, 'route'>): Route {
  const route = record.routes[attempt.route]
  if (!route) throw new Error(`generation ${record.id} has no route ${attempt.route}`)
  return route
}

/** Asked again after every wait: a cancel can come at any of them. */
export const isCanceled = ({ record }: OpenGeneration): boolean => record.status === 'canceled'

/** As configured now; null where it is not installed. */
export function providerOf(core: Core, record: GenerationRecord, attempt: AttemptRecord): ActiveProvider | null {
  return core.ports.settings.provider(routeOf(record, attempt).provider)
}

/** The settings the attempt began with, or, after a restart, those of now; null where the provider is not installed. */
export function connectionOf(core: Core, open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack): Connection | null {
  track.connection ??= core.ports.connect(routeOf(open.record, attempt).provider)
  return track.connection
}

export function note(
  core: Core,
  record: GenerationRecord,
  type: TimelineEntry['type'],
  provider: string | null,
  progress: number | null = null,
): void {
  const entry = { seq: record.timeline.length + 1, type, at: core.ports.clock.now(), provider, progress }
  // A spread reserves space for 16 more entries (128 bytes for each open generation).
  record.timeline = record.timeline.concat([entry])
}
