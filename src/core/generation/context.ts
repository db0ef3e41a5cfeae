import { isTerminal } from '#contract'
import type { AttemptRecord, GenerationRecord, ImageRecord, LedgerEntry, Route, TimelineEntry, WebhookDeliveryRecord } from '../records.ts'
import { closeAccount } from '../billing/account.ts'
import type { CallbackState, HookTrust } from '../scheduling/callbacks.ts'
import type { ActiveProvider, BudgetCheck, IdempotencyEntry, Ports } from '../ports.ts'
import type { Pace } from '../scheduling/poll-schedule.ts'
import type { Slots } from '../scheduling/provider-slots.ts'
import type { Watchers } from './watchers.ts'
import type { Wheel } from '../scheduling/timer-wheel.ts'

/** What every step of the run shares. */
export interface RunContext {
  readonly ports: Ports
  readonly wheel: Wheel
  readonly slots: Slots
  readonly pace: Pace
  readonly trust: HookTrust
  readonly watchers: Watchers
  readonly open: Map<string, OpenGeneration>
  /** Lets a task wait for its place and then buys it; `delayMs` first. */
  readonly enqueue: (open: OpenGeneration, attempt: AttemptRecord, delayMs?: number) => void
  /** Answers those who wait for an end, before it has come. */
  readonly dismissals: Set<() => void>
}

/** A generation being worked on: its row, and what takes back its timers. */
export interface OpenGeneration {
  readonly record: GenerationRecord
  /** Per attempt: takes back a timer or a place in a queue. */
  readonly pendingWork: Map<string, () => void>
  /** It has been on disk: until then a refusal is the caller's answer, not the generation's end. */
  isAccepted: boolean
  /** The save that is being gathered in this turn of the event loop. */
  saving: Promise<void> | null
  newImages: ImageRecord[]
  idempotency: IdempotencyEntry | null
  /** Lines of the account that are not on disk yet. */
  newEntries: LedgerEntry[]
  /** What the lines that reserve must fit into. */
  budget: BudgetCheck | null
  /** A dearer route is being reserved. */
  isRaising: boolean
  isAccountClosed: boolean
  /** The telling of its end that is not on disk yet. */
  newDelivery: WebhookDeliveryRecord | null
  /** What vendors told of its attempts without being asked, by attempt; null where none has. */
  hints: Map<string, CallbackState> | null
}

export const openGeneration = (record: GenerationRecord, idempotency: IdempotencyEntry | null): OpenGeneration => ({
  record,
  pendingWork: new Map(),
  isAccepted: false,
  saving: null,
  newImages: [],
  idempotency,
  newEntries: [],
  budget: null,
  isRaising: false,
  isAccountClosed: false,
  newDelivery: null,
  hints: null,
})

export function routeOf(record: GenerationRecord, attempt: Pick<AttemptRecord, 'route'>): Route {
  const route = record.routes[attempt.route]
  if (!route) throw new Error(`generation ${record.id} has no route ${attempt.route}`)
  return route
}

export function providerOf(context: RunContext, record: GenerationRecord, attempt: AttemptRecord): ActiveProvider | null {
  return context.ports.settings.provider(routeOf(record, attempt).provider)
}

/** Puts the generation on disk as it is now; several calls in one turn of the event loop are one write. */
export function save(context: RunContext, open: OpenGeneration): Promise<void> {
  open.saving ??= Promise.resolve().then(() => commit(context, open))
  return open.saving
}

/** Lines of the account that the disk refuses are kept for the next save; a budget that refuses is not asked again. */
async function commit(context: RunContext, open: OpenGeneration): Promise<void> {
  const { newImages: images, newEntries: ledger, newDelivery: delivery, idempotency, budget } = open
  open.saving = null
  open.newImages = []
  open.newEntries = []
  open.newDelivery = null
  open.idempotency = null
  open.budget = null
  try {
    await context.ports.store.commit({
      generations: [open.record],
      images,
      ledger,
      ...(idempotency ? { idempotency } : {}),
      ...(budget ? { budget } : {}),
      ...(delivery ? { deliveries: [delivery] } : {}),
    })
    if (delivery) context.ports.deliveriesDue?.()
  } catch (error) {
    open.newDelivery ??= delivery
    open.newEntries = [...ledger, ...open.newEntries]
    throw error
  }
}

/** As `save`, where the work goes on in memory even if the disk refuses: the next save tries again. */
export async function saveIfPossible(context: RunContext, open: OpenGeneration): Promise<boolean> {
  const images = open.newImages
  try {
    await save(context, open)
    return true
  } catch (error) {
    open.newImages = [...images, ...open.newImages]
    context.ports.log.error(
      { generation: open.record.id, error: error instanceof Error ? error.message : 'unknown' },
      'generation could not be saved',
    )
    return false
  }
}

const SAVE_AGAIN_MS = 2_000

/** Saves, then lets watchers see: nothing is visible before it is on disk. What the disk refuses is tried again until it has room. */
export async function publish(context: RunContext, open: OpenGeneration): Promise<void> {
  closeAccount(context, open)
  if (!(await saveIfPossible(context, open))) {
    context.wheel.schedule(SAVE_AGAIN_MS, () => void publish(context, open))
    return
  }
  context.watchers.notify(open.record)
  if (isTerminal(open.record.status) && open.record.attempts.every((attempt) => attempt.endedAt !== null))
    context.open.delete(open.record.id)
}

export function note(
  context: RunContext,
  record: GenerationRecord,
  type: TimelineEntry['type'],
  provider: string | null,
  progress: number | null = null,
): void {
  record.timeline.push({ seq: record.timeline.length + 1, type, at: context.ports.clock.now(), provider, progress })
}
