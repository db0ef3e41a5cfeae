import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isTerminal } from '#contract'
import type { Comparison, ComparisonRow } from '#contract'
import type { Compare } from '../../core/comparisons/compare.ts'
import type { Run } from '../../core/generation/run.ts'
import type { Clock, Store } from '../../core/ports.ts'
import { hasEnded } from '../../core/present/comparison.ts'
import { nothingMore, openEventStream } from '../event-stream.ts'
import type { EventStream } from '../event-stream.ts'
import { requireOwned } from '../owned.ts'
import { forThisRequest } from '../request-context.ts'

export interface ComparisonEventDependencies {
  readonly compare: Pick<Compare, 'show'>
  readonly run: Pick<Run, 'watch'>
  readonly store: Pick<Store, 'comparison'>
  readonly clock: Pick<Clock, 'after'>
}

/** The last part of the last event’s id. */
const END = 'end'

/** Server-Sent Events of one comparison: a `row` whenever a provider's part has ended, then the end of the whole. */
export const comparisonEventRoutes: FastifyPluginAsyncZod<ComparisonEventDependencies> = async (app, deps) => {
  const schema = {
    operationId: 'streamComparison',
    summary: 'A comparison’s rows as they finish, as Server-Sent Events',
    description:
      'A `row` event for each provider whose part has ended, in the order they ended, `data` being its row of the summary as far as it is known then; at last `succeeded` or `failed`, whose `data` is the whole comparison. `Last-Event-ID` resumes, and is answered with 204 after the last.',
    tags: ['money'],
    params: z.object({ id: z.string().max(100) }),
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,3}(\.\d{1,3}){0,99}(\.end)?$/)
        .optional()
        .meta({ description: 'The last event’s id, unchanged.' }),
    }),
    response: {
      200: { description: 'Events until the end.', content: { 'text/event-stream': { schema: z.string() } } },
      204: z.null().meta({ description: 'The caller has had the last event.' }),
    },
  }

  app.get('/v1/comparisons/:id/events', { schema, config: { access: 'read' } }, async (request, reply) => {
    const { id } = request.params
    requireOwned(await deps.store.comparison(id), request.caller, 'comparison', id)
    const sent = (request.headers['last-event-id'] ?? '').split('.').filter((rowNumber) => rowNumber !== '')
    if (sent.at(-1) === END) return nothingMore(reply)
    const rows = new RowStream(deps, id, sent)
    const stream = openEventStream(reply, { clock: deps.clock, onClosed: () => rows.stop(), onHeartbeat: () => rows.read() })
    rows.start(stream, (error) => request.log.error({ err: error }, 'the events of a comparison broke off'))
  })
}

/** Sends each row once, as soon as it has ended, and then the end. */
class RowStream {
  readonly #deps: ComparisonEventDependencies
  readonly #id: string
  /** An event's id names the rows sent so far by their numbers: whatever order they end in, a resumed stream sends exactly the others. */
  readonly #sent: string[]
  readonly #watched = new Map<string, () => void>()
  #stream: EventStream | null = null
  #onBroken: (error: unknown) => void = () => {}
  #isReading = false
  #again = false

  constructor(deps: ComparisonEventDependencies, id: string, sent: string[]) {
    this.#deps = deps
    this.#id = id
    this.#sent = sent
  }

  start(stream: EventStream, onBroken: (error: unknown) => void): void {
    this.#stream = stream
    this.#onBroken = onBroken
    this.read()
  }

  stop(): void {
    this.#stream = null
    for (const stopWatching of this.#watched.values()) stopWatching()
    this.#watched.clear()
  }

  /** One reading at a time, and another after it where something ended meanwhile. */
  read(): void {
    this.#again = true
    if (!this.#isReading) void this.#readAll()
  }

  async #readAll(): Promise<void> {
    this.#isReading = true
    try {
      while (this.#again && this.#stream) {
        this.#again = false
        const comparison = await this.#deps.compare.show(this.#id)
        // Watched before it is read for sending, so that nothing falls between.
        if (comparison && this.#watchAll(comparison)) this.#again = true
        else if (comparison) this.#send(comparison)
      }
    } catch (error) {
      this.#onBroken(error)
      this.#stream?.end()
    } finally {
      this.#isReading = false
    }
  }

  #send(comparison: Comparison): void {
    const stream = this.#stream
    if (!stream) return
    for (const { row, rowNumber } of endedRows(comparison)) {
      if (this.#sent.includes(rowNumber)) continue
      this.#sent.push(rowNumber)
      stream.send('row', row, this.#sent.join('.'))
    }
    if (comparison.status === 'running') return
    stream.send(comparison.status, comparison, [...this.#sent, END].join('.'))
    stream.end()
  }

  #watchAll({ generations }: Comparison): boolean {
    if (!this.#stream) return false
    const fresh = generations.filter((generation) => !this.#watched.has(generation.id))
    for (const generation of fresh) {
      const stopWatching = this.#deps.run.watch(
        generation.id,
        forThisRequest(({ status }) => {
          if (isTerminal(status)) this.read()
        }),
      )
      this.#watched.set(generation.id, stopWatching)
    }
    return fresh.length > 0
  }
}

/** Those that ended first come first; what was never begun had ended before. */
function endedRows({ summary, generations }: Comparison): readonly { readonly row: ComparisonRow; readonly rowNumber: string }[] {
  const endOf = ({ generation_id: id }: ComparisonRow) => generations.find((generation) => generation.id === id)?.completed_at ?? ''
  return summary
    .map((row, index) => ({ row, rowNumber: String(index), end: endOf(row) }))
    .filter(({ row }) => hasEnded(row))
    .toSorted((one, other) => (one.end < other.end ? -1 : one.end > other.end ? 1 : 0))
}
