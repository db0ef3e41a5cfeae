import type { FastifyReply } from 'fastify'
import type { GenerationRecord } from '../../../core/records.ts'
import { viewOf } from '../../../core/present/generation.ts'
import type { AppDependencies } from '../../app.ts'
import type { CompletedEvent } from './images-response.ts'
import type { OpenaiProblem } from './problems.ts'

const HEARTBEAT_MS = 15_000

const EVENT_STREAM = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

/** One event as OpenAI writes it: its type is both the event's name and a field of its data. */
const eventText = (event: CompletedEvent): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`

/** After the headers are sent an error is an event of its own, which OpenAI's SDKs throw. */
const errorText = ({ body }: OpenaiProblem): string => `event: error\ndata: ${JSON.stringify({ type: 'error', ...body })}\n\n`

/** The whole stream at once, for a generation that has ended before anything was sent. */
export const sendEvents = (reply: FastifyReply, events: readonly CompletedEvent[]): FastifyReply =>
  reply.headers(EVENT_STREAM).send(events.map(eventText).join(''))

export interface OpenStream {
  end(result: readonly CompletedEvent[] | OpenaiProblem): void
}

/**
 * Sends the headers and keeps the line alive until the end is known. OpenAI documents no event for progress, so it is told in comments,
 * which every client skips.
 */
export function openStream(
  reply: FastifyReply,
  generationId: string,
  { run, clock, publicUrl }: Pick<AppDependencies, 'run' | 'clock' | 'publicUrl'>,
): OpenStream {
  const headers = Object.fromEntries(Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined))
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { ...headers, ...EVENT_STREAM })
  let told = ''
  const tell = (record: GenerationRecord) => {
    const { status, progress, provider } = viewOf(record, publicUrl())
    const text = `: ${JSON.stringify({ status, provider, progress })}\n\n`
    if (text !== told) raw.write((told = text))
  }
  let stopHeartbeat = () => {}
  const beat = () => {
    raw.write(': still here\n\n')
    stopHeartbeat = clock.after(HEARTBEAT_MS, beat)
  }
  const stopWatching = run.watch(generationId, tell)
  const stop = () => {
    stopWatching()
    stopHeartbeat()
  }
  raw.on('close', stop)
  beat()
  return {
    end(result) {
      stop()
      raw.end('body' in result ? errorText(result) : result.map(eventText).join(''))
    },
  }
}
