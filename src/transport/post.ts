import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { retryAfterMs } from '#adapter-kit'
import type { InPieces, Post } from '../core/ports.ts'
import type { Agents } from './agents.ts'
import { parseUntrustedUrl } from './guard.ts'
import { ask } from './guarded-request.ts'
import { shownReason } from './reason.ts'
import { USER_AGENT } from './user-agent.ts'

export interface PostOptions {
  readonly agents: Agents
  /** Milliseconds since 1970, for a Retry-After that names a date in an answer without one. */
  readonly now?: () => number
}

export type { Post } from '../core/ports.ts'

/** What is read of an answer, and thrown away, so that its connection can serve again. */
const MAX_ANSWER_BYTES = 64 * 1_024

/** Reads nothing of an answer but its status and `Retry-After`. */
export function createPost({ agents, now = Date.now }: PostOptions): Post {
  return async (address, { method = 'POST', body, headers, timeoutMs }) => {
    const url = parseUntrustedUrl(address)
    if (!(url instanceof URL)) return { kind: 'refused', reason: shownReason(url.refused) }
    const answer = await ask(agents.untrusted, {
      url,
      method,
      headers: { 'user-agent': USER_AGENT, 'content-type': 'application/json', ...lengthOf(body), ...lowerCaseNames(headers) },
      body: typeof body === 'string' ? body : Readable.from(body.pieces(), { objectMode: false }),
      timeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
    })
    if (answer.kind !== 'answer') return { ...answer, reason: shownReason(answer.reason) }
    answer.body.resume()
    // An answer may come long before all is sent; where it never ends, the time of the try ends it.
    if (typeof body !== 'string') await finished(answer.body).catch(() => {})
    return { kind: 'status', status: answer.status, retryAfterMs: retryAfterMs(answer.headers, now()) }
  }
}

/** What undici knows of a text by itself. */
const lengthOf = (body: string | InPieces): Record<string, string> =>
  typeof body === 'string' ? {} : { 'content-length': String(body.bytes) }

const lowerCaseNames = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
