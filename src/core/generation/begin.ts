import { overBudget } from './accept.ts'
import { openAccount } from './account.ts'
import { addTasks } from './conclude.ts'
import type { Driver } from './driver.ts'
import { note, openGeneration, trackOf, type Core } from './open-generation.ts'
import { BudgetExceeded } from '../ports.ts'
import type { IdempotencyEntry } from '../ports.ts'
import type { GenerationRecord } from '../records.ts'
import { referenceRows } from './reference-images.ts'
import { save } from './save.ts'
import { prepareWithAcceptance } from './submit.ts'

/**
 * Puts a generation on disk together with its idempotency entry and its reservation, then begins its tasks. A task that needs nothing but a
 * free slot has its intent to buy in the same write. Nothing is sent before that write has succeeded; where it fails, there is no generation.
 */
export async function begin(core: Core, driver: Driver, record: GenerationRecord, idempotency: IdempotencyEntry | null): Promise<void> {
  const open = openGeneration(core, record, idempotency)
  core.open.set(record.id, open)
  note(core, record, 'queued', null)
  openAccount(open)
  open.newReferences = referenceRows(record)
  for (const attempt of addTasks(core, open)) {
    if (!driver.tryTakeSlot(open, attempt)) continue
    if (!prepareWithAcceptance(core, open, attempt, trackOf(core, open, attempt))) driver.drop(open, attempt)
  }
  try {
    await save(core, open)
  } catch (error) {
    for (const attempt of record.attempts) driver.drop(open, attempt)
    core.open.delete(record.id)
    throw error instanceof BudgetExceeded ? overBudget(error) : error
  }
  core.watchers.notify(record)
  for (const attempt of record.attempts) if (attempt.endedAt === null) driver.begin(open, attempt)
}
