import { isEventStream, type Call, type Reply } from '#contract'
import type { Dispatcher } from 'undici'
import type { Log, ReplyListener, Send, Sent } from '../core/ports.ts'
import { countRead } from '../reading/turn-share.ts'
import type { Agents } from './agents.ts'
import { requestOf } from './call-request.ts'
import type { Credentials } from './credentials.ts'
import { BlockedAddressError } from './guard.ts'
import { type ReceivedHeaders, stringHeaders } from './headers.ts'
import { reasonOf, shownReason } from './reason.ts'
import type { ParsedBody } from './reply-body.ts'
import { createRedactor, type Redactor } from './redactor.ts'
import { createReplyBounds, readPacked, readPieces, type ReplyBounds, ReplyReader } from './reply-reader.ts'
import { Secret } from './secret.ts'
import { StreamedReply } from './streamed-reply.ts'
import { Timeout } from './timeout.ts'

export interface SendOptions {
  readonly credentials: Credentials
  readonly agents: Agents
  /** One line for each call that left for a vendor, never with a path, query, body or key: at debug where it was answered well. */
  readonly log?: CallLog
  /** Milliseconds on a clock that never goes back; for the log. */
  readonly now?: () => number
  /** A larger reply to a call that brings images is not read. */
  readonly maxReplyBytes?: number
}

export interface CallLog extends Pick<Log, 'info'> {
  debug: Log['info']
  /** Absent: every line is written. */
  isLevelEnabled?(level: string): boolean
}

const DEFAULT_MAX_REPLY_BYTES = 64 * 1_024 * 1_024

/** Sends calls to vendors. A redirect is a reply like any other. */
export function createSend({
  credentials,
  agents,
  log,
  now = () => performance.now(),
  maxReplyBytes = DEFAULT_MAX_REPLY_BYTES,
}: SendOptions): Send {
  const redactors = new Map<string, Redactor>()
  const boundsOf = createReplyBounds(maxReplyBytes)
  return (provider, call, timeoutMs, about, listener) => {
    const target = credentials.resolve(provider, call.url)
    if ('refused' in target) return Promise.resolve({ kind: 'refused', reason: target.refused })
    const agent = agents.provider(provider)
    if (agent === undefined) return Promise.resolve({ kind: 'refused', reason: `provider ${provider} is not configured` })
    const { url, header } = target
    const redactor = redactors.get(provider) ?? createRedactor(keyOf(header))
    redactors.set(provider, redactor)
    const startedAt = now()
    return new Promise((resolve) => {
      const bounds = boundsOf(call.purpose)
      const streamed = call.stream === undefined ? undefined : { listener }
      const exchange = new Exchange({ provider, timeoutMs, bounds, redactor, streamed, url: url.href }, (sent) => {
        // The line about the end of the generation says how it went: a line for each good reply is a third of the bytes of the log.
        const level = isGood(sent) ? 'debug' : 'info'
        if (log?.isLevelEnabled?.(level) !== false)
          log?.[level]({ ...about, ...logFields(provider, call, url.host, sent, Math.round(now() - startedAt)) }, 'vendor call')
        resolve(sent)
      })
      try {
        agent.dispatch(requestOf(call, url, header), exchange)
      } catch (error) {
        exchange.onResponseError(null, error)
      }
    })
  }
}

/** The bare key of an auth header, whatever scheme stands before it. */
const keyOf = ([, value]: readonly [string, string]): Secret => new Secret(value.slice(value.lastIndexOf(' ') + 1))

const isGood = (sent: Sent): boolean => sent.kind === 'reply' && sent.reply.status < 400

function logFields(provider: string, call: Call, host: string, sent: Sent, ms: number): object {
  const { purpose, method } = call
  const outcome = sent.kind
  return sent.kind === 'reply'
    ? { provider, purpose, method, host, outcome, status: sent.reply.status, ms }
    : { provider, purpose, method, host, outcome, reason: sent.reason, ms }
}

interface ExchangeOptions {
  readonly provider: string
  readonly timeoutMs: number
  readonly bounds: ReplyBounds
  readonly redactor: Redactor
  /** The reply may come as events. */
  readonly streamed: { readonly listener: ReplyListener | undefined } | undefined
  /** Where it goes. */
  readonly url: string
}

/**
 * One call on its way. What decides between `unsent` and `lost` is whether undici has announced the request to a connection
 * (`onRequestStart`): it does so immediately before it writes, in the same tick, and never for a request that still waits for a
 * connection. From then on nothing proves that no byte arrived, not even on a kept-alive connection which turns out to be closed:
 * a socket counts bytes when it takes them, not when they leave, and a server may read a request and close without a reply.
 */
class Exchange implements Dispatcher.DispatchHandler {
  /** The replies of a provider share a turn of the event loop. */
  readonly #caller: string
  readonly #bounds: ReplyBounds
  readonly #settle: (sent: Sent) => void
  readonly #timeout: Timeout
  readonly #timeoutMs: number
  #controller: Dispatcher.DispatchController | null = null
  #isSettled = false
  readonly #url: string
  #status = 0
  #headers: Readonly<Record<string, string>> = {}
  #encoding: string | undefined
  readonly #encoded: Buffer[] = []
  #bytes = 0
  readonly #redactor: Redactor
  readonly #streamed: ExchangeOptions['streamed']
  #body: ReplyReader | StreamedReply
  /** All of the body that matters has come; what becomes of the connection no longer does. */
  #isRead = false

