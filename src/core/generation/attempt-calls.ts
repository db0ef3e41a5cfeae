import type { Call } from '#contract'
import { judgeCall, keepCall } from '../calls/kept-calls.ts'
import { viewOfCall } from '../calls/view.ts'
import type { KnownImage } from '../calls/shown-text.ts'
import type { Connection, ReplyListener, Sent } from '../ports.ts'
import type { AttemptCallsRecord, AttemptRecord } from '../records.ts'
import { logFields } from './log-fields.ts'
import { routeOf, type AttemptTrack, type Core, type OpenGeneration } from './open-generation.ts'

/** Sends a call of an attempt, and keeps what was said and what came back. */
export async function sendCall(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  connection: Connection,
  call: Call,
  timeoutMs: number,
  listener?: ReplyListener,
): Promise<Sent> {
  const { clock } = core.ports
  const sentAt = clock.now()
  const sinceMs = clock.monotonicMs()
  const sent = await connection.send(call, timeoutMs, logFields(open.record, attempt), listener)
  const durationMs = Math.round(clock.monotonicMs() - sinceMs)
  // The replies to hundreds of polls, or submits, come in one turn of the event loop.
  if (core.turns.areSpent()) await core.turns.next()
  keepCall(track.calls, call, sent, { sentAt, durationMs, images: call.purpose === 'submit' ? imagesOf(open) : [] })
  if (sent.kind !== 'reply') judgeCall(track.calls, true)
  return sent
}

const imagesOf = ({ record }: OpenGeneration): readonly KnownImage[] =>
  record.references.flatMap((reference) =>
    reference.kind === 'stored' && reference.bytes !== undefined ? [{ bytes: reference.bytes, sha256: reference.sha256 }] : [],
  )

/** What was said in an attempt, as its owner may see it; null where nothing was, or this process does not know. */
export function callsOf(core: Core, open: OpenGeneration, attempt: AttemptRecord): AttemptCallsRecord | null {
  const calls = core.tracks.get(attempt)?.calls
  if (!calls || calls.list.length === 0) return null
  const { record } = open
  const secrets = secretsGiven(core, open, attempt)
  return {
    generationId: record.id,
    attempt: record.attempts.indexOf(attempt) + 1,
    complete: calls.isWhole && attempt.endedAt !== null,
    data: calls.list.map((call) => viewOfCall(call, secrets)),
  }
}

/** The address of its callback and the secret that goes with it. */
function secretsGiven({ ports: { hooks } }: Core, { record }: OpenGeneration, attempt: AttemptRecord): readonly string[] {
  const { provider } = routeOf(record, attempt)
  const hook = hooks?.isOn(provider) ? hooks.webhookFor(provider, record.id, attempt.id) : undefined
  return hook === undefined ? [] : [hook.url, hook.secret]
}
