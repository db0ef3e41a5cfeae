import type { Download, Downloaded } from '../core/ports.ts'
import type { Agents } from './agents.ts'
import { parseUntrustedUrl } from './guard.ts'
import { type Answer, ask } from './guarded-request.ts'
import { USER_AGENT } from './user-agent.ts'

export interface DownloadOptions {
  readonly agents: Agents
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number
}

const MAX_REDIRECTS = 3
const HEADERS = { 'user-agent': USER_AGENT, accept: 'image/*, */*;q=0.5', 'accept-encoding': 'identity' }

/** Fetches untrusted URLs. Every hop of a redirect passes the guard again; no hop gets a key or a cookie. */
export function createDownload({ agents, now = () => performance.now() }: DownloadOptions): Download {
  return async (address, { maxBytes, timeoutMs = 60_000, trustedProvider }) => {
    const agent = (trustedProvider === undefined ? undefined : agents.provider(trustedProvider)) ?? agents.untrusted
    const endsAt = now() + timeoutMs
    let url = parseUntrustedUrl(address)
    for (let hop = 0; ; hop += 1) {
      if (!(url instanceof URL)) return { kind: 'refused', reason: url.refused }
      const remainingMs = endsAt - now()
      if (remainingMs <= 0) return { kind: 'failed', reason: 'not done in time', retryable: true }
      const answer = await ask(agent, { url, method: 'GET', headers: HEADERS, timeoutMs: remainingMs, maxBytes })
      if (answer.kind === 'refused') return answer
      if (answer.kind === 'failed') return { ...answer, retryable: true }
      const location = isRedirect(answer.status) ? answer.headers['location'] : undefined
      if (location === undefined) return judge(answer, maxBytes)
      answer.body.destroy()
      if (hop === MAX_REDIRECTS) return { kind: 'failed', reason: `more than ${MAX_REDIRECTS} redirects`, retryable: false }
      url = parseUntrustedUrl(location, url)
    }
  }
}

const isRedirect = (status: number): boolean => status === 301 || status === 302 || status === 303 || status === 307 || status === 308

function judge({ status, headers, body }: Extract<Answer, { kind: 'answer' }>, maxBytes: number): Downloaded {
  const discard = (downloaded: Downloaded): Downloaded => {
    body.destroy()
    return downloaded
  }
  if (status === 403 || status === 404 || status === 410) return discard({ kind: 'expired', status })
  if (status !== 200) {
    const retryable = status >= 500 || status === 202 || status === 408 || status === 425 || status === 429
    return discard({ kind: 'failed', reason: `the server answered ${status}`, retryable })
  }
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity')
    return discard({ kind: 'failed', reason: 'the server sent a compressed body', retryable: false })
  if (Number(headers['content-length']) > maxBytes)
    return discard({ kind: 'failed', reason: `the body is larger than ${maxBytes} bytes`, retryable: false })
  return { kind: 'body', stream: body, contentType: headers['content-type'] ?? null }
}
