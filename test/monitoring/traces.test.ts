import { metrics, propagation, trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { TextMapPropagator } from '@opentelemetry/api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTraces } from '../../src/monitoring/traces.ts'
import { launchGateway } from '../e2e/gateway.ts'

const exporter = new InMemorySpanExporter()
/** What the SDK's own propagator does with the one header. */
const w3c: TextMapPropagator = {
  inject() {},
  fields: () => ['traceparent'],
  extract(context, carrier, getter) {
    const [, traceId = '', spanId = ''] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(getter.get(carrier, 'traceparent'))) ?? []
    return trace.setSpanContext(context, { traceId, spanId, traceFlags: 1, isRemote: true })
  },
}

beforeAll(() => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  propagation.setGlobalPropagator(w3c)
})
afterAll(() => {
  trace.disable()
  propagation.disable()
  metrics.disable()
})

test('a generation is a span with a span for each attempt, below the trace that the caller named', { timeout: 30_000 }, async () => {
  const gateway = await launchGateway()
  const traceId = 'a'.repeat(32)
  const generation = await gateway.generate(
    { model: 'bfl/flux-2-pro', width: 256, height: 256, seed: 7 },
    { traceparent: `00-${traceId}-${'b'.repeat(16)}-01` },
  )
  const compatible = 'c'.repeat(32)
  const task = {
    taskType: 'imageInference',
    taskUUID: crypto.randomUUID(),
    model: 'bfl:5@1',
    positivePrompt: 'a lighthouse',
    width: 256,
    height: 256,
  }
  const asked = await gateway.post('/runware/v1', [task], { traceparent: `00-${compatible}-${'d'.repeat(16)}-01` })
  expect(asked.status).toBe(200)
  await gateway.close()
  const all = exporter.getFinishedSpans()
  // Whatever the API.
  expect(all.filter((span) => span.spanContext().traceId === compatible)).toHaveLength(2)
  const spans = all.filter((span) => span.spanContext().traceId !== compatible)
  const [attempt, whole] = spans
  expect(spans.map(({ name }) => name)).toEqual(['generate_content flux-2-pro', 'generate_content flux-2-pro'])
  expect(whole?.attributes).toMatchObject({
    'gen_ai.operation.name': 'generate_content',
    'gen_ai.output.type': 'image',
    'gen_ai.provider.name': 'bfl',
    'gen_ai.request.model': 'flux-2-pro',
    'gen_ai.request.seed': 7,
    'gen_ai.response.id': generation.id,
    'imagegate.sandbox': true,
  })
  expect(attempt?.attributes).toMatchObject({ 'gen_ai.provider.name': 'bfl', 'imagegate.polls': generation.timing.polls })
  expect(attempt?.events.map(({ name }) => name)).toEqual(['submitted', 'ready'])
  expect(attempt?.parentSpanContext?.spanId).toBe(whole?.spanContext().spanId)
  expect(whole?.parentSpanContext).toMatchObject({ spanId: 'b'.repeat(16) })
  expect(spans.map((span) => span.spanContext().traceId)).toEqual([traceId, traceId])
  expect(JSON.stringify(spans.map(({ attributes }) => attributes))).not.toContain('lighthouse')
})

test('createTraces makes nothing without an SDK', () => {
  trace.disable()
  expect(() => createTraces().submitted('alpha', null)).not.toThrow()
})
