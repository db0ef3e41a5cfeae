import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isTerminal } from '#contract'
import type { Comparison, ComparisonRow } from '#contract'
import type { GenerationRecord } from '../../core/records.ts'
import type { Run } from '../../core/generation/run.ts'
import type { Clock, Store } from '../../core/ports.ts'
import { hasEnded } from '../../core/present/comparison.ts'
import { amongMany } from '../../reading/turn-share.ts'
import { viewOf } from '../../core/present/generation.ts'
import { iso } from '../../core/instant.ts'
import type { ImageLinks } from '../../core/present/image-link.ts'
import { nothingMore, openEventStream } from '../event-stream.ts'
import type { EventStream } from '../event-stream.ts'
import { requireOwned } from '../owned.ts'
import { currentKey, forThisRequest } from '../request-context.ts'
import { EVENT_ID, Sent } from './comparison-event-id.ts'
import type { ComparisonReading, ComparisonReadings } from './comparison-readings.ts'
import { partialChange } from './partial-image.ts'

export interface ComparisonEventDependencies {
  readonly readings: ComparisonReadings
  readonly run: Pick<Run, 'watch' | 'watchPartials'>
  readonly store: Pick<Store, 'comparison' | 'generation'>
  readonly clock: Pick<Clock, 'after'>
  readonly links: ImageLinks
}

/** Server-Sent Events of one comparison: what happens to each of its generations, a `row` whenever one has ended, then the end of the whole. */
export const comparisonEventRoutes: FastifyPluginAsyncZod<ComparisonEventDependencies> = async (app, deps) => {
  const schema = {
    operationId: 'streamComparison',
    summary: 'A comparison’s generations, their progress and their rows, as Server-Sent Events',
    description:
      'A `generation` event for each state change and each progress of each generation: `data` is as in the generation’s own stream, `type` its kind, and `generation` the whole of it once it has ended. A `partial_image` among them is an image on its way, as in the generation’s own stream. A `row` event for each provider whose part has ended, in the order they ended, `data` being its row of the summary as far as it is known then; at last `succeeded` or `failed`, whose `data` is the whole comparison. `Last-Event-ID` resumes, and is answered with 204 after the last.',
    tags: ['money'],
    params: z.object({ id: z.string().max(100) }),
    headers: z.object({
      'last-event-id': z.string().max(2_000).regex(EVENT_ID).optional().meta({ description: 'The last event’s id, unchanged.' }),
    }),
    response: {
      200: { description: 'Events until the end.', content: { 'text/event-stream': { schema: z.string() } } },
      204: z.null().meta({ description: 'The caller has had the last event.' }),
    },
  }

  app.get('/v1/comparisons/:id/events', { schema, config: { access: 'read', isStream: true } }, async (request, reply) => {
    const { id } = request.params
    requireOwned(await deps.store.comparison(id), request.caller, 'comparison', id)
    const sent = Sent.read(request.headers['last-event-id'] ?? '')
    if (sent.isAll) return nothingMore(reply)
    const rows = new RowStream(deps, id, sent)
    const stream = openEventStream(reply, {
      clock: deps.clock,
      untilKeyEnds: request.untilKeyEnds,
      onClosed: () => rows.stop(),
      onHeartbeat: () => rows.readAnew(),
    })
    rows.start(stream, (error) => request.log.error({ err: error }, 'the events of a comparison broke off'))
  })
}

/** Sends each change of each generation once, each row once, as soon as it has ended, and then the end. */
class RowStream {
  readonly #deps: ComparisonEventDependencies
  readonly #id: string
  readonly #sent: Sent
  readonly #whose = currentKey()
  readonly #watched = new Map<string, () => void>()
  /** The generations whose end was heard. */
  readonly #ended = new Set<string>()
  #stream: EventStream | null = null
  #onBroken: (error: unknown) => void = () => {}
  #isReading = false
  #again = false
  #anew = false

  constructor(deps: ComparisonEventDependencies, id: string, sent: Sent) {
    this.#deps = deps
    this.#id = id
    this.#sent = sent
  }

