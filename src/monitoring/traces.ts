import { context, metrics, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Attributes, Context, Histogram, Tracer } from '@opentelemetry/api'
import type { Observer } from '../core/ports.ts'
import type { AttemptRecord, GenerationRecord } from '../core/records.ts'

const NAME = 'imagegate'

/**
 * OpenTelemetry spans and durations of generations, for the SDK that an operator loads into the process; without one nothing is made. The names
 * are those of the semantic conventions for generative AI (1.45). A generation can live through restarts, so its spans are made from its record
 * when it ends, with the times it had.
 */
export function createTraces(): Observer {
  const tracer = trace.getTracer(NAME)
  const duration = metrics
    .getMeter(NAME)
    .createHistogram('gen_ai.client.operation.duration', { unit: 's', description: 'From acceptance to end.' })
  return {
    submitted() {},
    taskEnded() {},
    generationEnded: (record) => report(tracer, duration, record),
  }
}

function report(tracer: Tracer, duration: Histogram, record: GenerationRecord): void {
  const endedAt = record.completedAt ?? record.createdAt
  const attributes = attributesOf(record)
  duration.record((endedAt - record.createdAt) / 1000, attributes)
  const parent = parentOf(record)
  const span = tracer.startSpan(
    `generate_content ${record.model}`,
    {
      kind: SpanKind.SERVER,
      startTime: record.createdAt,
      attributes: { ...attributes, ...detailsOf(record) },
    },
    parent,
  )
  if (!span.isRecording()) return
  for (const attempt of record.attempts) reportAttempt(tracer, record, attempt, trace.setSpan(parent, span))
  if (record.error) span.setStatus({ code: SpanStatusCode.ERROR, message: record.error.code })
  span.end(endedAt)
}

function reportAttempt(tracer: Tracer, record: GenerationRecord, attempt: AttemptRecord, parent: Context): void {
  const route = record.routes[attempt.route]
  const span = tracer.startSpan(
    `generate_content ${route?.providerModel ?? record.model}`,
    {
      kind: SpanKind.CLIENT,
      startTime: attempt.startedAt,
      attributes: {
        'gen_ai.operation.name': 'generate_content',
        'gen_ai.output.type': 'image',
        'gen_ai.request.choice.count': attempt.images,
        'imagegate.attempt.id': attempt.id,
        'imagegate.polls': attempt.polls,
        ...given('gen_ai.provider.name', route?.provider),
        ...given('gen_ai.request.model', route?.providerModel),
        ...given('gen_ai.response.id', attempt.providerTaskId),
        ...given('error.type', attempt.error?.code),
      },
    },
    parent,
  )
  if (attempt.submittedAt !== null) span.addEvent('submitted', attempt.submittedAt)
  if (attempt.readyAt !== null) span.addEvent('ready', attempt.readyAt)
  if (attempt.error) span.setStatus({ code: SpanStatusCode.ERROR, message: attempt.error.code })
  span.end(attempt.endedAt ?? record.completedAt ?? attempt.startedAt)
}

/** Of both the span and the duration: few values, so that they can be counted by them. */
const attributesOf = (record: GenerationRecord): Attributes => ({
  'gen_ai.operation.name': 'generate_content',
  'gen_ai.output.type': 'image',
  'gen_ai.request.model': record.model,
  ...given('gen_ai.provider.name', record.routes[record.routeIndex]?.provider),
  ...given('error.type', record.error?.code),
})

const detailsOf = (record: GenerationRecord): Attributes => ({
  'gen_ai.response.id': record.id,
  'gen_ai.request.choice.count': record.request.n,
  'imagegate.status': record.status,
  'imagegate.sandbox': record.sandbox,
  ...given('gen_ai.request.seed', record.request.seed),
  ...given('gen_ai.response.model', record.routes[record.routeIndex]?.providerModel),
  ...given('imagegate.key', record.key),
})

const given = (name: string, value: string | number | null | undefined): Attributes =>
  value === null || value === undefined ? {} : { [name]: value }

/** The trace of the request that asked, as its `traceparent` header said. */
const parentOf = ({ traceparent }: GenerationRecord): Context =>
  traceparent === undefined ? ROOT_CONTEXT : propagation.extract(context.active(), { traceparent })
