import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isTerminal } from '#contract'
import type { GenerationRecord } from '../../core/records.ts'
import type { Run } from '../../core/generation/run.ts'
import type { Clock, Store } from '../../core/ports.ts'
import { viewOf } from '../../core/present/generation.ts'
import type { PartialView } from '../../core/generation/watchers.ts'
import { nothingMore, openEventStream } from '../event-stream.ts'
import { requireOwned } from '../owned.ts'
import { iso } from '../../core/instant.ts'
import type { ImageLinks } from '../../core/present/image-link.ts'
import { forThisRequest } from '../request-context.ts'
import { PARTIAL_IMAGE, partialChange } from './partial-image.ts'

export interface GenerationEventDependencies {
  readonly run: Pick<Run, 'watch' | 'watchPartials'>
  readonly store: Pick<Store, 'generation'>
  readonly clock: Pick<Clock, 'after'>
  readonly links: ImageLinks
}

/** Server-Sent Events of one generation: its timeline from the start, or after `Last-Event-ID`; ends after the terminal event. */
export const generationEventRoutes: FastifyPluginAsyncZod<GenerationEventDependencies> = async (app, deps) => {
  const schema = {
    operationId: 'streamGeneration',
    summary: 'State changes and progress as Server-Sent Events',
    description:
      'Each event’s `id` is its number in the timeline; `Last-Event-ID` resumes after it, and is answered with 204 after the last. `data` holds status, progress (0…1) and provider; the terminal event’s `data` is the whole generation. Where the provider shows images on their way (a provider option, `partial_images`), `partial_image` events carry them in `partial_image: { attempt, index, format, b64_json }`, beside `id`, `type`, `at`, `provider` and `progress: null`: the attempt’s number from 1, the image’s from 0 as the vendor counts, `jpeg`, `png` or `webp`, and its bytes in base64. They are no results, bear the id of the event before, and are neither stored nor sent again.',
    tags: ['generations'],
    params: z.object({ id: z.string().max(100) }),
    headers: z.object({ 'last-event-id': z.coerce.number().int().min(0).optional() }),
    response: {
      200: { description: 'Events until the end.', content: { 'text/event-stream': { schema: z.string() } } },
      204: z.null().meta({ description: 'The caller has had the last event.' }),
    },
  }

  app.get('/v1/generations/:id/events', { schema, config: { access: 'read', isStream: true } }, async (request, reply) => {
    const { id } = request.params
    const record = requireOwned(await deps.store.generation(id), request.caller, 'generation', id)
    let sent = request.headers['last-event-id'] ?? 0
    if (hasEnded(record) && sent >= lastEvent(record)) return nothingMore(reply)
    const stream = openEventStream(reply, { clock: deps.clock, untilKeyEnds: request.untilKeyEnds, onClosed: () => stop() })
    const send = (current: GenerationRecord) => {
      for (const entry of current.timeline) {
        if (entry.seq <= sent) continue
        sent = entry.seq
        const isLast = hasEnded(current) && entry.type === current.status
        const { type, provider, progress } = entry
        const change = { id, type, at: iso(entry.at), provider, progress }
        stream.send(type, isLast ? viewOf(current, deps.links) : change, entry.seq)
      }
      if (hasEnded(current)) stream.end()
    }
    const stopWatching = deps.run.watch(id, forThisRequest(send))
    const showPartial = (partial: PartialView) => stream.offer(PARTIAL_IMAGE, partialChange(id, partial), sent)
    const stopPartials = deps.run.watchPartials(id, forThisRequest(showPartial))
    const stop = () => {
      stopWatching()
      stopPartials()
    }
    // Read again after the watch began, so that nothing falls between.
    send((await deps.store.generation(id)) ?? record)
  })
}

const hasEnded = ({ status }: GenerationRecord): boolean => isTerminal(status)

const lastEvent = ({ timeline }: GenerationRecord): number => timeline.at(-1)?.seq ?? 0
