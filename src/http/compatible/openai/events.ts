import type { FastifyReply } from 'fastify'
import type { GenerationRecord } from '../../../core/records.ts'
import type { Run } from '../../../core/generation/run.ts'
import type { Clock } from '../../../core/ports.ts'
import { viewOf } from '../../../core/present/generation.ts'
import { openEventStream } from '../../event-stream.ts'
import type { InlineImages } from '../../inline-images.ts'
import type { CompletedEvent, PartialImageEvent } from './images-response.ts'
import type { OpenaiProblem } from './problems.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'
import { forThisRequest } from '../../request-context.ts'

export interface OpenStream {
  partial(event: PartialImageEvent): void
  /**
   * Resolves when all of it is sent, or the client is gone.
   * @param images those whose marks stand in the events
   */
  end(result: readonly CompletedEvent[] | OpenaiProblem, images: Pick<InlineImages, 'write'>): Promise<void>
}

export interface StreamDependencies {
  readonly run: Pick<Run, 'watch' | 'watchPartials'>
  readonly clock: Pick<Clock, 'after'>
  readonly links: ImageLinks
}

/** Sends the headers and keeps the line alive until the end is known. OpenAI documents no event for progress, so it is sent as comments. */
export function openStream(reply: FastifyReply, generationId: string, { run, clock, links }: StreamDependencies): OpenStream {
  let last = ''
  const sendProgress = (record: GenerationRecord) => {
    const { status, progress, provider } = viewOf(record, links)
    const text = JSON.stringify({ status, provider, progress })
    if (text !== last) stream.comment((last = text))
  }
  const stream = openEventStream(reply, { clock, untilKeyEnds: reply.request.untilKeyEnds, onClosed: () => stopWatching() })
  stream.comment('still here')
  const stopWatching = run.watch(generationId, forThisRequest(sendProgress))
  return {
    partial: (event) => stream.offer(event.type, event),
    async end(result, images) {
      // After the headers are sent an error is an event of its own, which OpenAI's SDKs throw.
      if ('body' in result) stream.send('error', { type: 'error', ...result.body })
      else for (const event of result) await stream.sendWritten(event.type, images.write(event))
      stream.end()
    },
  }
}
