import type { Call, Failure } from '#contract'
import { translateOrder } from '../plan/order.ts'
import { NoSlot } from '../nodes.ts'
import { AssetError, StoreError } from '../ports.ts'
import type { Connection } from '../ports.ts'
import type { AttemptRecord } from '../records.ts'
import { asksPrice, dearerThanQuoted } from './ask-price.ts'
import { formsAsPriced } from './as-priced.ts'
import { sendCall } from './attempt-calls.ts'
import { fail, failCanceled } from './conclude.ts'
import { ended, later, NOW, type Next } from './next.ts'
import {
  isCanceled,
  connectionOf,
  note,
  providerOf,
  releaseReferences,
  routeOf,
  type AttemptTrack,
  type Core,
  type OpenGeneration,
} from './open-generation.ts'
import { logFields } from './log-fields.ts'
import { obstacleTo, unbilled } from './obstacle.ts'
import { applyOutcome, readReply, releaseOutcome } from './outcome.ts'
import { listenTo } from './streamed-reply.ts'
import { assetsOf } from './assets-of.ts'
import { fetchLinks, referencesFor, ReferenceUnavailable } from './references.ts'
import { publish, save, saveIfPossible } from './save.ts'

/** How soon a lost submit is asked about. */
const RECOVER_AFTER_MS = 500
/** A submit follows its intent at once; where it does not, the right to send it is proved anew. */
const STOOD_STILL_MS = 3_000
/** How soon an intent is written again that a database which is away could not take. */
const STORE_AGAIN_MS = 1_000

/** queued → submitting: may it be bought here and now? Then the intent is written, with the free call that asks for it after a crash. */
export async function prepareSubmit(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  hasSlot: boolean,
): Promise<Next> {
  const { record } = open
  if (isCanceled(open)) return failCanceled(core, open, attempt)
  const obstacle = obstacleTo(core, open, attempt, track, hasSlot)
  if (obstacle && 'failure' in obstacle) return fail(core, open, attempt, obstacle.failure)
  if (obstacle && obstacle.kind !== 'slot') return obstacle
  const connection = connectionOf(core, open, attempt, track)
  const route = routeOf(record, attempt)
  const taken = connection?.provider.manifest.models[route.model]?.limits.reference_images.forms
  if (!connection || !taken) return fail(core, open, attempt, notOffered(open, attempt))
  const ports = { ...core.ports, assets: assetsOf(core.ports.assets, record.key) }
  const asPriced = formsAsPriced(record, route, taken)
  const forms = asPriced ?? taken
  let given: readonly string[]
  try {
    if (obstacle) return await whileItWaits(core, open, attempt, track, (isWanted) => fetchLinks(ports, record, forms, isWanted))
    given = await referencesFor(ports, record.references, forms, connection.provider.id, asPriced !== null)
  } catch (error) {
    return withoutReference(core, open, attempt, track, error)
  }
  track.given = given
  const dearer = await dearerThanQuoted(open, attempt, connection, () => submitCall(core, open, attempt, connection.provider, given))
  // Canceled while its references were read, or its price was asked.
  if (isCanceled(open)) return failCanceled(core, open, attempt)
  if (dearer !== null) return fail(core, open, attempt, dearer)
  const { sinceMs, deadlineAtMs } = track
  writeIntent(core, open, attempt, track, connection, given)
  try {
    await save(core, open)
  } catch (error) {
    takeBack(track, attempt)
    // However often it is tried again, it waits since it began to.
    Object.assign(track, { sinceMs, deadlineAtMs })
    if (open.isLost) throw error
    if (isPassing(error)) return later(STORE_AGAIN_MS)
    // The slots that are free here are taken by other processes: it waits as if none were.
    const full = error instanceof NoSlot ? obstacleTo(core, open, attempt, track, false) : null
    if (full) return 'failure' in full ? fail(core, open, attempt, full.failure) : full
    return fail(core, open, attempt, unbilled('internal', 'the intent to buy could not be written to disk, so nothing was bought'))
  }
  core.watchers.notify(record)
  return NOW
}

