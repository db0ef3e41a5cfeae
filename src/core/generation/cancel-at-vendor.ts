import type { AttemptRecord } from '../records.ts'
import { sendCall } from './attempt-calls.ts'
import { failCanceled } from './conclude.ts'
import type { Next } from './next.ts'
import { connectionOf, type AttemptTrack, type Core, type OpenGeneration } from './open-generation.ts'
import { logFields } from './log-fields.ts'
import { applyOutcome, readReply } from './outcome.ts'

/** The caller of the cancel waits for the vendor's answer no longer than this. */
const TIMEOUT_MS = 10_000

/**
 * A canceled generation's task that the vendor has: it is asked to stop, once, where it has a cancel. What it then says of the task settles
 * the attempt: an end, or, where it only took note, the polls that follow, until the deadline. Where it has no cancel, or does not
 * answer, the task goes on there unseen and may be billed.
 */
export async function cancelAtVendor(core: Core, open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack): Promise<Next> {
  const connection = connectionOf(core, open, attempt, track)
  const call = (connection && attempt.next && connection.provider.adapter.cancel?.(attempt.next)) ?? null
  if (!connection || !call) return failCanceled(core, open, attempt)
  track.isCancelAsked = true
  const about = logFields(open.record, attempt)
  const timeoutMs = Math.min(TIMEOUT_MS, connection.provider.manifest.timeouts.poll_ms)
  const sent = await sendCall(core, open, attempt, track, connection, call, timeoutMs)
  if (sent.kind !== 'reply') return failCanceled(core, open, attempt)
  return applyOutcome(core, open, attempt, track, call, readReply(core, connection, sent, call, about))
}