  constructor({ provider, timeoutMs, bounds, redactor, streamed, url }: ExchangeOptions, settle: (sent: Sent) => void) {
    this.#caller = `replies of ${provider}`
    this.#timeoutMs = timeoutMs
    this.#bounds = bounds
    this.#streamed = streamed
    this.#url = url
    this.#body = new ReplyReader(bounds, redactor)
    this.#redactor = redactor
    this.#settle = settle
    this.#timeout = new Timeout(timeoutMs, () => this.#timeOut())
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Settled while it waited for a connection: aborted here, nothing of it is written.
    if (this.#isSettled) controller.abort(new Error('no longer wanted'))
    else this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ReceivedHeaders): void {
    if (status < 200) return
    this.#status = status
    this.#headers = this.#redactor.redactHeaders(stringHeaders(headers))
    this.#encoding = this.#headers['content-encoding']
    if (this.#streamed !== undefined && isEventStream(this.#headers)) this.#beginStream(status, this.#streamed.listener)
    if (Number(this.#headers['content-length']) > this.#bounds.maxReplyBytes) this.#refuseSize(controller)
  }

  #beginStream(status: number, listener: ReplyListener | undefined): void {
    this.#body = new StreamedReply(this.#bounds, this.#redactor, listener)
    if (status < 300) listener?.begun({ status, headers: this.#headers })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isRead) return
    const startedAt = performance.now()
    this.#bytes += chunk.length
    if (this.#bytes > this.#bounds.maxReplyBytes) this.#refuseSize(controller)
    else if (this.#encoding !== undefined) this.#encoded.push(chunk)
    else this.#read(controller, chunk)
    if (this.#isSettled || this.#isRead) return
    countRead({ caller: this.#caller, bytes: chunk.length, soFar: this.#bytes, tookMs: performance.now() - startedAt }, controller)
  }

  #read(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body.write(chunk)
    if (this.#body.isWanted) return
    this.#conclude()
    controller.abort(new Error('the reply is not what a vendor sends'))
  }

  onResponseEnd(): void {
    if (this.#isSettled || this.#encoding === undefined || this.#bytes === 0) {
      this.#conclude()
      return
    }
    // All of it is here: how long it waits to be unpacked is no silence of the vendor's.
    this.#isRead = true
    this.#timeout.stop()
    const packed = { pieces: this.#encoded, encoding: this.#encoding, maxBytes: this.#bounds.maxReplyBytes, caller: this.#caller }
    readPacked(this.#body, packed).then(
      (body) => this.#reply(body),
      (error: unknown) => this.#readAsItIs(`the reply could not be decompressed: ${reasonOf(error)}`),
    )
  }

  /** A label can be wrong: what is JSON as it came was never compressed, and what a decoder made of it is nothing. */
  async #readAsItIs(reason: string): Promise<void> {
    if (this.#body instanceof StreamedReply) {
      if (this.#body.hasEvents) return this.#lose(reason)
      this.#body = new StreamedReply(this.#bounds, this.#redactor, this.#streamed?.listener)
    } else {
      this.#body.abandon()
      this.#body = new ReplyReader(this.#bounds, this.#redactor)
    }
    const { body, isJson, standIns } = await readPieces(this.#body, this.#encoded, this.#caller)
    if (isJson) this.#finish({ kind: 'reply', reply: { ...this.#start(), body }, standIns })
    else this.#finish({ kind: 'lost', reason })
  }

  #conclude(): void {
    if (this.#isSettled || this.#isRead) return
    this.#isRead = true
    this.#timeout.stop()
    const body = this.#body.end()
    if (body instanceof Promise) void body.then((parsed) => this.#reply(parsed))
    else this.#reply(body)
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (this.#isRead) return
    if (this.#controller !== null) this.#lose(reasonOf(error))
    else if (error instanceof BlockedAddressError) this.#finish({ kind: 'refused', reason: error.message, mayPass: error.mayPass })
    else this.#finish({ kind: 'unsent', reason: reasonOf(error) })
  }

  #timeOut(): void {
    if (this.#controller === null) {
      this.#finish({ kind: 'unsent', reason: `no connection within ${this.#timeoutMs} ms` })
      return
    }
    const reason = this.#status === 0 ? `no reply within ${this.#timeoutMs} ms` : `no whole reply within ${this.#timeoutMs} ms`
    this.#lose(reason)
    this.#controller.abort(new Error(reason))
  }

  #refuseSize(controller: Dispatcher.DispatchController): void {
    const reason = `the reply is larger than ${this.#bounds.maxReplyBytes} bytes`
    this.#lose(reason)
    controller.abort(new Error(reason))
  }

  #reply({ body, isJson, refusal, standIns }: ParsedBody): void {
    if (!isJson && refusal === undefined && typeof body === 'string' && this.#mayBreakOff() && /^\s*[[{]/.test(body))
      this.#finish({ kind: 'lost', reason: 'the reply broke off' })
    else this.#finish({ kind: 'reply', reply: { ...this.#start(), body }, standIns })
  }

  /** Without a length or chunks, the end of a reply and a broken connection are alike. */
  #mayBreakOff(): boolean {
    return this.#headers['content-length'] === undefined && this.#headers['transfer-encoding'] === undefined
  }

  /** What had come of a streamed reply may say all there is to know. */
  #lose(reason: string): void {
    if (this.#isSettled) return
    if (!(this.#body instanceof StreamedReply)) {
      this.#body.abandon()
      this.#finish({ kind: 'lost', reason })
      return
    }
    this.#isRead = true
    this.#timeout.stop()
    const start = this.#start()
    void this.#body.brokenOff().then(({ body, standIns }) => this.#finish({ kind: 'lost', reason, begun: { ...start, body }, standIns }))
  }

  #start(): Omit<Reply, 'body'> {
    return { status: this.#status, headers: this.#headers, url: this.#url }
  }

  #finish(sent: Sent): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#timeout.stop()
    this.#settle(sent.kind === 'reply' ? sent : { ...sent, reason: shownReason(sent.reason, this.#redactor) })
  }
}
