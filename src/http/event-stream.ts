import type { FastifyReply } from 'fastify'
import type { Clock } from '../core/ports.ts'

const HEARTBEAT_MS = 15_000

/** One client's Server-Sent Events, kept alive by comments while nothing happens. */
export interface EventStream {
  send(id: string | number, event: string, data: object): void
  /** Ends the answer; the leaving is told as if the client had gone. */
  end(): void
}

/** Takes the answer over. `leave` is called once, when the client goes or the stream ends; `beat` at each heartbeat. */
export function openEventStream(reply: FastifyReply, clock: Clock, leave: () => void, beat: () => void = () => {}): EventStream {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
  let isOpen = true
  const keepAlive = () => {
    raw.write(': still here\n\n')
    beat()
    if (isOpen) stopHeartbeat = clock.after(HEARTBEAT_MS, keepAlive)
  }
  let stopHeartbeat = clock.after(HEARTBEAT_MS, keepAlive)
  const gone = () => {
    if (!isOpen) return
    isOpen = false
    stopHeartbeat()
    leave()
  }
  raw.on('close', gone)
  return {
    send(id, event, data) {
      if (isOpen) raw.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    },
    end() {
      gone()
      raw.end()
    },
  }
}
