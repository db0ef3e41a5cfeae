import { withoutRepeats } from '#adapter-kit'
import { generationError } from '#contract'
import type { Call, Failure, ImageRef, Outcome, Reply, Said } from '#contract'
import { judgeCall } from '../calls/kept-calls.ts'
import { releaseImages, releaseUnwanted, releaseUnwantedImages } from '../../reading/inline-bytes.ts'
import { nextPollMs, wasFoundLate } from '../scheduling/callbacks.ts'
import { observeDuration } from '../scheduling/poll-schedule.ts'
import type { Connection, LogFields } from '../ports.ts'
import type { AttemptRecord } from '../records.ts'
import { fail, failCanceled } from './conclude.ts'
import { later, NOW, type Next } from './next.ts'
import { isCanceled, note, routeOf, type AttemptTrack, type Core, type OpenGeneration } from './open-generation.ts'
import { defectIn, logFields } from './log-fields.ts'
import { publish } from './save.ts'

/** Progress is shown for each twentieth it grew. */
const SHOWN_PROGRESS = 0.05
/** Waits between polls that are refused or not answered: doubled each time, up to the last. */
const FIRST_MISSED_MS = 1_000
const LAST_MISSED_MS = 10_000
const SOONEST_POLL_MS = 50
/** The wall clock and the steady one differ by less than this where nobody set the first. */
const CLOCKS_AGREE_MS = 1_000
/** A task that is done without its image is asked for again so often: what a vendor's records say of the end may run ahead of the link. */
const MORE_POLLS_FOR_IMAGE = 3
/** So many refusals, and `patience.recoverMs`, before a submit that may never have arrived counts as lost. */
const RECOVER_REFUSALS = 5

/** A reply and the stand-ins of the images inside it. */
interface Received {
  readonly reply: Reply
  readonly standIns?: readonly string[] | undefined
}

/** What a reply means, and nothing is held of it but the images that it means. */
export function readReply(core: Core, connection: Connection, { reply, standIns }: Received, call: Call, about: LogFields): Outcome {
  const outcome = interpret(core, connection, reply, call, about)
  if (standIns !== undefined && standIns.length > 0) releaseUnwanted(standIns, imagesOf(outcome))
  return outcome
}

/** Nobody wants what it means: its images are let go. */
export const releaseOutcome = (outcome: Outcome): void => releaseImages(imagesOf(outcome))

const imagesOf = (outcome: Outcome): readonly ImageRef[] => ('images' in outcome ? (outcome.images ?? []) : [])

/** What the adapter makes of a reply. One that it fails on is a defect of the adapter, and says nothing about the task. */
function interpret({ ports }: Core, { provider }: Connection, reply: Reply, call: Call, about: LogFields): Outcome {
  try {
    return provider.adapter.interpret(reply, call)
  } catch (error) {
    ports.log.error({ ...about, provider: provider.id, status: reply.status, error: defectIn(error) }, 'a reply could not be read')
    const message = `the reply of ${provider.id} could not be read`
    return { kind: 'refused', failure: { code: 'bad_reply', message, billed: 'unknown', provider_status: reply.status } }
  }
}

/** What a reply means for its attempt, be it to the submit, a poll or a recovery. */
export function applyOutcome(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  call: Call,
  outcome: Outcome,
): Next | Promise<Next> {
  remember(attempt, outcome)
  const isSubmit = call.purpose === 'submit'
  const failure = outcome.kind === 'failed' || outcome.kind === 'refused' ? outcome.failure : null
  judgeCall(track.calls, failure !== null)
  if (isSubmit) reportSubmit(core, open, attempt, failure)
  else track.answeredPolls++
  // What a refused poll says of the bill is about the poll.
  const isAboutTask = isSubmit || outcome.kind === 'failed'
  if (isCanceled(open) && !goesOnCanceled(track, attempt, call, outcome)) {
    releaseOutcome(outcome)
    return failCanceled(core, open, attempt, isAboutTask ? failure : null)
  }
  switch (outcome.kind) {
    case 'pending':
      return stillPending(core, open, attempt, track, outcome)
    case 'done':
      return ready(core, open, attempt, track, call, outcome)
    case 'failed':
      if (!isWithoutItsImage(call, attempt, outcome.failure) || track.emptyEnds >= MORE_POLLS_FOR_IMAGE)
        return endWithWhatCame(core, open, attempt, outcome.failure)
      track.emptyEnds++
      return refusedPoll(core, open, attempt, track, call, outcome.failure)
    case 'refused':
      return isSubmit ? fail(core, open, attempt, outcome.failure) : refusedPoll(core, open, attempt, track, call, outcome.failure)
  }
}

