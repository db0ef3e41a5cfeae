import { appendFileSync } from 'node:fs'
import { propagation, trace } from '@opentelemetry/api'
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'

/**
 * An OpenTelemetry SDK, for a gateway that an operator starts with `NODE_OPTIONS="--import …"`: each span that ends is a line of JSON in the
 * file `SPANS_FILE`.
 */
const file = process.env['SPANS_FILE'] ?? ''

export interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly string[]
  readonly ms: number
}

const asLine = (span: ReadableSpan): Span => ({
  name: span.name,
  traceId: span.spanContext().traceId,
  spanId: span.spanContext().spanId,
  parentSpanId: span.parentSpanContext?.spanId ?? null,
  attributes: span.attributes,
  events: span.events.map(({ name }) => name),
  ms: span.duration[0] * 1_000 + span.duration[1] / 1e6,
})

trace.setGlobalTracerProvider(
  new BasicTracerProvider({
    spanProcessors: [
      new SimpleSpanProcessor({
        export(spans, done) {
          for (const span of spans) appendFileSync(file, `${JSON.stringify(asLine(span))}\n`)
          done({ code: 0 })
        },
        shutdown: async () => {},
      }),
    ],
  }),
)
/** What the SDK's own propagator does with the one header. */
propagation.setGlobalPropagator({
  inject() {},
  fields: () => ['traceparent'],
  extract(context, carrier, getter) {
    const [, traceId = '', spanId = ''] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(getter.get(carrier, 'traceparent'))) ?? []
    return trace.setSpanContext(context, { traceId, spanId, traceFlags: 1, isRemote: true })
  },
})
