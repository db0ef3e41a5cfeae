import { generationError } from '#contract'
import type { Call, Failure, Outcome } from '#contract'
import type { AttemptRecord } from '../records.ts'
import { orderFor } from '../plan/order.ts'
import { enterLateCost } from '../billing/account.ts'
import { collect } from './collect.ts'
import { note, providerOf, publish, routeOf, save } from './context.ts'
import type { OpenGeneration, RunContext } from './context.ts'
import { attemptEnded } from './fallback.ts'
import { nextPollMs, wasFoundLate } from '../scheduling/callbacks.ts'
import { observeDuration } from '../scheduling/poll-schedule.ts'
import type { ActiveProvider, Sent } from '../ports.ts'
import { referencesFor, ReferenceUnavailable } from './references.ts'

/** How soon a lost submit is asked about, and how a poll that failed is repeated. */
const RECOVER_AFTER_MS = 500
const POLL_RETRY_MS = 1_000

const sold = (code: Failure['code'], message: string): Failure => ({ code, message, billed: 'unknown' })
const unsold = (code: Failure['code'], message: string): Failure => ({ code, message, billed: false })

/** Waits for a free place at the provider, then buys. Gives up when the deadline passes first. */
export function enqueue(context: RunContext, open: OpenGeneration, attempt: AttemptRecord, delayMs = 0): void {
  const { provider: id } = routeOf(open.record, attempt)
  if (delayMs > 0) {
    const cancel = context.wheel.schedule(delayMs, () => enqueue(context, open, attempt))
    open.pendingWork.set(attempt.id, cancel)
    return
  }
  let entered = false
  const leaveQueue = context.slots.acquire(id, () => {
    entered = true
    open.pendingWork.get(attempt.id)?.()
    open.pendingWork.delete(attempt.id)
    watchOver(context, open, attempt, submit(context, open, attempt))
  })
  if (entered) return
  const patienceMs = providerOf(context, open.record, attempt)?.manifest.timeouts.deadline_ms ?? 0
  const stopWaiting = context.wheel.schedule(patienceMs, () => {
    leaveQueue()
    const failure = unsold('rate_limited', `no free place at ${id} within ${Math.round(patienceMs / 1000)} s`)
    watchOver(context, open, attempt, fail(context, open, attempt, failure, false))
  })
  open.pendingWork.set(attempt.id, () => {
    leaveQueue()
    stopWaiting()
  })
}

/** The one paid step. The intent is on disk before a byte is sent; holds a slot until the task ends. */
async function submit(context: RunContext, open: OpenGeneration, attempt: AttemptRecord): Promise<void> {
  const { ports } = context
  const { record } = open
  const route = routeOf(record, attempt)
  const provider = ports.settings.provider(route.provider)
  if (!provider) return fail(context, open, attempt, unsold('provider_unavailable', `provider ${route.provider} is not installed`))
  const limits = provider.manifest.models[route.model]?.limits
  if (!limits) return fail(context, open, attempt, unsold('provider_unavailable', `${route.provider} no longer offers ${route.model}`))
  let call: Call
  try {
    const references =
      record.references.length === 0 ? [] : await referencesFor(context, record.references, limits.reference_images.forms, provider.id)
    const webhook = ports.hooks?.webhookFor(provider.id, record.id, attempt.id)
    call = provider.adapter.translate(orderFor({ route, limits, prompt: record.request.prompt, attempt, references, webhook })).call
  } catch (error) {
    if (error instanceof ReferenceUnavailable) return fail(context, open, attempt, unsold('invalid_request', error.message))
    throw error
  }
  // Canceled while its references were read: its place was not yet given back.
  if (attempt.endedAt !== null) return context.slots.release(provider.id)
  attempt.status = 'submitting'
  attempt.submittedAt = ports.clock.now()
  record.startedAt ??= attempt.submittedAt
  if (record.status === 'queued') {
    record.status = 'running'
    note(context, record, 'running', provider.id)
  }
  try {
    await save(context, open)
  } catch {
    // Refused as a whole: whoever asked is told so, and there is no generation to fail.
    if (!open.isAccepted) return context.slots.release(provider.id)
    return fail(context, open, attempt, unsold('internal', 'the intent to buy could not be written to disk, so nothing was bought'))
  }
  // Canceled while the intent was written: not a byte is sent any more.
  if (attempt.endedAt !== null) return
  context.watchers.notify(record)
  const sent = await ports.send(provider.id, call, provider.manifest.timeouts.submit_ms)
  await handleResponse(context, open, attempt, provider, call, sent)
}