/** Fetches what takes long before the attempt waits for a slot: that wait begins behind it. */
async function whileItWaits(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  fetch: (isWanted: () => boolean) => Promise<boolean>,
): Promise<Next> {
  const { clock } = core.ports
  const beganAtMs = clock.monotonicMs()
  const isFetched = await fetch(() => !open.isLost && !isCanceled(open) && clock.monotonicMs() < track.deadlineAtMs)
  track.sinceMs += clock.monotonicMs() - beganAtMs
  // Another process works on it.
  if (open.isLost) return ended()
  if (isCanceled(open)) return failCanceled(core, open, attempt)
  if (!isFetched) return fail(core, open, attempt, unbilled('rate_limited', NOT_FETCHED))
  const obstacle = obstacleTo(core, open, attempt, track, false)
  if (obstacle === null) return NOW
  return 'failure' in obstacle ? fail(core, open, attempt, obstacle.failure) : obstacle
}

const NOT_FETCHED = 'the reference images were not fetched before the deadline, since others of this key came slowly; nothing was bought'

/** A reference cannot be had, or not now. */
function withoutReference(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  error: unknown,
): Next | Promise<Next> {
  if (error instanceof ReferenceUnavailable) return fail(core, open, attempt, unbilled('invalid_request', error.message))
  if (!(error instanceof AssetError)) throw error
  if (core.ports.clock.monotonicMs() < track.deadlineAtMs) return later(STORE_AGAIN_MS)
  return fail(core, open, attempt, unbilled('internal', `a reference image could not be read; nothing was bought (${error.message})`))
}

/** A database that is away, is full or takes no writes comes back; until then what is to be bought waits like one that finds no free slot. */
const isPassing = (error: unknown): boolean => error instanceof StoreError && ['unreachable', 'full', 'io'].includes(error.reason)

/** The intent is on no disk. */
export function takeBack(track: AttemptTrack, attempt: AttemptRecord): void {
  releaseReferences(track)
  track.unsent = null
  attempt.status = 'queued'
  attempt.submittedAt = null
  attempt.next = null
}

/**
 * The part of an acceptance that saves a second write: a task that needs nothing but a free slot has its intent written together with the
 * generation. Nothing is sent before that is on disk. Returns false where it must wait; then it stays queued.
 */
export function prepareWithAcceptance(core: Core, open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack): boolean {
  if (open.record.references.length > 0 || obstacleTo(core, open, attempt, track, true)) return false
  const connection = connectionOf(core, open, attempt, track)
  if (!connection?.provider.manifest.models[routeOf(open.record, attempt).model] || asksPrice(connection)) return false
  writeIntent(core, open, attempt, track, connection, [])
  return true
}

function notOffered(open: OpenGeneration, attempt: AttemptRecord): Failure {
  const { provider, model } = routeOf(open.record, attempt)
  return unbilled('provider_unavailable', `${provider} is not installed, or no longer offers ${model}`)
}

function writeIntent(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  { provider }: Connection,
  references: readonly string[],
): void {
  const { record } = open
  const call = submitCall(core, open, attempt, provider, references)
  attempt.status = 'submitting'
  attempt.submittedAt = core.ports.clock.now()
  // Asks by our own task id what became of the submit: after a crash it needs neither references nor the model.
  attempt.next = provider.adapter.recover?.(call) ?? null
  record.startedAt ??= attempt.submittedAt
  if (record.status === 'queued') {
    record.status = 'running'
    note(core, record, 'running', provider.id)
  }
  track.unsent = call
  claimSlot(core, open, attempt, provider)
  track.sinceMs = core.ports.clock.monotonicMs()
  track.deadlineAtMs = track.sinceMs + provider.manifest.timeouts.deadline_ms
}

/** Other processes buy from the provider, too. */
function claimSlot(core: Core, open: OpenGeneration, attempt: AttemptRecord, { id }: Connection['provider']): void {
  if (core.ports.store.nodes === undefined) return
  const limit = core.ports.settings.provider(id)?.maxInFlight ?? 1
  open.newSlots = [...open.newSlots, { provider: id, attemptId: attempt.id, key: open.record.key, limit }]
}

