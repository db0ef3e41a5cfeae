import { isTerminal } from '#contract'
import { LeaseLost } from '../nodes.ts'
import type { UnitOfWork } from '../ports.ts'
import { closeAccount } from './account.ts'
import { NOTHING, type Core, type OpenGeneration } from './open-generation.ts'
import { logFields } from './log-fields.ts'

const SAVE_AGAIN_MS = 2_000
/** Awaited, it lets the rest of this turn of the event loop say what else belongs into the write. */
const TURN = Promise.resolve()

/** Puts the generation on disk as it is now; several calls in one turn of the event loop are one write. */
export function save(core: Core, open: OpenGeneration): Promise<void> {
  open.saving ??= commit(core, open)
  return open.saving
}

/** What the disk refuses is kept for the next save; only a budget or a provider without a free slot is not asked again. */
async function commit(core: Core, open: OpenGeneration): Promise<void> {
  await TURN
  const {
    newImages: images,
    newReferences: references,
    newEntries: ledger,
    newCalls: calls,
    newDelivery: delivery,
    newSlots: slots,
    idempotency,
    budget,
    openCheck,
  } = open
  open.saving = null
  open.newImages = NOTHING
  open.newReferences = NOTHING
  open.newEntries = NOTHING
  open.newCalls = NOTHING
  open.newDelivery = null
  open.newSlots = NOTHING
  open.idempotency = null
  open.budget = null
  try {
    const unit: { -readonly [Field in keyof UnitOfWork]: UnitOfWork[Field] } = {
      generations: [open.record],
      lease: open.lease,
      areNew: !open.isOnDisk,
      images,
      references,
      ledger,
      calls,
    }
    if (idempotency) unit.idempotency = idempotency
    if (budget) unit.budget = budget
    if (delivery) unit.deliveries = [delivery]
    if (slots.length > 0) unit.slots = slots
    if (openCheck) unit.openCheck = openCheck
    await core.ports.store.commit(unit)
    open.isOnDisk = true
    open.openCheck = null
    if (delivery) core.ports.deliveriesDue?.()
  } catch (error) {
    if (error instanceof LeaseLost) core.drop(open)
    open.newImages = [...images, ...open.newImages]
    open.newReferences = [...references, ...open.newReferences]
    open.newEntries = [...ledger, ...open.newEntries]
    open.newCalls = [...calls, ...open.newCalls]
    open.newDelivery ??= delivery
    open.idempotency ??= idempotency
    throw error
  }
}

/** As `save`, where the work goes on in memory even if the disk refuses: the next save tries again. */
export async function saveIfPossible(core: Core, open: OpenGeneration): Promise<boolean> {
  try {
    await save(core, open)
    return true
  } catch (error) {
    if (open.isLost) return false
    const reason = error instanceof Error ? error.message : 'unknown'
    core.ports.log.error({ ...logFields(open.record), error: reason }, 'generation could not be saved')
    return false
  }
}

/** Saves, then lets watchers see: nothing is visible before it is on disk. What the disk refuses is tried again until it has space. */
export async function publish(core: Core, open: OpenGeneration): Promise<void> {
  open.publishing++
  // An end is written together with what it releases, which a reservation under way decides.
  if (open.raising) await open.raising
  closeAccount(core.ports, open)
  if (!(await saveIfPossible(core, open))) {
    if (open.isLost) return
    // It stays under way until it is written: an earlier write that succeeds meanwhile must not show what is not on disk.
    core.schedule(SAVE_AGAIN_MS, () => {
      open.publishing--
      void publish(core, open)
    })
    return
  }
  open.publishing--
  // The record has changed again since; whoever writes that shows it.
  if (open.publishing > 0) return
  core.watchers.notify(open.record)
  if (isOver(open)) core.open.delete(open.record.id)
}

/** Nothing more happens to it. A canceled generation may still have a task whose end decides its cost. */
export const isOver = ({ record }: OpenGeneration): boolean =>
  isTerminal(record.status) && record.attempts.every((attempt) => attempt.endedAt !== null)