/** What a call's end means for its attempt. */
export async function handleResponse(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  call: Call,
  sent: Sent,
): Promise<void> {
  const isSubmit = call.purpose === 'submit'
  if (attempt.endedAt !== null) return noteLate(context, open, attempt, provider, call, sent)
  switch (sent.kind) {
    case 'reply':
      return apply(context, open, attempt, provider, call, provider.adapter.interpret(sent.reply, call))
    case 'refused':
      return fail(context, open, attempt, isSubmit ? unsold('provider_unavailable', sent.reason) : sold('bad_reply', sent.reason))
    case 'unsent':
      return isSubmit
        ? fail(context, open, attempt, unsold('provider_unavailable', `could not connect: ${sent.reason}`))
        : pollAgain(context, open, attempt, provider, POLL_RETRY_MS)
    case 'lost': {
      if (!isSubmit) return pollAgain(context, open, attempt, provider, POLL_RETRY_MS)
      context.ports.observer.submitted(provider.id, 'outcome_unknown')
      return recoverOrGiveUp(context, open, attempt, provider, call, sent.reason)
    }
  }
}

/** A lost submit reply: asked for where the vendor can be asked, else unknown for good. Never sent again. */
export async function recoverOrGiveUp(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  submit: Call,
  reason: string,
): Promise<void> {
  const recover = provider.adapter.recover?.(submit) ?? null
  if (!recover)
    return fail(context, open, attempt, sold('outcome_unknown', `the submit may have arrived and its reply was lost: ${reason}`))
  attempt.status = 'pending'
  attempt.next = recover
  await publish(context, open)
  pollLater(context, open, attempt, RECOVER_AFTER_MS)
}

/** Canceled while the vendor was answering: what was bought is still written down. */
async function noteLate(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  call: Call,
  sent: Sent,
): Promise<void> {
  if (sent.kind !== 'reply') return
  const outcome = provider.adapter.interpret(sent.reply, call)
  attempt.cost = outcome.cost ?? attempt.cost
  attempt.providerTaskId = outcome.taskId ?? attempt.providerTaskId
  enterLateCost(context, open, attempt)
  await publish(context, open)
}

async function apply(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  call: Call,
  outcome: Outcome,
): Promise<void> {
  const { ports, pace } = context
  const { record } = open
  const route = routeOf(record, attempt)
  if (outcome.cost) attempt.cost = outcome.cost
  if (outcome.taskId) attempt.providerTaskId = outcome.taskId
  if (call.purpose === 'submit')
    ports.observer.submitted(provider.id, outcome.kind === 'failed' || outcome.kind === 'refused' ? outcome.failure.code : null)
  switch (outcome.kind) {
    case 'pending': {
      if (outcome.note)
        ports.log.warn({ generation: record.id, provider: provider.id, note: outcome.note }, 'the provider told something we do not know')
      const isNews = attempt.status !== 'pending' || JSON.stringify(attempt.next) !== JSON.stringify(outcome.next)
      attempt.status = 'pending'
      attempt.next = outcome.next
      attempt.unfinishedAt = ports.clock.now()
      const grew = outcome.progress !== undefined && outcome.progress >= (attempt.progress ?? 0) + 0.05
      if (outcome.progress !== undefined) attempt.progress = Math.min(1, Math.max(0, outcome.progress))
      if (grew) note(context, record, 'progress', provider.id, attempt.progress)
      if (isNews || grew) await publish(context, open)
      const elapsedMs = ports.clock.now() - (attempt.submittedAt ?? 0)
      const usualMs = () => pace.nextPollMs(provider.id, route.model, provider.manifest.polling, elapsedMs, outcome.progress ?? null)
      const afterMs = nextPollMs(context, open, attempt, provider, outcome.next, outcome.afterMs, usualMs)
      return pollAgain(context, open, attempt, provider, afterMs)
    }
    case 'done': {
      attempt.readyAt = ports.clock.now()
      attempt.progress = 1
      attempt.results = outcome.images
      if (call.purpose !== 'submit') attempt.next = call
      else attempt.next = provider.adapter.recover?.(call) ?? null
      record.promptUsed ??= outcome.promptUsed ?? null
      if (!wasFoundLate(context, open, attempt, provider.id, call)) observeDuration(pace, route, attempt)
      context.slots.release(provider.id)
      attempt.status = 'collecting'
      return collect(context, open, attempt, provider, outcome.failures ?? [])
    }
    case 'refused':
    case 'failed':
      return fail(context, open, attempt, outcome.failure)
  }
}

