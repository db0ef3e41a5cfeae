import type { AttemptRecord, GenerationRecord } from '../records.ts'
import { orderFor } from '../plan/order.ts'
import { fail, pollLater, recoverOrGiveUp } from './attempt.ts'
import { collect } from './collect.ts'
import { openGeneration, providerOf, publish, routeOf } from './context.ts'
import type { OpenGeneration, RunContext } from './context.ts'
import { concludeRoute } from './fallback.ts'
import { observeDuration } from '../scheduling/poll-schedule.ts'
import { referencesFor } from './references.ts'

const REMEMBERED = 300

/** Continues every generation a crash or a restart left open, each attempt from its last recorded call. */
export async function resumeAll(context: RunContext): Promise<number> {
  await rememberDurations(context)
  const records = await context.ports.store.claimOpen()
  for (const record of records) {
    const open = openGeneration(record, null)
    open.isAccepted = true
    context.open.set(record.id, open)
    const steps = record.attempts.filter((attempt) => attempt.endedAt === null).map((attempt) => resumeAttempt(context, open, attempt))
    // Stopped between the end of the last attempt and the conclusion.
    if (steps.length === 0) steps.push(concludeRoute(context, open))
    for (const step of steps) {
      step.catch((error: unknown) => {
        context.ports.log.error(
          { generation: record.id, error: error instanceof Error ? error.message : 'unknown' },
          'could not be resumed',
        )
      })
    }
  }
  return records.length
}

/** What the pace has measured before; the newest generations are enough. */
async function rememberDurations(context: RunContext): Promise<void> {
  const { records } = await context.ports.store.list({ status: 'succeeded', limit: REMEMBERED })
  for (const record of records.toReversed()) {
    for (const attempt of record.attempts) {
      observeDuration(context.pace, routeOf(record, attempt), attempt)
    }
  }
}

async function resumeAttempt(context: RunContext, open: OpenGeneration, attempt: AttemptRecord): Promise<void> {
  const provider = providerOf(context, open.record, attempt)
  switch (attempt.status) {
    case 'queued':
      return context.enqueue(open, attempt)
    case 'submitting': {
      holdSlot(context, open.record, attempt)
      if (!provider)
        return fail(context, open, attempt, {
          code: 'outcome_unknown',
          message: 'the provider is not installed any more',
          billed: 'unknown',
        })
      return recoverOrGiveUp(
        context,
        open,
        attempt,
        provider,
        await rebuildSubmit(context, open, attempt),
        'the server stopped before the reply was recorded',
      )
    }
    case 'pending':
      holdSlot(context, open.record, attempt)
      return pollLater(context, open, attempt, 0)
    case 'collecting':
      if (!provider)
        return fail(
          context,
          open,
          attempt,
          { code: 'result_expired', message: 'the provider is not installed any more', billed: true },
          false,
        )
      return collect(context, open, attempt, provider, [])
    case 'succeeded':
    case 'failed':
    case 'canceled':
      return publish(context, open)
  }
}

/** The vendor still counts the task, whatever the limit says today. */
function holdSlot(context: RunContext, record: GenerationRecord, attempt: AttemptRecord): void {
  context.slots.hold(routeOf(record, attempt).provider)
}

/** The same order gives the same call, so what was said before the crash is known without having been kept. Never sent again. */
async function rebuildSubmit(context: RunContext, open: OpenGeneration, attempt: AttemptRecord) {
  const { record } = open
  const route = routeOf(record, attempt)
  const provider = providerOf(context, record, attempt)
  const limits = provider?.manifest.models[route.model]?.limits
  if (!provider || !limits) throw new Error(`${route.provider} no longer offers ${route.model}`)
  const references = await referencesFor(context, record.references, limits.reference_images.forms, provider.id)
  const webhook = context.ports.hooks?.webhookFor(provider.id, record.id, attempt.id)
  return provider.adapter.translate(orderFor({ route, limits, prompt: record.request.prompt, attempt, references, webhook })).call
}
