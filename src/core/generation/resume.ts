import { generationError, isTerminal } from '#contract'
import { observeDuration } from '../scheduling/poll-schedule.ts'
import type { Claimed } from '../nodes.ts'
import { cancel } from './cancel.ts'
import type { Driver } from './driver.ts'
import { deliveryFor } from '../webhooks/delivery.ts'
import { note, openGeneration, routeOf, type Core } from './open-generation.ts'

/** So many of the newest generations teach the poll schedule how long each offer takes. */
const REMEMBERED = 300

/** Begins with every attempt that a crash or a restart left open, as if it had just come to where it is. Returns how many generations. */
export async function resumeAll(core: Core, driver: Driver): Promise<number> {
  await rememberDurations(core)
  return claimOpen(core, driver)
}

/** Goes on with the open generations that no process works on. Returns how many. */
export async function claimOpen(core: Core, driver: Driver): Promise<number> {
  const { sandbox } = core.ports.settings
  const claimed = await core.ports.store.claimOpen()
  for (const one of claimed) if (one.record.sandbox && !sandbox) await endSandbox(core, one)
  const own = claimed.filter(({ record }) => record.sandbox === sandbox)
  for (const one of own) resume(core, driver, one)
  return own.length
}

/** The sandbox it was begun in is over, and no real provider is to be asked for it. It cost nothing, so the account has no line of its end. */
async function endSandbox(core: Core, { record, lease }: Claimed): Promise<void> {
  const { clock, store } = core.ports
  const message = 'it was begun in the sandbox and had not ended when this gateway was given real providers; it cost nothing'
  const failure = (route: number) =>
    generationError({ code: 'provider_unavailable', message, billed: false }, record.routes[route]?.provider ?? null)
  const now = clock.now()
  for (const attempt of record.attempts) {
    if (attempt.endedAt === null) Object.assign(attempt, { status: 'failed', endedAt: now, next: null, error: failure(attempt.route) })
  }
  const isOver = isTerminal(record.status)
  if (!isOver) {
    Object.assign(record, { status: 'failed', completedAt: now, error: failure(record.routeIndex) })
    note(core, record, 'failed', null)
  }
  const delivery = isOver ? null : deliveryFor(record, now)
  await store.commit({ generations: [record], lease, ...(delivery ? { deliveries: [delivery] } : {}) })
}

function resume(core: Core, driver: Driver, { record, lease, isCancelAsked }: Claimed): void {
  // Another process had it meanwhile, and what is known of it here is from before.
  const before = core.open.get(record.id)
  if (before) driver.abandon(before)
  const open = openGeneration(core, record, null, lease)
  open.isOnDisk = true
  core.open.set(record.id, open)
  const left = record.attempts.filter((attempt) => attempt.endedAt === null)
  for (const attempt of left) if (attempt.status !== 'queued') attempt.interrupted = true
  // Stopped between the end of the last attempt and what follows from it.
  const [last = null] = left.length > 0 ? [] : record.attempts.slice(-1)
  for (const attempt of last === null ? left : [last]) driver.begin(open, attempt)
  if (isCancelAsked) void cancel(core, driver, record.id)
}

/** Learns from the newest generations, whichever process had them, how long each offer takes. */
export async function rememberDurations(core: Core): Promise<void> {
  const { records } = await core.ports.store.list({ status: 'succeeded', limit: REMEMBERED })
  core.remembered.forget()
  for (const record of records.toReversed()) {
    if (record.sandbox !== core.ports.settings.sandbox) continue
    for (const attempt of record.attempts) {
      if (!attempt.interrupted) observeDuration(core.remembered, routeOf(record, attempt), attempt)
    }
  }
}