/** Looks after `afterMs`, unless the provider's deadline is over. */
async function pollAgain(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  afterMs: number,
): Promise<void> {
  const { deadline_ms } = provider.manifest.timeouts
  const remainingMs = (attempt.submittedAt ?? 0) + deadline_ms - context.ports.clock.now()
  if (remainingMs <= 0)
    return fail(context, open, attempt, sold('provider_timeout', `not finished ${Math.round(deadline_ms / 1000)} s after the submit`))
  pollLater(context, open, attempt, Math.min(afterMs, remainingMs))
}

export function pollLater(context: RunContext, open: OpenGeneration, attempt: AttemptRecord, afterMs: number): void {
  if (attempt.endedAt !== null) return
  const cancel = context.wheel.schedule(afterMs, () => watchOver(context, open, attempt, look(context, open, attempt)))
  open.pendingWork.set(attempt.id, cancel)
}

async function look(context: RunContext, open: OpenGeneration, attempt: AttemptRecord): Promise<void> {
  open.pendingWork.delete(attempt.id)
  const provider = providerOf(context, open.record, attempt)
  const call = attempt.next
  if (!provider || !call) return fail(context, open, attempt, sold('outcome_unknown', 'the provider is not installed any more'))
  attempt.polls++
  const sent = await context.ports.send(provider.id, call, provider.manifest.timeouts.poll_ms)
  // Canceled while we asked: the answer is no longer wanted.
  if (attempt.endedAt !== null) return
  await handleResponse(context, open, attempt, provider, call, sent)
}

/** Ends an attempt that delivered nothing. */
export async function fail(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  failure: Failure,
  holdsSlot = true,
): Promise<void> {
  const route = routeOf(open.record, attempt)
  if (attempt.endedAt !== null) return
  attempt.status = 'failed'
  attempt.error = generationError(failure, route.provider)
  if (failure.code === 'rate_limited' && failure.retry_after_ms !== undefined) {
    context.slots.pause(route.provider, context.ports.clock.now() + failure.retry_after_ms)
  }
  if (holdsSlot) context.slots.release(route.provider)
  await attemptEnded(context, open, attempt, failure)
}

/** A defect in a step ends its attempt, not the server. */
function watchOver(context: RunContext, open: OpenGeneration, attempt: AttemptRecord, step: Promise<void>): void {
  step.catch((error: unknown) => {
    context.ports.log.error(
      { generation: open.record.id, error: error instanceof Error ? (error.stack ?? error.message) : 'unknown' },
      'a step failed unexpectedly',
    )
    const billed = attempt.submittedAt === null ? false : 'unknown'
    void fail(
      context,
      open,
      attempt,
      { code: 'internal', message: 'an internal error; see the server log', billed },
      attempt.status !== 'queued',
    )
  })
}
