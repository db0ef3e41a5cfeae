import { generationError, isSafeToFallBack, isTerminal } from '#contract'
import type { Billed, Failure, GenerationError } from '#contract'
import { deliveryWarnings } from '../plan/delivery.ts'
import { tasksOf } from '../plan/order.ts'
import { BLANK_ATTEMPT } from '../blank-records.ts'
import type { AttemptRecord } from '../records.ts'
import { deliveryFor } from '../webhooks/delivery.ts'
import { settleAttempt } from './account.ts'
import { callsOf } from './attempt-calls.ts'
import { ended, type Beginning, type Next } from './next.ts'
import { note, providerOf, releaseConnection, routeOf, type Core, type OpenGeneration } from './open-generation.ts'
import { logEnd } from './log-fields.ts'
import { raiseReservation } from './reservation.ts'
import { publish } from './save.ts'

/** A task whose provider cannot be connected to is tried this often. */
const MOST_CONNECTS = 4
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 10_000

/** Ends an attempt that delivered nothing. */
export function fail(core: Core, open: OpenGeneration, attempt: AttemptRecord, failure: Failure): Promise<Next> {
  attempt.status = 'failed'
  attempt.error = generationError(failure, routeOf(open.record, attempt).provider)
  return endAttempt(core, open, attempt, failure)
}

/** The generation was canceled. What was bought may be billed, unless the vendor has just said how the task ended and whether it is: `saidEnd`. */
export function failCanceled(core: Core, open: OpenGeneration, attempt: AttemptRecord, saidEnd: Failure | null = null): Promise<Next> {
  const { record } = open
  const { provider } = routeOf(record, attempt)
  attempt.status = 'canceled'
  attempt.error =
    attempt.submittedAt === null ? canceledError(provider, false) : canceledAfterSubmit(provider, saidEnd, attempt.providerTaskId !== null)
  if (record.attempts.every(({ error }) => error?.billed === false) || attempt.error.billed === true) record.error = attempt.error
  return endAttempt(core, open, attempt, null)
}

/** With the vendor's own words about the end, where it has said one. */
function canceledAfterSubmit(provider: string, saidEnd: Failure | null, isBought: boolean): GenerationError {
  if (saidEnd === null) return canceledError(provider, 'unknown')
  const { billed, provider_status, provider_code, provider_message } = saidEnd
  const message =
    billed === 'unknown' ? `canceled; ${provider} ended the task and may bill it` : canceledMessage(provider, billed, isBought)
  return generationError({ code: 'canceled', message, billed, provider_status, provider_code, provider_message }, provider)
}

export function canceledError(provider: string, billed: Billed, isBought = billed !== false): GenerationError {
  return generationError({ code: 'canceled', message: canceledMessage(provider, billed, isBought), billed }, provider)
}

function canceledMessage(provider: string, billed: Billed, isBought: boolean): string {
  if (!isBought) return 'canceled before anything was bought'
  if (billed === 'unknown') return `canceled; ${provider} goes on with the task and may bill it`
  return billed ? `canceled; ${provider} bills what it had begun` : `canceled; ${provider} stopped the task and bills nothing`
}

/** An attempt has ended: it is settled, and what follows from it is decided in the same turn. */
export function endAttempt(core: Core, open: OpenGeneration, attempt: AttemptRecord, failure: Failure | null): Promise<Next> {
  const { record } = open
  const { provider, model } = routeOf(record, attempt)
  Object.assign(attempt, { endedAt: core.ports.clock.now(), next: null })
  settleAttempt(core.ports, open, attempt)
  const calls = callsOf(core, open, attempt)
  if (calls) open.newCalls = [...open.newCalls, calls]
  releaseConnection(core, attempt)
  if (attempt.submittedAt !== null) {
    const durationMs = attempt.readyAt === null || attempt.interrupted ? null : attempt.readyAt - attempt.submittedAt
    core.ports.observer.taskEnded({ provider, model, code: attempt.error?.code ?? null, durationMs, polls: attempt.polls })
  }
  if (attempt.error && record.status !== 'canceled') note(core, record, 'attempt_failed', provider)
  const retry = failure === null || record.status === 'canceled' || record.isRestored ? null : nextTry(core, open, attempt, failure)
  return retry === null ? conclude(core, open) : publish(core, open).then(() => ended([retry]))
}

/**
 * The task's next attempt at the same provider, or null. A rate limit is repeated until the deadline, a failed connection a few times. The
 * next route is better where there is one, unless other tasks of the generation are already bought here.
 */