/** A poll that brings an end, of which nothing but the image is missing, and which may be billed. */
const isWithoutItsImage = ({ purpose }: Call, { results }: AttemptRecord, { code, billed }: Failure): boolean =>
  (purpose === 'poll' || purpose === 'recover') && code === 'bad_reply' && billed !== false && results.length === 0

/** Whether the vendor's word about a canceled task is still to come: it can be asked to stop, or was, and the task has not ended. */
function goesOnCanceled(track: AttemptTrack, attempt: AttemptRecord, call: Call, outcome: Outcome): boolean {
  switch (outcome.kind) {
    case 'pending':
      return track.isCancelAsked || (track.connection?.provider.adapter.cancel?.(outcome.next) ?? null) !== null
    // Made before it could be stopped, and paid for.
    case 'done':
      return track.isCancelAsked
    case 'refused':
      return track.isCancelAsked && call.purpose !== 'cancel'
    case 'failed':
      return attempt.results.length > 0
  }
}

/** A poll without a usable reply is repeated on growing waits while the task can live. `askedMs` is what the vendor asked for. */
export function pollLater(core: Core, track: AttemptTrack, askedMs = 0): Next {
  const grownMs = Math.min(LAST_MISSED_MS, FIRST_MISSED_MS * 2 ** Math.min(track.missedPolls, 10))
  track.missedPolls++
  return untilDeadline(core, track, Math.max(grownMs, askedMs))
}

/** No wait goes beyond the deadline, and none is so short that one task keeps the process busy, whatever a vendor asks for. */
function untilDeadline(core: Core, track: AttemptTrack, askedMs: number): Next {
  const afterMs = Math.max(askedMs, SOONEST_POLL_MS)
  const remainingMs = track.deadlineAtMs - core.ports.clock.monotonicMs()
  return later(remainingMs > 0 ? Math.min(afterMs, remainingMs) : Math.min(afterMs, FIRST_MISSED_MS))
}

/** What any reply may say besides. */
export function remember(attempt: AttemptRecord, { cost, taskId, vendor }: Said): void {
  if (cost) attempt.cost = cost
  if (taskId) attempt.providerTaskId = taskId
  if (vendor) attempt.vendor = attempt.vendor === null ? vendor : { ...attempt.vendor, ...vendor }
}

/** The provider's slots and breaker learn how the submit was received. */
function reportSubmit(core: Core, open: OpenGeneration, attempt: AttemptRecord, failure: Failure | null): void {
  const { provider } = routeOf(open.record, attempt)
  core.ports.observer.submitted(provider, failure?.code ?? null)
  if (failure === null) core.slots.accepted(provider)
  if (failure?.code === 'rate_limited') {
    const deadlineMs = core.ports.settings.provider(provider)?.manifest.timeouts.deadline_ms ?? 0
    core.slots.rateLimited(provider, Math.min(failure.retry_after_ms ?? 0, deadlineMs))
  }
  // Those who wait here go elsewhere where they can.
  if (core.ports.settings.availability(provider).kind !== 'open') core.slots.recheck(provider)
}

async function stillPending(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  outcome: Extract<Outcome, { kind: 'pending' }>,
): Promise<Next> {
  const { ports, pollSchedule } = core
  const { record } = open
  const route = routeOf(record, attempt)
  const provider = track.connection?.provider
  if (outcome.note)
    ports.log.warn({ ...logFields(record, attempt), provider: route.provider, note: outcome.note }, 'the provider sent something unknown')
  track.missedPolls = 0
  track.refusal = null
  const isNews = attempt.status !== 'pending' || !isSameCall(attempt.next, outcome.next)
  const isElsewhere = attempt.next !== null && attempt.next.url !== outcome.next.url
  attempt.status = 'pending'
  attempt.next = outcome.next
  attempt.unfinishedAt = ports.clock.now()
  const grew = outcome.progress !== undefined && outcome.progress >= (attempt.progress ?? 0) + SHOWN_PROGRESS
  if (outcome.images) keepResults(attempt, outcome.images)
  if (outcome.progress !== undefined) attempt.progress = Math.min(1, Math.max(0, outcome.progress))
  if (grew && !isCanceled(open)) note(core, record, 'progress', route.provider, attempt.progress)
  if (isNews || grew) await publish(core, open)
  // Canceled while its submit or a poll was on its way: the vendor is asked to stop at once.
  if (isCanceled(open) && !track.isCancelAsked) return NOW
  if (!provider) return later(FIRST_MISSED_MS)
  // The vendor said that there is an answer at another address: no callback is to come before it is asked for. It says so once.
  const goesOn = isElsewhere && outcome.afterMs === 0 && !track.hasGoneOn
  track.hasGoneOn ||= goesOn
  if (goesOn) return NOW
  const elapsedMs = ports.clock.monotonicMs() - track.sinceMs
  const usualMs = () => pollSchedule.nextPollMs(provider.id, route.model, provider.manifest.polling, elapsedMs, outcome.progress ?? null)
  // Whether a vendor calls back about a task that was canceled is nobody's promise.
  if (isCanceled(open)) return untilDeadline(core, track, outcome.afterMs ?? usualMs())
  return untilDeadline(core, track, nextPollMs(core, attempt, track, provider, route.model, outcome, usualMs))
}

