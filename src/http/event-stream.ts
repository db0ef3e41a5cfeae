import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Clock, InPieces } from '../core/ports.ts'
import { releaseAtEnd } from './read-body.ts'
import type { UntilKeyEnds } from './request-context.ts'

const HEARTBEAT_MS = 15_000
const MOST_UNREAD_BYTES = 1_024 * 1_024
const LITTLE_UNREAD_BYTES = MOST_UNREAD_BYTES / 2
/** Heartbeats that may go by while something waits to be read: a minute. */
const MOST_UNREAD_HEARTBEATS = 4

/** One client's Server-Sent Events, kept alive by comments while nothing happens. After the end, or once the client is gone, nothing is sent. */
export interface EventStream {
  /** `id` is what a client that reconnects sends as `Last-Event-ID`. */
  send(event: string, data: object, id?: string | number): void
  /** As `send`, of JSON that many streams may share. */
  sendJson(event: string, json: Uint8Array, id?: string | number): void
  /** As `send`, where the client has read nearly everything before it: what only matters now is left out for one that is behind. */
  offer(event: string, data: object, id?: string | number): void
  /** As `send`, of JSON that may be made while it is sent; resolves once all of it was taken, or nobody takes it any more. */
  sendWritten(event: string, data: string | InPieces): Promise<void>
  /** A line that clients skip. */
  comment(text: string): void
  end(): void
}

export interface EventStreamOptions {
  readonly clock: Pick<Clock, 'after'>
  /** Nothing more is sent to a key that counts no more. */
  readonly untilKeyEnds: UntilKeyEnds
  /** Called once, when the client goes or the stream ends. */
  readonly onClosed?: () => void
  /** Called at each heartbeat. */
  readonly onHeartbeat?: () => void
}

/** `Cache-Control` of a stream: a proxy that packs it would hold events back. */
export const KEPT_AND_CHANGED_BY_NOBODY = 'no-store, no-transform'

/** The answer, of which the head is written. */
function takenOver(reply: FastifyReply): ServerResponse {
  const headers = Object.fromEntries(Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined))
  reply.hijack()
  releaseAtEnd(reply)
  return reply.raw.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': KEPT_AND_CHANGED_BY_NOBODY,
    'x-accel-buffering': 'no',
  })
}

/** Takes the answer over: 200 with the reply's headers, then events until `end`. */
export function openEventStream(reply: FastifyReply, { clock, untilKeyEnds, onClosed, onHeartbeat }: EventStreamOptions): EventStream {
  const raw = takenOver(reply)
  let isOpen = true
  let unread = 0
  const backlog = new Backlog(raw)
  /** What came while an event was made, since nothing may stand in the middle of one; null where none is made. */
  let held: (string | Uint8Array)[] | null = null
  const write = (text: string | Uint8Array) => {
    if (!isOpen) return
    if (held !== null) return void held.push(text)
    backlog.write(text)
    // Whoever reads nothing of it does not fill our memory; a client that comes back resumes with Last-Event-ID.
    if (backlog.isTooLong) raw.destroy()
  }
  const comment = (text: string) => {
    if (held === null) write(`: ${text}\n\n`)
  }
  const keepAlive = () => {
    unread = raw.writableLength > 0 ? unread + 1 : 0
    if (unread > MOST_UNREAD_HEARTBEATS) return void raw.destroy()
    comment('still here')
    onHeartbeat?.()
    if (isOpen) stopHeartbeat = clock.after(HEARTBEAT_MS, keepAlive)
  }
  let stopHeartbeat = clock.after(HEARTBEAT_MS, keepAlive)
  const close = () => {
    if (!isOpen) return
    isOpen = false
    stopHeartbeat()
    stopWatching()
    onClosed?.()
  }
  const end = () => {
    close()
    raw.end()
  }
  const stopWatching = untilKeyEnds(end)
  raw.on('close', close)
  // The headers go out now, so that a client knows it is connected before the first event.
  raw.flushHeaders()
  const sendInPieces = async (event: string, { pieces }: InPieces) => {
    write(`event: ${event}\ndata: `)
    const after: (string | Uint8Array)[] = (held = [])
    await writeAll(raw, pieces(), () => (unread = 0))
    held = null
    write('\n\n')
    after.forEach(write)
  }
  return {
    async sendWritten(event, data) {
      if (typeof data === 'string') write(textOf(event, data))
      else if (isOpen) await sendInPieces(event, data)
    },
    send: (event, data, id) => write(textOf(event, JSON.stringify(data), id)),
    sendJson: (event, json, id) => inOnePacket(raw, () => [headOf(event, id), json, '\n\n'].forEach(write)),
    offer(event, data, id) {
      if (isOpen && raw.writableLength <= LITTLE_UNREAD_BYTES) write(textOf(event, JSON.stringify(data), id))
    },
    comment,
    end,
  }
}

/** What was written and is not read yet. One large event takes a while also where somebody reads, and is no sign that nobody does. */
class Backlog {
  readonly #raw: ServerResponse
  #largeBytes = 0
  #writes = 0

  constructor(raw: ServerResponse) {
    this.#raw = raw
  }

  get isTooLong(): boolean {
    return this.#raw.writableLength - this.#largeBytes > MOST_UNREAD_BYTES
  }

  write(text: string | Uint8Array): void {
    if (text.length > LITTLE_UNREAD_BYTES) this.#largeBytes = Math.max(this.#largeBytes, Buffer.byteLength(text))
    this.#writes += 1
    this.#raw.write(text, () => {
      this.#writes -= 1
      if (this.#writes === 0) this.#largeBytes = 0
    })
  }
}

function inOnePacket(raw: ServerResponse, work: () => void): void {
  raw.cork()
  work()
  raw.uncork()
}

const headOf = (event: string, id?: string | number): string => `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: `

const textOf = (event: string, json: string, id?: string | number): string => `${headOf(event, id)}${json}\n\n`

/** Each piece once the one before it was taken. Where one cannot be made, the answer breaks off and is seen to. */
async function writeAll(raw: ServerResponse, pieces: AsyncIterable<Uint8Array>, onTaken: () => void): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (raw.destroyed || raw.writableEnded) return
      if (!raw.write(piece)) await taken(raw)
      onTaken()
    }
  } catch {
    raw.destroy()
  }
}

const taken = (raw: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      raw.off('drain', done).off('close', done)
      resolve()
    }
    raw.on('drain', done).on('close', done)
  })

/** For a client that reconnects after it received the last event: 204 ends an EventSource's reconnecting. */
export const nothingMore = (reply: FastifyReply): FastifyReply => reply.code(204).send()