function nextTry(core: Core, open: OpenGeneration, attempt: AttemptRecord, failure: Failure): Beginning | null {
  const { record } = open
  // An answered submit did arrive: whatever an outage says of itself, only a rate limit is repeated at the same provider.
  const neverArrived = failure.code === 'provider_unavailable' && failure.provider_status === undefined && attempt.submittedAt !== null
  const mayRepeat = failure.billed === false && (failure.code === 'rate_limited' || neverArrived)
  const deadlineMs = providerOf(core, record, attempt)?.manifest.timeouts.deadline_ms ?? 0
  const backoffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt.tries - 1, 10))
  const afterMs = Math.max(failure.retry_after_ms ?? 0, backoffMs)
  const isTooLate = core.ports.clock.monotonicMs() - open.sinceMs + afterMs > deadlineMs
  if (!mayRepeat || isTooLate || attempt.submittedAt === null || (neverArrived && attempt.tries >= MOST_CONNECTS)) return null
  const siblings = record.attempts.filter((other) => other.route === attempt.route && other !== attempt && !other.retried)
  const isBoughtHere = siblings.some((other) => other.providerTaskId !== null || other.status === 'succeeded')
  if (record.routeIndex + 1 < record.routes.length && !isBoughtHere) return null
  attempt.retried = true
  const next = freshAttempt(core, { ...attempt, tries: attempt.tries + 1 })
  record.attempts.push(next)
  return { attempt: next, afterMs }
}

/** A task that was not yet bought. */
function freshAttempt(
  core: Core,
  { route, images, task, seed, tries }: Pick<AttemptRecord, 'route' | 'images' | 'task' | 'seed' | 'tries'>,
): AttemptRecord {
  const { ids, clock } = core.ports
  return { ...BLANK_ATTEMPT, route, images, task, seed, tries, id: ids.attempt(), taskId: ids.task(), startedAt: clock.now() }
}

/** Makes the tasks of the current route. */
export function addTasks(core: Core, open: OpenGeneration): readonly AttemptRecord[] {
  const { record } = open
  const route = record.routes[record.routeIndex]
  if (!route) throw new Error(`generation ${record.id} has no route ${record.routeIndex}`)
  const limits = core.ports.settings.provider(route.provider)?.manifest.models[route.model]?.limits ?? null
  const tasks = tasksOf(route, limits).map((task) => freshAttempt(core, { ...task, route: record.routeIndex, tries: 1 }))
  record.attempts = record.attempts.concat(tasks)
  return tasks
}

/** When every task of the route has ended: with an image the generation succeeds; where all failures cost nothing the next route is tried. */
export function conclude(core: Core, open: OpenGeneration): Promise<Next> {
  const { record } = open
  const tasks = record.attempts.filter((attempt) => attempt.route === record.routeIndex && !attempt.retried)
  if (isTerminal(record.status) || open.raising !== null || tasks.some((attempt) => attempt.endedAt === null)) {
    return publish(core, open).then(() => ended())
  }
  return record.images.length > 0 ? end(core, open, 'succeeded') : fallBack(core, open, tasks)
}

/** To the first route left that the budget holds; where there is none, or a failure may have cost money, the generation fails. */
async function fallBack(core: Core, open: OpenGeneration, tasks: readonly AttemptRecord[]): Promise<Next> {
  const { record } = open
  const errors = tasks.map((attempt) => attempt.error).filter((error) => error !== null)
  const mayFallBack =
    !record.isRestored && errors.length === tasks.length && errors.every((error) => isSafeToFallBack({ ...error, message: '' }))
  let overBudget: GenerationError | null = null
  for (const [index, next] of record.routes.entries()) {
    if (!mayFallBack || index <= record.routeIndex) continue
    overBudget = await raiseReservation(core, open, next, worstOf(errors))
    // Canceled while the budget was asked.
    if (isTerminal(record.status)) {
      await publish(core, open)
      return ended()
    }
    if (overBudget) continue
    record.routeIndex = index
    const begin = addTasks(core, open).map((attempt) => ({ attempt, afterMs: 0 }))
    await publish(core, open)
    return ended(begin)
  }
  const unexplained = generationError({ code: 'internal', message: 'no attempt has an error', billed: 'unknown' }, null)
  record.error = overBudget ?? worstOf(errors) ?? unexplained
  if (record.isRestored && record.error.billed === false) record.error = perhapsBought(record.error)
  return end(core, open, 'failed')
}

/** Whoever was backed up may have gone on behind what cost nothing. */
const perhapsBought = (error: GenerationError): GenerationError => ({
  ...error,
  message: `${error.message}; it was open in a backup, and another attempt may have been bought since the backup was made`,
  retryable: false,
  billed: 'unknown',
})

/** The error that matters most to the caller: one that may have cost money, else the first. */
function worstOf(errors: readonly GenerationError[]): GenerationError | null {
  return errors.find((error) => error.billed === true) ?? errors.find((error) => error.billed === 'unknown') ?? errors[0] ?? null
}

async function end(core: Core, open: OpenGeneration, status: 'succeeded' | 'failed'): Promise<Next> {
  const { record } = open
  if (status === 'succeeded') warnOfDifferences(open)
  record.status = status
  record.completedAt = core.ports.clock.now()
  note(core, record, status, record.routes[record.routeIndex]?.provider ?? null)
  open.newDelivery = deliveryFor(record, record.completedAt)
  await publish(core, open)
  logEnd(core.ports.log, record)
  core.ports.observer.generationEnded(record)
  return ended()
}

function warnOfDifferences({ record }: OpenGeneration): void {
  const route = record.routes[record.routeIndex]
  const attempts = record.attempts.filter((attempt) => attempt.route === record.routeIndex)
  if (route) record.warnings = [...record.warnings, ...deliveryWarnings(route, attempts, record.images)]
}
