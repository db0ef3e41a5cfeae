import { Readable } from 'node:stream'
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
      body: isInPieces(body) ? Readable.from(body.pieces(), { objectMode: false }) : body,
      timeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
    })
    if (answer.kind !== 'answer') return { ...answer, reason: shownReason(answer.reason) }
    answer.body.resume()
    return { kind: 'status', status: answer.status, retryAfterMs: retryAfterMs(answer.headers, now()) }
  }
}

const isInPieces = (body: string | Uint8Array | InPieces): body is InPieces => typeof body === 'object' && 'pieces' in body

/** What undici knows of other bodies by itself. */
const lengthOf = (body: string | Uint8Array | InPieces): Record<string, string> =>
  isInPieces(body) ? { 'content-length': String(body.bytes) } : {}

const lowerCaseNames = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
