import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isTerminal } from '#contract'
import type { GenerationRecord } from '../../core/records.ts'
import { viewOf } from '../../core/present/generation.ts'
import type { AppDependencies } from '../app.ts'
import { openEventStream } from '../event-stream.ts'
import { owned } from './generations.ts'

/** Server-Sent Events of one generation: its timeline from the start, or after `Last-Event-ID`; ends after the terminal event. */
export const generationEventRoutes: FastifyPluginAsyncZod<AppDependencies> = async (app, deps) => {
  const schema = {
    summary: 'State changes and progress as Server-Sent Events',
    description:
      'Each event’s `id` is its number in the timeline; `Last-Event-ID` resumes after it. `data` holds status, progress (0…1) and provider; the terminal event’s `data` is the whole generation.',
    tags: ['generations'],
    params: z.object({ id: z.string().max(100) }),
    headers: z.object({ 'last-event-id': z.coerce.number().int().min(0).optional() }),
    produces: ['text/event-stream'],
  }

  app.get('/v1/generations/:id/events', { schema }, async (request, reply) => {
    const { id } = request.params
    const record = await owned(deps, id, request.gatewayKey)
    let sent = request.headers['last-event-id'] ?? 0
    const stream = openEventStream(reply, deps.clock, () => stopWatching())
    const tell = (current: GenerationRecord) => {
      for (const entry of current.timeline) {
        if (entry.seq <= sent) continue
        sent = entry.seq
        const isLast = isTerminal(current.status) && entry.type === current.status
        const { type, provider, progress } = entry
        const change = { id, type, at: new Date(entry.at).toISOString(), provider, progress }
        stream.send(entry.seq, type, isLast ? viewOf(current, deps.publicUrl()) : change)
      }
      if (isTerminal(current.status)) stream.end()
    }
    const stopWatching = deps.run.watch(id, tell)
    // Read again after the watch began, so that nothing falls between.
    tell((await deps.store.generation(id)) ?? record)
  })
}
