import { isBeyondPercent, isTerminal, percentAbove } from '#contract'
import { acceptedEntries, driftOf, releasedEntry, settledEntry } from '../billing/ledger.ts'
import { settle, UNKNOWN, type Settlement } from '../billing/settle.ts'
import type { Ports } from '../ports.ts'
import type { AttemptRecord, ImageRecord } from '../records.ts'
import { routeOf, type OpenGeneration } from './open-generation.ts'
import { defectIn, logFields } from './log-fields.ts'

/** From this difference between quoted and billed on, the operator is warned. */
const DRIFT_PERCENT = 1

/** The entries of an acceptance. The budget is asked in the same unit of work, so that nothing is bought on a promise that does not hold. */
export function openAccount(open: OpenGeneration): void {
  open.newEntries = acceptedEntries(open.record)
  askBudget(open)
}

/** What the entries that reserve are held against. */
export function askBudget(open: OpenGeneration): void {
  const { key, reserved } = open.record
  if (key === null || !reserved) return
  const { period, periodStart, renewsAt, limit } = reserved
  open.budget = { key, period, periodStart, renewsAt, limit }
}

/** What an attempt that has just ended cost, once. */
export function settleAttempt(ports: Ports, open: OpenGeneration, attempt: AttemptRecord): void {
  const { record } = open
  const route = routeOf(record, attempt)
  const images = record.images.filter((image) => attempt.imageIds.includes(image.id))
  attempt.settled = settled(ports, open, attempt, images)
  const entry = settledEntry(record, attempt, route, ports.clock.now())
  open.newEntries = [...open.newEntries, entry]
  ports.observer.settled?.(entry)
  const { reported } = attempt.settled
  if (reported === undefined) return
  const fields = { ...logFields(record, attempt), provider: route.provider, quoted: route.quoted?.amount ?? null, reported }
  ports.log.error(fields, 'the provider’s bill is not believed; the cost is unknown until an operator confirms it')
  ports.observer.billNotBelieved?.(route.provider)
}

/** Where a vendor’s word cannot be counted with, whatever it is: the cost is unknown, and the attempt and its generation end all the same. */
function settled({ log }: Ports, { record }: OpenGeneration, attempt: AttemptRecord, images: readonly ImageRecord[]): Settlement {
  try {
    return settle(record, attempt, routeOf(record, attempt), images)
  } catch (error) {
    log.error(
      { ...logFields(record, attempt), error: defectIn(error) },
      'the cost of an attempt could not be settled; it is unknown until an operator confirms it',
    )
    return UNKNOWN
  }
}

/** Once everything has ended: releases what was reserved and not needed, and warns where a bill differs from its quote. */
export function closeAccount(ports: Ports, open: OpenGeneration): void {
  const { record } = open
  if (open.isAccountClosed || !isTerminal(record.status)) return
  if (record.attempts.some((attempt) => attempt.endedAt === null)) return
  open.isAccountClosed = true
  const released = releasedEntry(record, ports.clock.now())
  if (released) open.newEntries = [...open.newEntries, released]
  const drift = driftOf(record)
  if (!drift || !isBeyondPercent(drift.billed, drift.quoted, DRIFT_PERCENT)) return
  ports.log.warn(
    {
      ...logFields(record),
      provider: record.routes[record.routeIndex]?.provider ?? null,
      model: record.model,
      quoted: drift.quoted,
      billed: drift.billed,
      drift: percentAbove(drift.billed, drift.quoted, 1),
    },
    'the provider billed another amount than was quoted',
  )
}
