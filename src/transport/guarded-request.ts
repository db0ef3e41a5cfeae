import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { BlockedAddressError } from './guard.ts'
import { type ReceivedHeaders, stringHeaders } from './headers.ts'
import type { Dispatches } from './origin-pools.ts'
import { reasonOf } from './reason.ts'
import { Timeout } from './timeout.ts'

/** Why a body's stream failed. `too_large`: more than was allowed; `stream`: it broke on the way or took too long. */
export class DownloadError extends Error {
  readonly reason: 'too_large' | 'stream'
  constructor(reason: DownloadError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

export interface GuardedRequest {
  readonly url: URL
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | Readable
  /** Without a byte for so long it fails; what its reader holds up does not count. No limit where it is absent. */
  readonly silenceMs?: number
  /** From now to the last byte of the answer; no limit where it is absent. */
  readonly timeoutMs?: number
  readonly maxBytes: number
}

/** The body must be consumed or destroyed; it fails with `DownloadError`. */
export type Answer =
  | { readonly kind: 'answer'; readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Readable }
  | { readonly kind: 'refused'; readonly reason: string; readonly mayPass: boolean }
  | { readonly kind: 'failed'; readonly reason: string }

/** Asks a server nobody vouches for, through a guarded agent. Follows nothing, adds nothing, never throws. */
export function ask(agent: Dispatches, request: GuardedRequest): Promise<Answer> {
  return new Promise((resolve) => {
    const handler = new AnswerHandler(request, resolve)
    const { url, method, headers, body } = request
    try {
      agent.dispatch(
        { origin: url.origin, path: url.pathname + url.search, method, headers, ...(body === undefined ? {} : { body }) },
        handler,
      )
    } catch (error) {
      handler.onResponseError(null, error)
    }
  })
}

class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #request: GuardedRequest
  readonly #resolve: (answer: Answer) => void
  readonly #timers: Timers
  #controller: Dispatcher.DispatchController | null = null
  #body: AnswerBody | null = null
  #isGivenUp = false
  #bytes = 0

  constructor(request: GuardedRequest, resolve: (answer: Answer) => void) {
    this.#request = request
    this.#resolve = resolve
    this.#timers = new Timers(request, (reason) => this.#timeOut(reason))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isGivenUp) controller.abort(new Error('no longer wanted'))
    else this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ReceivedHeaders): void {
    if (status < 200) return
    this.#timers.silence?.touch()
    this.#body = new AnswerBody(controller, this.#timers)
    this.#resolve({ kind: 'answer', status, headers: stringHeaders(headers), body: this.#body })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#timers.silence?.touch()
    const { maxBytes } = this.#request
    if (this.#bytes > maxBytes) this.#body?.destroy(new DownloadError('too_large', `the body is larger than ${maxBytes} bytes`))
    else if (this.#body?.push(chunk) === false) {
      this.#timers.silence?.hold()
      controller.pause()
    }
  }

  onResponseEnd(): void {
    this.#timers.stop()
    this.#body?.push(null)
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (error instanceof BlockedAddressError) this.#fail({ kind: 'refused', reason: error.message, mayPass: error.mayPass })
    else this.#fail({ kind: 'failed', reason: reasonOf(error) })
  }

  #timeOut(reason: string): void {
    this.#isGivenUp = true
    this.#fail({ kind: 'failed', reason: reason })
    this.#controller?.abort(new Error(reason))
  }

  #fail(answer: Exclude<Answer, { kind: 'answer' }>): void {
    this.#timers.stop()
    if (this.#body === null) this.#resolve(answer)
    else this.#body.destroy(new DownloadError('stream', answer.reason))
  }
}

class Timers {
  readonly silence: Timeout | null
  readonly #whole: Timeout | null

  constructor({ silenceMs, timeoutMs }: GuardedRequest, onTimeout: (reason: string) => void) {
    this.silence = silenceMs === undefined ? null : new Timeout(silenceMs, () => onTimeout(`no byte came for ${silenceMs} ms`))
    this.#whole = timeoutMs === undefined ? null : new Timeout(timeoutMs, () => onTimeout('not done in time'))
  }

  stop(): void {
    this.silence?.stop()
    this.#whole?.stop()
  }
}

class AnswerBody extends Readable {
  readonly #controller: Dispatcher.DispatchController
  readonly #timers: Timers

  constructor(controller: Dispatcher.DispatchController, timers: Timers) {
    super({ highWaterMark: 64 * 1_024 })
    this.#controller = controller
    this.#timers = timers
    // It may fail before its consumer listens; the consumer still finds the error on the stream.
    this.on('error', () => {})
  }

  override _read(): void {
    this.#timers.silence?.touch()
    this.#controller.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#timers.stop()
    this.#controller.abort(error ?? new Error('the body is not wanted'))
    callback(error)
  }
}
