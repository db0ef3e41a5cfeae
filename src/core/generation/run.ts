import { generationError, isTerminal } from '#contract'
import type { Latency } from '#contract'
import type { GenerationRecord } from '../records.ts'
import { overBudget } from './accept.ts'
import { enterSettlement, openAccount } from '../billing/account.ts'
import { announce } from '../webhooks/announce.ts'
import { enqueue } from './attempt.ts'
import { note, openGeneration, publish, routeOf, save } from './context.ts'
import type { OpenGeneration, RunContext } from './context.ts'
import { addTasks, enqueueTasks } from './fallback.ts'
import { hint } from './callback.ts'
import { createHookTrust } from '../scheduling/callbacks.ts'
import { createPace } from '../scheduling/poll-schedule.ts'
import { BudgetExceeded } from '../ports.ts'
import type { IdempotencyEntry, Ports } from '../ports.ts'
import { resumeAll } from './resume.ts'
import { settle } from '../billing/settle.ts'
import { createSlots } from '../scheduling/provider-slots.ts'
import { createWatchers } from './watchers.ts'
import { createWheel } from '../scheduling/timer-wheel.ts'

/**
 * The whole path of a generation:
 *
 *   accept      on disk, queued; its first route's tasks take their places         (here, `fallback.ts` addTasks)
 *   submit      intent on disk, then the paid call                                 (`attempt.ts`)
 *   look        polls until done or failed, as rarely as `pace.ts` finds worthwhile (`attempt.ts`)
 *   collect     images fetched, checked, stored                                  (`collect.ts`)
 *   conclude    cost settled; tried again, fallen back, or ended                   (`fallback.ts`, `settle.ts`)
 *
 * Every step writes its state before the next begins and before anybody sees it, so `resume.ts` can begin at any of them.
 */
export interface Run {
  /** Puts a new generation on disk and starts it. Rejects, having bought nothing, where the disk, the budget or the idempotency entry refuses. */
  accept(record: GenerationRecord, idempotency: IdempotencyEntry | null): Promise<void>
  /** Continues every open generation from its last recorded call. Returns how many. */
  resume(): Promise<number>
  /** Stops polling and fallback. The answer is the generation as it then is; null where it is not open. */
  cancel(id: string): Promise<GenerationRecord | null>
  /** The generation once it has ended or `timeoutMs` is over, as it is on disk; null where there is none. */
  wait(id: string, timeoutMs: number): Promise<GenerationRecord | null>
  /** A provider says that an attempt has news, and proved that it is the one who was told where: looks early. */
  hint(provider: string, generationId: string, attemptId: string): void
  watch(id: string, listener: (record: GenerationRecord) => void): () => void
  /**
   * Stands still, for a stop of the server: nothing more is bought or asked, and those who wait are answered with the generation as it is.
   * Replies under way are still recorded.
   */
  halt(): void
  latency(provider: string, model: string): Latency | null
  inFlight(provider: string): number
  waiting(provider: string): number
  readonly openCount: number
}

