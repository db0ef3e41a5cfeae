import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isTerminal } from '#contract'
import type { Comparison, ComparisonRow } from '#contract'
import type { ComparisonRecord } from '../../core/records.ts'
import { hasEnded } from '../../core/present/comparison.ts'
import type { AppDependencies } from '../app.ts'
import { openEventStream } from '../event-stream.ts'
import { HttpProblem } from '../problem.ts'

/** Server-Sent Events of one comparison: a `row` whenever a provider's part has ended, then the end of the whole. */
export const comparisonEventRoutes: FastifyPluginAsyncZod<AppDependencies> = async (app, deps) => {
  const schema = {
    summary: 'A comparison’s rows as they finish, as Server-Sent Events',
    description:
      'A `row` event for each provider whose part has ended, in the order they ended, `data` being its row of the summary as far as it is known then; at last `succeeded` or `failed`, whose `data` is the whole comparison. `Last-Event-ID` resumes.',
    tags: ['money'],
    params: z.object({ id: z.string().max(100) }),
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,3}(\.\d{1,3}){0,99}$/)
        .optional()
        .meta({ description: 'The last event’s id, unchanged.' }),
    }),
    produces: ['text/event-stream'],
  }

  app.get('/v1/comparisons/:id/events', { schema }, async (request, reply) => {
    const { id } = await ownedComparison(deps, request.params.id, request.gatewayKey)
    // An id names the rows told so far by their places: whatever order they end in, a resumed stream tells exactly the others.
    const told = (request.headers['last-event-id'] ?? '').split('.').filter((place) => place !== '')
    const watched = new Map<string, () => void>()
    let finished = false
    const leave = () => {
      finished = true
      for (const stopWatching of watched.values()) stopWatching()
      watched.clear()
    }
    const stream = openEventStream(reply, deps.clock, leave, () => look())
    const write = (event: string, data: object) => stream.send(told.join('.'), event, data)

    const tell = (comparison: Comparison) => {
      for (const { row, place } of endedRows(comparison)) {
        if (told.includes(place)) continue
        told.push(place)
        write('row', row)
      }
      if (comparison.status === 'running' || finished) return
      write(comparison.status, comparison)
      stream.end()
    }

    /** One look at a time, and another after it where something ended meanwhile. */
    let isLooking = false
    let again = false
    const look = (): void => {
      again = true
      if (!isLooking) void keepLooking()
    }
    const keepLooking = async () => {
      isLooking = true
      try {
        while (again) {
          again = false
          if (finished) return
          const comparison = await deps.compare.show(id)
          // Watched before it is read for telling, so that nothing falls between.
          if (comparison && watchAll(comparison)) again = true
          else if (comparison) tell(comparison)
        }
      } catch (error) {
        request.log.error({ err: error }, 'the events of a comparison broke off')
        stream.end()
      } finally {
        isLooking = false
      }
    }
    const watchAll = ({ generations }: Comparison): boolean => {
      const fresh = generations.filter((generation) => !watched.has(generation.id))
      for (const generation of fresh) {
        const stopWatching = deps.run.watch(generation.id, ({ status }) => {
          if (isTerminal(status)) look()
        })
        watched.set(generation.id, stopWatching)
      }
      return fresh.length > 0
    }
    look()
  })
}

/** Those that ended first come first; what was never begun had ended before. */
function endedRows({ summary, generations }: Comparison): readonly { readonly row: ComparisonRow; readonly place: string }[] {
  const endOf = ({ generation_id: id }: ComparisonRow) => generations.find((generation) => generation.id === id)?.completed_at ?? ''
  return summary
    .map((row, index) => ({ row, place: String(index), end: endOf(row) }))
    .filter(({ row }) => hasEnded(row))
    .toSorted((one, other) => (one.end < other.end ? -1 : one.end > other.end ? 1 : 0))
}

/** A key sees its own comparisons only; another's is as if it were not there. */
export async function ownedComparison(
  { store }: Pick<AppDependencies, 'store'>,
  id: string,
  key: string | null,
): Promise<ComparisonRecord> {
  const record = await store.comparison(id)
  if (!record || (key !== null && record.key !== key)) throw noComparison(id)
  return record
}

export const noComparison = (id: string) => new HttpProblem({ code: 'not_found', detail: `There is no comparison ${id.slice(0, 100)}.` })
