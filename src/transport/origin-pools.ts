import type { IncomingHttpHeaders } from 'node:http'
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'

/** What a call or a download is sent by. */
export type Dispatches = Pick<Dispatcher, 'dispatch'>

/** Of origins that nobody asks at the moment; their connections are closed a few seconds later anyway. */
const MOST_IDLE = 64

interface Used {
  readonly pool: Pool
  /** Requests that have not ended. */
  open: number
}

/**
 * A pool of connections for each origin, as undici's own agent has them, and for as long as somebody uses it. That one keeps a pool for ever where
 * its requests were given up, and goes through all of them where one ends: whoever names links could fill the memory with origins.
 */
export class OriginPools implements Dispatches {
  readonly #options: Pool.Options
  readonly #used = new Map<string, Used>()
  /** The longest idle first. */
  readonly #idle = new Map<string, Pool>()
  #isClosed = false

  constructor(options: Pool.Options) {
    this.#options = options
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = String(options.origin)
    const used = this.#take(origin)
    const end = once(() => this.#leave(origin, used))
    try {
      return used.pool.dispatch(options, new Ending(handler, end))
    } catch (error) {
      end()
      throw error
    }
  }

  /** How many pools there are. */
  get size(): number {
    return this.#used.size + this.#idle.size
  }

  /** Refuses new requests, lets those in flight finish, then closes every connection. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...[...this.#used.values()].map(({ pool }) => pool), ...this.#idle.values()].map((pool) => pool.close()))
  }

  #take(origin: string): Used {
    const used = this.#used.get(origin) ?? { pool: this.#idle.get(origin) ?? this.#made(origin), open: 0 }
    this.#idle.delete(origin)
    this.#used.set(origin, used)
    used.open++
    return used
  }

  #made(origin: string): Pool {
    const pool = new Pool(origin, this.#options)
    if (this.#isClosed) void pool.close()
    return pool
  }

  #leave(origin: string, used: Used): void {
    if (--used.open > 0) return
    this.#used.delete(origin)
    if (this.#isClosed) return
    this.#idle.set(origin, used.pool)
    const [longest] = this.#idle
    if (this.#idle.size <= MOST_IDLE || longest === undefined) return
    this.#idle.delete(longest[0])
    void longest[1].close()
  }
}

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    work()
  }
}

/** Says when a request has ended, however it ended; all else is its handler's. */
class Ending implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #end: () => void

  constructor(handler: Dispatcher.DispatchHandler, end: () => void) {
    this.#handler = handler
    this.#end = end
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders, message?: string): void {
    this.#handler.onResponseStart?.(controller, status, headers, message)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#end()
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#end()
    this.#handler.onResponseError?.(controller, error)
  }
}
