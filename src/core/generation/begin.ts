import { overBudget } from './accept.ts'
import { openAccount } from './account.ts'
import { addTasks } from './conclude.ts'
import type { Driver } from './driver.ts'
import { note, openGeneration, trackOf, type Core, type OpenGeneration } from './open-generation.ts'
import { BudgetExceeded } from '../ports.ts'
import type { IdempotencyEntry } from '../ports.ts'
import type { GenerationRecord } from '../records.ts'
import { referenceRows } from './reference-images.ts'
import { save } from './save.ts'
import { NoSlot } from '../nodes.ts'
import { prepareWithAcceptance, takeBack } from './submit.ts'

/** What a generation is accepted under, beside its budget. */
export interface Acceptance {
  readonly idempotency: IdempotencyEntry | null
  /** How many generations of its gateway key may be open; null: no limit. */
  readonly mostOfKey: number | null
}

/**
 * Puts a generation on disk together with its idempotency entry and its reservation, then begins its tasks. A task that needs nothing but a
 * free slot has its intent to buy in the same write. Nothing is sent before that write has succeeded; where it fails, there is no generation.
 */
export async function begin(core: Core, driver: Driver, record: GenerationRecord, { idempotency, mostOfKey }: Acceptance): Promise<void> {
  const open = openGeneration(core, record, idempotency)
  if (core.ports.store.nodes && record.key !== null && mostOfKey !== null) open.openCheck = { key: record.key, most: mostOfKey }
  core.open.set(record.id, open)
  note(core, record, 'queued', null)
  openAccount(open)
  open.newReferences = referenceRows(record)
  for (const attempt of addTasks(core, open)) {
    if (!driver.tryTakeSlot(open, attempt)) continue
    if (!prepareWithAcceptance(core, open, attempt, trackOf(core, open, attempt))) driver.drop(open, attempt)
  }
  try {
    await save(core, open).catch((error: unknown) => saveWithoutIntents(core, open, driver, error))
  } catch (error) {
    for (const attempt of record.attempts) driver.drop(open, attempt)
    core.open.delete(record.id)
    throw error instanceof BudgetExceeded ? overBudget(error) : error
  }
  // Many that are written together go on one after the other.
  if (core.turns.areSpent()) await core.turns.next()
  core.watchers.notify(record)
  for (const attempt of record.attempts) if (attempt.endedAt === null) driver.begin(open, attempt)
}

/** The slots that were free here are taken by other processes: the generation is accepted, and its tasks wait. */
function saveWithoutIntents(core: Core, open: OpenGeneration, driver: Driver, error: unknown): Promise<void> {
  if (!(error instanceof NoSlot)) throw error
  const { record } = open
  for (const attempt of record.attempts) {
    if (attempt.status !== 'submitting') continue
    takeBack(trackOf(core, open, attempt), attempt)
    driver.drop(open, attempt)
  }
  Object.assign(record, { status: 'queued', startedAt: null, timeline: record.timeline.filter(({ type }) => type === 'queued') })
  openAccount(open)
  return save(core, open)
}