export function createRun(ports: Ports): Run {
  const wheel = createWheel(ports.clock)
  const slots = createSlots({
    now: () => ports.clock.now(),
    schedule: (delayMs, callback) => wheel.schedule(delayMs, callback),
    limitOf: (provider) => ports.settings.provider(provider)?.maxInFlight ?? 1,
  })
  const context: RunContext = {
    ports,
    wheel,
    slots,
    pace: createPace(),
    trust: createHookTrust((provider) =>
      ports.log.warn({ provider }, 'the provider’s webhooks do not arrive, so it is polled as usual; can it reach server.public_url?'),
    ),
    watchers: createWatchers(),
    open: new Map(),
    dismissals: new Set(),
    enqueue: (open, attempt, delayMs) => enqueue(context, open, attempt, delayMs),
  }

  return {
    async accept(record, idempotency) {
      const open = openGeneration(record, idempotency)
      context.open.set(record.id, open)
      note(context, record, 'queued', null)
      addTasks(context, open)
      openAccount(open)
      // A budget must hold before anything is bought; without one, the first step is written together with the acceptance.
      const waitsForBudget = record.reserved !== undefined
      if (!waitsForBudget) enqueueTasks(context, open)
      try {
        await save(context, open)
      } catch (error) {
        abandon(context, open)
        throw error instanceof BudgetExceeded ? overBudget(error) : error
      }
      open.isAccepted = true
      if (waitsForBudget) enqueueTasks(context, open)
    },

    resume: () => resumeAll(context),
    cancel: (id) => cancel(context, id),
    wait: (id, timeoutMs) => wait(context, id, timeoutMs),
    hint: (provider, generationId, attemptId) => hint(context, provider, generationId, attemptId),
    watch: (id, listener) => context.watchers.watch(id, listener),
    halt() {
      wheel.stop()
      slots.stop()
      for (const dismiss of context.dismissals) dismiss()
    },
    latency: (provider, model) => context.pace.latency(provider, model),
    inFlight: (provider) => slots.inFlight(provider),
    waiting: (provider) => slots.waiting(provider),
    get openCount() {
      return context.open.size
    },
  }
}

/** Never got on disk: forgotten, with its places in queues. */
function abandon(context: RunContext, open: OpenGeneration): void {
  for (const takeBack of open.pendingWork.values()) takeBack()
  open.pendingWork.clear()
  context.open.delete(open.record.id)
}

async function wait(context: RunContext, id: string, timeoutMs: number): Promise<GenerationRecord | null> {
  const { store } = context.ports
  const isOpen = context.open.has(id)
  const found = isOpen ? null : await store.generation(id)
  if (!isOpen && (found === null || isTerminal(found.status))) return found
  return new Promise((resolve, reject) => {
    let finished = false
    const finish = (record: GenerationRecord | null) => {
      if (finished) return
      finished = true
      stopWatching()
      stopTimer()
      context.dismissals.delete(dismiss)
      if (record) resolve(record)
      else store.generation(id).then(resolve, reject)
    }
    const stopWatching = context.watchers.watch(id, (record) => {
      if (isTerminal(record.status)) finish(record)
    })
    const stopTimer = context.wheel.schedule(timeoutMs, () => finish(null))
    const dismiss = () => finish(null)
    context.dismissals.add(dismiss)
    // It may have ended between the look above and the watch.
    if (!context.open.has(id)) finish(null)
  })
}

async function cancel(context: RunContext, id: string): Promise<GenerationRecord | null> {
  const open = context.open.get(id)
  if (!open || isTerminal(open.record.status)) return null
  const { record } = open
  const { clock } = context.ports
  for (const takeBack of open.pendingWork.values()) takeBack()
  open.pendingWork.clear()
  for (const attempt of record.attempts) {
    if (attempt.endedAt !== null || attempt.status === 'collecting') continue
    const { provider } = routeOf(record, attempt)
    const wasBought = attempt.submittedAt !== null
    if (wasBought) context.slots.release(provider)
    const message = wasBought ? `canceled; ${provider} goes on with the task and may bill it` : 'canceled before anything was bought'
    attempt.status = 'canceled'
    attempt.error = generationError({ code: 'canceled', message, billed: wasBought ? 'unknown' : false }, provider)
    attempt.endedAt = clock.now()
    attempt.settled = settle(record, attempt, routeOf(record, attempt), [])
    enterSettlement(context, open, attempt, routeOf(record, attempt))
  }
  const worst = record.attempts.find((attempt) => attempt.error?.billed === 'unknown') ?? record.attempts.at(-1)
  record.status = 'canceled'
  record.error = worst?.error ?? null
  record.completedAt = clock.now()
  note(context, record, 'canceled', null)
  announce(context, open)
  await publish(context, open)
  context.ports.observer.generationEnded(record)
  return record
}
