import { generationError, isTerminal } from '#contract'
import type { GenerationError } from '#contract'
import type { AttemptRecord, GenerationRecord } from '../records.ts'
import { deliveryFor } from '../webhooks/delivery.ts'
import { canceledError } from './conclude.ts'
import type { Driver } from './driver.ts'
import { note, providerOf, routeOf, type Core, type OpenGeneration } from './open-generation.ts'
import { logEnd } from './log-fields.ts'
import { publish } from './save.ts'

/**
 * Sets the status; then each open attempt advances and ends as it finds it. A submit that is on its way keeps its attempt open until the
 * reply shows what was bought, and images that are being fetched are still stored: both are paid for.
 * @returns the generation as it then is; null where it is not open
 */
export async function cancel(core: Core, driver: Driver, id: string): Promise<GenerationRecord | null> {
  const open = core.open.get(id)
  if (!open || isTerminal(open.record.status)) return null
  const { record } = open
  record.status = 'canceled'
  record.error = errorOf(core, open)
  record.completedAt = core.ports.clock.now()
  note(core, record, 'canceled', null)
  open.newDelivery = deliveryFor(record, record.completedAt)
  // Images that are being fetched come or do not come as before; nobody waits here for them.
  const attempts = record.attempts.filter((attempt) => attempt.endedAt === null && attempt.status !== 'collecting')
  await Promise.all([publish(core, open), ...attempts.map((attempt) => driver.advanceNow(open, attempt))])
  logEnd(core.ports.log, record)
  core.ports.observer.generationEnded(record)
  return record
}

/** Where the vendor has a cancel; what it says to it comes later. */
function askedToStop(core: Core, record: GenerationRecord, attempt: AttemptRecord): GenerationError | null {
  const provider = providerOf(core, record, attempt)
  if (!provider?.adapter.cancel) return null
  const message = `canceled; ${provider.id} is asked to stop the task, and may bill it until it has`
  return generationError({ code: 'canceled', message, billed: 'unknown' }, provider.id)
}

/** As far as is known now: what was sent may be billed. */
function errorOf(core: Core, { record }: OpenGeneration): GenerationError {
  const { tracks } = core
  const sent = record.attempts.find(
    (attempt) => attempt.endedAt === null && attempt.submittedAt !== null && (tracks.get(attempt)?.unsent ?? null) === null,
  )
  if (sent) return askedToStop(core, record, sent) ?? canceledError(routeOf(record, sent).provider, 'unknown')
  const billed = record.attempts.find(({ error }) => error !== null && error.billed !== false)?.error
  return billed ?? canceledError(record.routes[record.routeIndex]?.provider ?? '', false)
}
