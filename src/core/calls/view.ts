import type { AttemptCall } from '#contract'
import { iso } from '../instant.ts'
import { scrubbedText } from '#adapter-kit'
import { withoutQuery } from '../present/without-query.ts'
import { ShownBody, type Kept, type KeptCall } from './kept-calls.ts'
import { shownText, type Shown } from './shown-text.ts'

/** @param secrets the texts that we gave the vendor and show nobody */
export function viewOfCall(call: KeptCall, secrets: readonly string[]): AttemptCall {
  const { purpose, method, url, sentAt, durationMs, outcome, reason, repeated, reply } = call
  const body = shownOf(call.body, secrets)
  const replyBody = reply && shownOf(reply.body, secrets)
  return {
    purpose,
    method,
    url: scrubbedText(withoutQuery(url)),
    body: body.text,
    body_truncated: body.isCut,
    sent_at: iso(sentAt),
    duration_ms: durationMs,
    outcome,
    reason: reason === null ? null : scrubbedText(reason),
    repeated,
    reply: reply && replyBody && { status: reply.status, headers: reply.headers, body: replyBody.text, body_truncated: replyBody.isCut },
  }
}

const shownOf = (kept: Kept, secrets: readonly string[]): Shown => {
  if (!(kept instanceof ShownBody)) return shownText(kept, { secrets })
  const text = kept.shown.text
  return { ...kept.shown, text: text && secrets.reduce((shown, secret) => shown.replaceAll(secret, '…'), text) }
}
