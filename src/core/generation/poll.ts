import type { Connection, Sent } from '../ports.ts'
import type { AttemptRecord } from '../records.ts'
import { pollBegins } from '../scheduling/callbacks.ts'
import { sendCall } from './attempt-calls.ts'
import { cancelAtVendor } from './cancel-at-vendor.ts'
import { fail, failCanceled } from './conclude.ts'
import type { Next } from './next.ts'
import { isCanceled, connectionOf, routeOf, type AttemptTrack, type Core, type OpenGeneration } from './open-generation.ts'
import { logFields } from './log-fields.ts'
import { applyOutcome, endWithWhatCame, pollLater, readReply } from './outcome.ts'

/** After a start, a resume or a pause of the process, so many polls must be answered before the deadline counts. */
const ANSWERED_POLLS = 3

/** pending: asks the vendor once how the task stands, unless the deadline is over. */
export async function poll(core: Core, open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack): Promise<Next> {
  if (isCanceled(open) && !track.isCancelAsked) return cancelAtVendor(core, open, attempt, track)
  const connection = connectionOf(core, open, attempt, track)
  if (!connection || !attempt.next) {
    return fail(core, open, attempt, { code: 'outcome_unknown', message: 'the provider is not installed any more', billed: 'unknown' })
  }
  if (isDeadlineOver(core, track, connection)) return giveUp(core, open, attempt, track, connection)
  const call = attempt.next
  attempt.polls++
  pollBegins(track)
  const sent = await sendCall(core, open, attempt, track, connection, call, connection.provider.manifest.timeouts.poll_ms)
  switch (sent.kind) {
    case 'reply':
      return applyOutcome(core, open, attempt, track, call, readReply(core, connection, sent, call, logFields(open.record, attempt)))
    case 'unsent':
    case 'lost':
      return isCanceled(open) && !track.isCancelAsked ? cancelAtVendor(core, open, attempt, track) : pollLater(core, track)
    case 'refused':
      return refusedHere(core, open, attempt, track, sent)
  }
}

function isDeadlineOver(core: Core, track: AttemptTrack, { provider }: Connection): boolean {
  const overMs = core.ports.clock.monotonicMs() - track.deadlineAtMs
  // A vendor that answers nothing at all gets the deadline once more.
  return overMs >= 0 && (track.answeredPolls >= ANSWERED_POLLS || overMs >= provider.manifest.timeouts.deadline_ms)
}

function giveUp(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  { provider }: Connection,
): Next | Promise<Next> {
  if (isCanceled(open)) return failCanceled(core, open, attempt)
  const { refusal } = track
  const message = `not finished ${Math.round(provider.manifest.timeouts.deadline_ms / 1000)} s after the submit`
  if (refusal === null) return endWithWhatCame(core, open, attempt, { code: 'provider_timeout', message, billed: 'unknown' })
  return endWithWhatCame(core, open, attempt, {
    ...refusal,
    code: 'outcome_unknown',
    message: `${message}; the last poll was refused: ${refusal.message}`,
    billed: 'unknown',
  })
}

/**
 * Our own transport refused. Where the provider has no key now, it may get one again before the deadline; where a name leads inside, it may lead to
 * the vendor again; and an address that was the vendor's under an earlier configuration may be one again. Any other foreign address stays one.
 */
function refusedHere(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  { reason, mayPass = false }: Extract<Sent, { kind: 'refused' }>,
): Next | Promise<Next> {
  if (isCanceled(open)) return failCanceled(core, open, attempt)
  const isOff = core.ports.settings.availability(routeOf(open.record, attempt).provider).kind === 'off'
  if (!mayPass && !isOff && !attempt.interrupted)
    return fail(core, open, attempt, { code: 'bad_reply', message: reason, billed: 'unknown' })
  if (mayPass || !isOff) track.refusal = { code: 'provider_unavailable', message: reason, billed: 'unknown' }
  if (!mayPass) {
    // What these settings refuse is asked of those that are in force by then.
    track.connection?.release()
    track.connection = null
  }
  return pollLater(core, track)
}
