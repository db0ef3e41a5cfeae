import { isBeyondPercent, isTerminal, percentAbove } from '#contract'
import type { AttemptRecord, Route } from '../records.ts'
import type { OpenGeneration, RunContext } from '../generation/context.ts'
import { settleLate } from './settle.ts'
import { acceptedEntries, adjustedEntry, driftOf, releasedEntry, settledEntry } from './ledger.ts'

/** From this difference between quoted and billed on, the operator is told. */
const DRIFT_PERCENT = 1

/** The lines of an acceptance; the budget is asked in the same unit of work, so that nothing is bought on a promise that does not hold. */
export function openAccount(open: OpenGeneration): void {
  open.newEntries.push(...acceptedEntries(open.record))
  askBudget(open)
}

/** What the lines that reserve are held against. */
export function askBudget(open: OpenGeneration): void {
  const { key, reserved } = open.record
  if (key === null || !reserved) return
  const { period, periodStart, renewsAt, limit } = reserved
  open.budget = { key, period, periodStart, renewsAt, limit }
}

/** The line of an attempt that has just been settled. */
export function enterSettlement(context: RunContext, open: OpenGeneration, attempt: AttemptRecord, route: Route): void {
  open.newEntries.push(settledEntry(open.record, attempt, route, context.ports.clock.now()))
}

/** A vendor that reported a cost only after its task was given up: what was unknown becomes known. What the budget counts stays as quoted. */
export function enterLateCost(context: RunContext, open: OpenGeneration, attempt: AttemptRecord): void {
  const route = open.record.routes[attempt.route]
  const settled = route ? settleLate(attempt, route) : null
  if (!route || !settled) return
  attempt.settled = settled
  const { amount } = settled
  if (amount !== null) open.newEntries.push(adjustedEntry(open.record, attempt, route, amount, context.ports.clock.now()))
}

/** Once everything has ended: gives back what was held and not needed, and tells the operator where a bill differs from its quote. */
export function closeAccount(context: RunContext, open: OpenGeneration): void {
  const { record } = open
  if (open.isAccountClosed || open.isRaising || !isTerminal(record.status)) return
  if (record.attempts.some((attempt) => attempt.endedAt === null)) return
  open.isAccountClosed = true
  const released = releasedEntry(record, context.ports.clock.now())
  if (released) open.newEntries.push(released)
  const drift = driftOf(record)
  if (!drift || !isBeyondPercent(drift.billed, drift.quoted, DRIFT_PERCENT)) return
  const route = record.routes[record.routeIndex]
  context.ports.log.warn(
    {
      generation: record.id,
      provider: route?.provider ?? null,
      model: record.model,
      quoted: drift.quoted,
      billed: drift.billed,
      drift: percentAbove(drift.billed, drift.quoted, 1),
    },
    'the provider billed another amount than was quoted',
  )
}