  start(stream: EventStream, onBroken: (error: unknown) => void): void {
    this.#stream = stream
    this.#onBroken = onBroken
    this.readAnew()
  }

  stop(): void {
    this.#stream = null
    for (const stopWatching of this.#watched.values()) stopWatching()
    this.#watched.clear()
  }

  /** Whatever was read before, as it is from now on. */
  readAnew(): void {
    this.#anew = true
    this.#read()
  }

  /** One reading at a time, and another after it where something ended meanwhile. */
  #read(): void {
    this.#again = true
    if (!this.#isReading) void this.#readAll()
  }

  async #readAll(): Promise<void> {
    this.#isReading = true
    try {
      // Watched before it is read for sending, so that nothing falls between; which generations there are may have been read before.
      const first = this.#watched.size === 0 ? await this.#deps.readings.since(this.#id, this.#ended) : null
      if (first) this.#watchAll(first.comparison)
      while (this.#again && this.#stream) {
        this.#again = false
        const reading = await (this.#anew ? this.#deps.readings.fresh(this.#id) : this.#deps.readings.since(this.#id, this.#ended))
        this.#anew = false
        if (reading && this.#watchAll(reading.comparison)) this.#again = this.#anew = true
        else if (reading) await amongMany(this.#whose, () => this.#send(reading))
      }
    } catch (error) {
      this.#onBroken(error)
      this.#stream?.end()
    } finally {
      this.#isReading = false
    }
  }

  #send({ comparison, records, json }: ComparisonReading): void {
    const { summary } = comparison
    for (const record of records) this.#sendChanges(record, rowOf(summary, record.id))
    const stream = this.#stream
    if (!stream) return
    for (const row of endedRows(comparison)) {
      const sent = this.#sent.row(row)
      if (sent.isEnded) continue
      sent.isEnded = true
      stream.sendJson('row', json(summary[row] ?? {}), this.#sent.id())
    }
    if (comparison.status === 'running') return
    this.#sent.isAll = true
    stream.sendJson(comparison.status, json(comparison), this.#sent.id())
    stream.end()
  }

  #sendChanges(record: GenerationRecord, row: number): void {
    const sent = this.#sent.row(row)
    for (const { seq, type, at, provider, progress } of record.timeline) {
      if (seq <= sent.seq) continue
      sent.seq = seq
      const change = { id: record.id, type, at: iso(at), provider: provider ?? record.routes[0]?.provider ?? null, progress }
      const isLast = isTerminal(record.status) && type === record.status
      this.#stream?.send('generation', isLast ? { ...change, generation: viewOf(record, this.#deps.links) } : change, this.#sent.id())
    }
  }

  #watchAll({ generations, summary }: Comparison): boolean {
    if (!this.#stream) return false
    const fresh = generations.filter((generation) => !this.#watched.has(generation.id))
    for (const { id } of fresh) {
      const row = rowOf(summary, id)
      const stopWatching = this.#deps.run.watch(
        id,
        forThisRequest((record) => {
          this.#sendChanges(record, row)
          if (!isTerminal(record.status)) return
          this.#ended.add(id)
          this.#read()
        }),
      )
      const stopPartials = this.#deps.run.watchPartials(
        id,
        forThisRequest((partial) => this.#stream?.offer('generation', partialChange(id, partial), this.#sent.id())),
      )
      this.#watched.set(id, () => (stopWatching(), stopPartials()))
    }
    return fresh.length > 0
  }
}

const rowOf = (summary: readonly ComparisonRow[], generationId: string): number =>
  summary.findIndex(({ generation_id: id }) => id === generationId)

/** The numbers of the rows that have ended. Those that ended first come first; what was never begun had ended before. */
function endedRows({ summary, generations }: Comparison): readonly number[] {
  const endOf = ({ generation_id: id }: ComparisonRow) => generations.find((generation) => generation.id === id)?.completed_at ?? ''
  return summary
    .map((row, index) => ({ row, index, end: endOf(row) }))
    .filter(({ row }) => hasEnded(row))
    .toSorted((one, other) => (one.end < other.end ? -1 : one.end > other.end ? 1 : 0))
    .map(({ index }) => index)
}