/** Most replies leave the very call that was sent. */
const isSameCall = (one: Call | null, other: Call): boolean => one === other || JSON.stringify(one) === JSON.stringify(other)

function ready(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  call: Call,
  outcome: Extract<Outcome, { kind: 'done' }>,
): Next {
  const { record } = open
  const route = routeOf(record, attempt)
  noteReady(core, attempt)
  attempt.progress = 1
  keepResults(attempt, outcome.images)
  // Asks for the result again, should a link be dead.
  attempt.next = call.purpose === 'submit' || call.purpose === 'cancel' ? attempt.next : call
  record.promptUsed ??= outcome.promptUsed ?? null
  const hasCallback = track.connection?.provider.manifest.models[route.model]?.webhook !== false
  if (!attempt.interrupted && !(hasCallback && wasFoundLate(core, track, route.provider, call))) {
    observeDuration(core.pollSchedule, route, attempt)
  }
  // Kept on disk: what failed beside the images must survive a crash. The one that matters most to the bill stands for all.
  const failure = worstFailure(outcome.failures ?? [])
  if (failure) attempt.error = generationError(failure, route.provider)
  attempt.status = 'collecting'
  return NOW
}

/** Where somebody set the wall clock since the submit, the time between the two instants is not how long the vendor took. */
function noteReady({ ports: { clock }, tracks }: Core, attempt: AttemptRecord): void {
  attempt.readyAt = clock.now()
  const track = tracks.get(attempt)
  if (attempt.submittedAt === null || track === undefined) return
  const steadyMs = clock.monotonicMs() - track.sinceMs
  if (Math.abs(attempt.readyAt - attempt.submittedAt - steadyMs) > CLOCKS_AGREE_MS) attempt.interrupted = true
}

/** Nothing more is awaited: the images of a batch that have come are collected, and the failure stands for the others. */
export function endWithWhatCame(core: Core, open: OpenGeneration, attempt: AttemptRecord, failure: Failure): Next | Promise<Next> {
  if (attempt.results.length === 0) return fail(core, open, attempt, failure)
  noteReady(core, attempt)
  attempt.error = generationError(failure, routeOf(open.record, attempt).provider)
  attempt.status = 'collecting'
  return NOW
}

/** One that was or may have been billed before one that costs nothing. */
const worstFailure = (failures: readonly Failure[]): Failure | undefined => failures.find(({ billed }) => billed !== false) ?? failures[0]

/** The images of a reply instead of those of an earlier one. */
function keepResults(attempt: AttemptRecord, images: readonly ImageRef[]): void {
  const results = distinct(images)
  releaseUnwantedImages([...attempt.results, ...images], results)
  attempt.results = results
}

/** An id or a link that comes twice in one reply is one image. */
export const distinct = (images: readonly ImageRef[]): readonly ImageRef[] =>
  withoutRepeats(images, ({ id, source }) => [id && `id ${id}`, source.kind === 'url' ? source.url : source.data])

/** The vendor refused the poll, and says nothing about the task. A task that was bought is not given up for that. */
function refusedPoll(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  call: Call,
  failure: Failure,
): Next | Promise<Next> {
  if (track.refusal === null) {
    const { provider } = routeOf(open.record, attempt)
    core.ports.log.warn(
      { ...logFields(open.record, attempt), provider, code: failure.code, status: failure.provider_status },
      'a poll was refused; it is repeated',
    )
  }
  track.refusal = failure
  const waitedMs = core.ports.clock.monotonicMs() - track.sinceMs
  if (call.purpose === 'recover' && track.missedPolls + 1 >= RECOVER_REFUSALS && waitedMs >= core.patience.recoverMs) {
    const message = `the provider does not find the task whose submit was lost (${track.lostReason}): ${failure.message}`
    return endWithWhatCame(core, open, attempt, { ...failure, code: 'outcome_unknown', message, billed: 'unknown' })
  }
  return pollLater(core, track, failure.retry_after_ms)
}
