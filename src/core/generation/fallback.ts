import { FAILURES, generationError, isSafeToFallBack, isTerminal } from '#contract'
import type { Failure, GenerationError } from '#contract'
import { BLANK_ATTEMPT } from '../records.ts'
import type { AttemptRecord } from '../records.ts'
import { enterSettlement } from '../billing/account.ts'
import { announce } from '../webhooks/announce.ts'
import { note, publish, routeOf } from './context.ts'
import type { OpenGeneration, RunContext } from './context.ts'
import { raiseReservation } from '../billing/reservation.ts'
import { settle } from '../billing/settle.ts'
import { seedFor } from '../plan/order.ts'

/** A task that provably did not reach the vendor is tried this often at one provider. */
const MAX_TRIES = 4
const FIRST_RETRY_MS = 500

/** An attempt is over: settles it, then tries again, falls back, or ends the generation. */
export async function attemptEnded(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  failure: Failure | null,
): Promise<void> {
  const { record } = open
  const { ports } = context
  const route = routeOf(record, attempt)
  open.pendingWork.delete(attempt.id)
  attempt.endedAt = ports.clock.now()
  attempt.settled = settle(
    record,
    attempt,
    route,
    record.images.filter((image) => attempt.imageIds.includes(image.id)),
  )
  enterSettlement(context, open, attempt, route)
  const code = attempt.error?.code ?? null
  const durationMs = attempt.readyAt === null || attempt.submittedAt === null ? null : attempt.readyAt - attempt.submittedAt
  ports.observer.taskEnded({ provider: route.provider, model: route.model, code, durationMs, polls: attempt.polls })
  if (record.status === 'canceled') return publish(context, open)
  if (attempt.error) note(context, record, 'attempt_failed', route.provider)
  if (failure && tryAgain(context, open, attempt, failure)) return publish(context, open)
  await concludeRoute(context, open)
}

/** Unsent and rate-limited tasks are tried again where no other provider waits, or where siblings of the batch are already bought here. */
function tryAgain(context: RunContext, open: OpenGeneration, attempt: AttemptRecord, failure: Failure): boolean {
  const { record } = open
  // An answered submit did arrive: whatever an outage says of itself, only a rate limit is repeated at the same provider.
  const neverArrived = failure.code === 'provider_unavailable' && failure.provider_status === undefined
  const isSafeToRepeat = failure.billed === false && (failure.code === 'rate_limited' || neverArrived)
  if (!isSafeToRepeat || attempt.tries >= MAX_TRIES) return false
  const siblings = record.attempts.filter((other) => other.route === attempt.route && other !== attempt && !other.retried)
  const siblingsBought = siblings.some((other) => other.providerTaskId !== null || other.status === 'succeeded')
  const hasNextRoute = record.routeIndex + 1 < record.routes.length
  if (hasNextRoute && !siblingsBought) return false
  attempt.retried = true
  const next: AttemptRecord = {
    ...freshAttempt(context, attempt),
    route: attempt.route,
    tries: attempt.tries + 1,
  }
  record.attempts.push(next)
  context.enqueue(open, next, Math.max(failure.retry_after_ms ?? 0, FIRST_RETRY_MS * 2 ** (attempt.tries - 1)))
  return true
}

/** A task that was not yet bought. */
export function freshAttempt(context: RunContext, task: Pick<AttemptRecord, 'route' | 'images' | 'task' | 'seed'>): AttemptRecord {
  const { ids, clock } = context.ports
  const { route, images, seed } = task
  return { ...BLANK_ATTEMPT, route, images, task: task.task, seed, id: ids.attempt(), taskId: ids.task(), startedAt: clock.now() }
}

/** Makes the tasks of the current route. */
export function addTasks(context: RunContext, open: OpenGeneration): void {
  const { record } = open
  const route = record.routes[record.routeIndex]
  if (!route) throw new Error(`generation ${record.id} has no route ${record.routeIndex}`)
  const seeds = context.ports.settings.provider(route.provider)?.manifest.models[route.model]?.limits.seed ?? null
  const tasks = route.tasks.map((images, index) =>
    freshAttempt(context, { route: record.routeIndex, images, task: index, seed: seedFor(route.applied.seed, index, route.tasks, seeds) }),
  )
  record.attempts.push(...tasks)
}

/** Lets each task of the current route wait for its place. */
export function enqueueTasks(context: RunContext, open: OpenGeneration): void {
  const { record } = open
  for (const task of record.attempts) if (task.route === record.routeIndex && task.status === 'queued') context.enqueue(open, task)
}

/** When every task of the route is over: images make it a success, a failure that cost nothing makes the next route's turn. */
export async function concludeRoute(context: RunContext, open: OpenGeneration): Promise<void> {
  const { record } = open
  const tasks = record.attempts.filter((attempt) => attempt.route === record.routeIndex && !attempt.retried)
  if (tasks.some((attempt) => attempt.endedAt === null)) return publish(context, open)
  if (record.images.length > 0) return succeed(context, open)
  const errors = tasks.map((attempt) => attempt.error).filter((error) => error !== null)
  const mayFallBack = errors.length === tasks.length && errors.every((error) => isSafeToFallBack({ ...error, message: '' }))
  let overBudget: GenerationError | null = null
  for (const [index, next] of record.routes.entries()) {
    if (!mayFallBack || index <= record.routeIndex) continue
    overBudget = await raiseReservation(context, open, next, worstOf(errors))
    // Canceled while the budget was asked.
    if (isTerminal(record.status)) return publish(context, open)
    if (overBudget) continue
    record.routeIndex = index
    addTasks(context, open)
    enqueueTasks(context, open)
    return publish(context, open)
  }
  record.error =
    overBudget ?? worstOf(errors) ?? generationError({ code: 'internal', message: 'no attempt told an error', billed: 'unknown' }, null)
  await end(context, open, 'failed')
}

/** The error that matters most to the caller: one that may have cost money, else the first. */
function worstOf(errors: readonly GenerationError[]): GenerationError | null {
  return errors.find((error) => error.billed === true) ?? errors.find((error) => error.billed === 'unknown') ?? errors[0] ?? null
}

function succeed(context: RunContext, open: OpenGeneration): Promise<void> {
  const { record } = open
  const wanted = record.routes[record.routeIndex]?.applied.n ?? 1
  if (record.images.length < wanted) {
    const failed = record.attempts.find((attempt) => attempt.route === record.routeIndex && attempt.error !== null)?.error
    const reason = failed ? `${failed.code}: ${FAILURES[failed.code].remedy}` : 'the provider delivered fewer images than asked'
    record.warnings.push({ code: 'adjusted', field: 'n', requested: wanted, used: record.images.length, reason })
  }
  return end(context, open, 'succeeded')
}

async function end(context: RunContext, open: OpenGeneration, status: 'succeeded' | 'failed'): Promise<void> {
  const { record } = open
  record.status = status
  record.completedAt = context.ports.clock.now()
  note(context, record, status, record.routes[record.routeIndex]?.provider ?? null)
  announce(context, open)
  await publish(context, open)
  context.ports.observer.generationEnded(record)
}