function submitCall(
  core: Core,
  { record }: OpenGeneration,
  attempt: AttemptRecord,
  provider: Connection['provider'],
  references: readonly string[],
): Call {
  const route = routeOf(record, attempt)
  const webhook = core.ports.hooks?.webhookFor(provider.id, record.id, attempt.id)
  // A mask stands behind the references.
  const isMask = (index: number): boolean => record.references[index]?.isMask === true
  const task = {
    references: references.filter((_, index) => !isMask(index)),
    mask: references.find((_, index) => isMask(index)),
  }
  const translated = translateOrder(provider, { route, prompt: record.request.prompt, attempt, ...task, webhook })
  if (!translated) throw new Error(`${provider.id} no longer offers ${route.model}`)
  return translated.call
}

/** A stop of the server came between the intent and its submit: not a byte was sent, so the next start may still buy. */
export async function takeBackIntent(core: Core, open: OpenGeneration, attempt: AttemptRecord): Promise<void> {
  const track = core.tracks.get(attempt)
  if (!track?.unsent) return
  takeBack(track, attempt)
  await publish(core, open)
}

/** submitting, with the intent on disk: the one paid call. */
export async function sendSubmit(core: Core, open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack, call: Call): Promise<Next> {
  // The process stood still since the intent was written, and another one may work on it by now.
  if (core.ports.store.nodes && core.ports.clock.monotonicMs() - track.sinceMs > STOOD_STILL_MS && !(await saveIfPossible(core, open)))
    return open.isLost ? ended() : later(STORE_AGAIN_MS)
  track.unsent = null
  // Canceled while the intent was written: not a byte is sent.
  if (isCanceled(open)) {
    attempt.submittedAt = null
    return failCanceled(core, open, attempt)
  }
  const connection = connectionOf(core, open, attempt, track)
  if (!connection) return fail(core, open, attempt, notOffered(open, attempt))
  const { id, manifest } = connection.provider
  const listener = call.stream === undefined ? undefined : listenTo(core, open, attempt, connection.provider)
  const sent = await sendCall(core, open, attempt, track, connection, call, manifest.timeouts.submit_ms, listener)
  releaseReferences(track)
  switch (sent.kind) {
    case 'reply':
      return applyOutcome(core, open, attempt, track, call, readReply(core, connection, sent, call, logFields(open.record, attempt)))
    case 'refused':
    case 'unsent': {
      if (isCanceled(open)) return failCanceled(core, open, attempt, unbilled('canceled', sent.reason))
      const reason = sent.kind === 'unsent' ? `could not connect: ${sent.reason}` : sent.reason
      return fail(core, open, attempt, unbilled('provider_unavailable', reason))
    }
    case 'lost': {
      const { begun: reply, standIns } = sent
      const outcome = reply && readReply(core, connection, { reply, standIns }, call, logFields(open.record, attempt))
      // All that matters had come before it broke off.
      if (outcome?.kind === 'done' || outcome?.kind === 'failed') return applyOutcome(core, open, attempt, track, call, outcome)
      if (outcome) releaseOutcome(outcome)
      core.ports.observer.submitted(id, 'outcome_unknown')
      track.lostReason = sent.reason
      track.hasBegun = sent.begun !== undefined
      return NOW
    }
  }
}

/** submitting, with the reply lost or never seen by this process: the vendor is asked where it can be; elsewhere the outcome stays unknown. */
export async function recoverSubmit(core: Core, open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack): Promise<Next> {
  if (isCanceled(open)) return failCanceled(core, open, attempt)
  attempt.next ??= recoverCall(core, open, attempt)
  if (!attempt.next) {
    // Nothing but the beginning of a streamed reply names a task that is not pending.
    const hasArrived = track.hasBegun || attempt.providerTaskId !== null
    const message = `the submit ${hasArrived ? 'arrived and its reply broke off' : 'may have arrived and its reply was lost'}: ${track.lostReason}`
    return fail(core, open, attempt, { code: 'outcome_unknown', message, billed: 'unknown' })
  }
  attempt.status = 'pending'
  await publish(core, open)
  return later(RECOVER_AFTER_MS)
}

/** For rows of versions that did not keep the call: a submit without references names the same task. */
function recoverCall(core: Core, open: OpenGeneration, attempt: AttemptRecord): Call | null {
  const provider = providerOf(core, open.record, attempt)
  if (!provider?.adapter.recover || !provider.manifest.models[routeOf(open.record, attempt).model]) return null
  return provider.adapter.recover(submitCall(core, open, attempt, provider, []))
}
