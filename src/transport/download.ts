import { Readable } from 'node:stream'
import { inlineBytes } from '../reading/inline-bytes.ts'
import { documentIn, readDataUriOfAnyLabel } from '#contract'
import type { Download, Downloaded } from '../core/ports.ts'
import type { Agents } from './agents.ts'
import { decodeStream, firstBytes } from './content-coding.ts'
import { parseUntrustedUrl } from './guard.ts'
import { type Answer, ask, DownloadError } from './guarded-request.ts'
import type { Dispatches } from './origin-pools.ts'
import { reasonOf, shownReason } from './reason.ts'
import type { Redactor } from './redactor.ts'
import { USER_AGENT } from './user-agent.ts'

export interface DownloadOptions {
  readonly agents: Agents
  /** By provider: what keeps its key out of what is said of a download that failed. */
  readonly redactors?: ReadonlyMap<string, Pick<Redactor, 'redactText'>>
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number
}

type Options = Parameters<Download>[1]

const MAX_REDIRECTS = 3
const HEADERS = { 'user-agent': USER_AGENT, accept: 'image/*, */*;q=0.5', 'accept-encoding': 'identity' }
/** Enough to know an HTML page or a JSON document, white space before it included. */
const HEAD_BYTES = 64

/**
 * Fetches untrusted URLs, in whatever spelling a WHATWG parser takes. Every hop of a redirect passes the guard again; no hop gets a key or a
 * cookie. A `data:` URL is its own body.
 */
export function createDownload({ agents, redactors = new Map(), now = () => performance.now() }: DownloadOptions): Download {
  return async (address, options) => {
    const downloaded = await fetched(address, options)
    if (downloaded.kind !== 'refused' && downloaded.kind !== 'failed') return downloaded
    // A redirect is a text of the vendor, which may hold the key that it was called with.
    return { ...downloaded, reason: shownReason(downloaded.reason, redactors.get(options.trustedProvider ?? '')) }
  }

  function agentFor({ trustedProvider: id, isForCaller = false }: Options): Dispatches {
    const agent = id === undefined ? undefined : isForCaller ? agents.readersOf(id) : agents.provider(id)
    return agent ?? agents.untrusted
  }

  async function fetched(address: string, options: Options): Promise<Downloaded> {
    const { maxBytes, silenceMs, timeoutMs, isDocument = false } = options
    const agent = agentFor(options)
    const endsAt = timeoutMs === undefined ? null : now() + timeoutMs
    if (/^\s*data:/i.test(address)) return inlineBody(address, options)
    let url = parseUntrustedUrl(address)
    for (let hop = 0; ; hop += 1) {
      // Where a server sends on to is its answer of today, as any other.
      const mayPass = hop > 0
      if (!(url instanceof URL)) return { kind: 'refused', reason: url.refused, mayPass }
      const remaining = endsAt === null ? {} : { timeoutMs: endsAt - now() }
      if (remaining.timeoutMs !== undefined && remaining.timeoutMs <= 0) return failed('not done in time')
      const answer = await ask(agent, { url, method: 'GET', headers: HEADERS, silenceMs, maxBytes, ...remaining })
      if (answer.kind === 'refused') return { ...answer, mayPass: mayPass || answer.mayPass }
      if (answer.kind === 'failed') return failed(answer.reason)
      const location = isRedirect(answer.status) ? answer.headers['location'] : undefined
      if (location === undefined) return judge(answer, maxBytes, isDocument)
      answer.body.destroy()
      if (hop === MAX_REDIRECTS) return failed(`more than ${MAX_REDIRECTS} redirects`)
      url = parseUntrustedUrl(location, url)
    }
  }
}

const failed = (reason: string, retryable = true): Downloaded => ({ kind: 'failed', reason, retryable })
const tooLarge = (maxBytes: number): Downloaded => failed(`the body is larger than ${maxBytes} bytes`, false)

const isRedirect = (status: number): boolean => status === 301 || status === 302 || status === 303 || status === 307 || status === 308

function inlineBody(address: string, { maxBytes }: Options): Downloaded {
  const read = readDataUriOfAnyLabel(address)
  if (read.kind === 'refused') return failed(`the link ${read.reason}`, false)
  const bytes = inlineBytes(read.uri)
  if (bytes === null) return { kind: 'expired', status: 410 }
  if (!Buffer.isBuffer(bytes)) return { kind: 'body', stream: bytes, contentType: null, statedBytes: null }
  if (bytes.length > maxBytes) return tooLarge(maxBytes)
  return { kind: 'body', stream: Readable.from([bytes], { objectMode: false }), contentType: null, statedBytes: null }
}

/** Only a body that is too large is final: a server may answer anything else today and the image a minute later. */
async function judge(
  { status, headers, body }: Extract<Answer, { kind: 'answer' }>,
  maxBytes: number,
  isDocument: boolean,
): Promise<Downloaded> {
  const discard = (downloaded: Downloaded): Downloaded => {
    body.destroy()
    return downloaded
  }
  switch (status) {
    case 200:
      break
    case 206:
      if (isWhole(headers['content-range'])) break
      return discard(failed('the server sent only a part of the body'))
    case 401:
    case 403:
    case 404:
    case 410:
    case 451:
      return discard({ kind: 'expired', status })
    default:
      return discard(failed(`the server answered ${status}`))
  }
  if (Number(headers['content-length']) > maxBytes) return discard(tooLarge(maxBytes))
  try {
    const decoded = await decodeStream(body, headers['content-encoding'] ?? '', maxBytes)
    const { head, stream } = await firstBytes(decoded, HEAD_BYTES)
    const unwanted = head.length === 0 ? 'an empty body' : isDocument ? null : documentIn(head)
    if (unwanted !== null) return discard(failed(`the server sent ${unwanted} instead of an image`))
    const statedBytes = isCoded(headers['content-encoding']) ? null : lengthIn(headers['content-length'])
    return { kind: 'body', stream, contentType: headers['content-type'] ?? null, statedBytes }
  } catch (error) {
    return discard(failed(reasonOf(error), !(error instanceof DownloadError && error.reason === 'too_large')))
  }
}

const isCoded = (encoding = ''): boolean => !['', 'identity'].includes(encoding.trim().toLowerCase())
const lengthIn = (header: string | undefined): number | null => (/^\d{1,15}$/.test(header ?? '') ? Number(header) : null)

/** Whether a `content-range` spans all there is: `bytes 0-99/100`. */
function isWhole(contentRange: string | undefined): boolean {
  const [, end, size] = /^\s*bytes\s+0-(\d+)\/(\d+)\s*$/i.exec(contentRange ?? '') ?? []
  return end !== undefined && Number(end) + 1 === Number(size)
}
