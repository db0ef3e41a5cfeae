import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'

const Health = z.object({ status: z.enum(['ok', 'unready']), reason: z.string().optional() }).meta({ id: 'Health' })

export interface HealthDependencies {
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
  /** Null while requests may be taken; else why not. */
  readonly notReady: () => Promise<string | null>
}

/** For load balancers and scrapers; they ask for no key and show no secret. */
export const healthRoutes: FastifyPluginAsyncZod<HealthDependencies> = async (app, { notReady, metrics }) => {
  app.get('/healthz', { schema: { summary: 'Liveness', tags: ['operations'], response: { 200: Health } } }, async () => ({
    status: 'ok' as const,
  }))

  const readiness = { summary: 'Readiness', tags: ['operations'], response: { 200: Health, 503: Health } }
  app.get('/readyz', { schema: readiness }, async (_request, reply) => {
    const reason = await notReady()
    if (reason === null) return { status: 'ok' as const }
    return reply.code(503).send({ status: 'unready', reason })
  })

  app.get('/metrics', { schema: { summary: 'Prometheus metrics', tags: ['operations'] } }, async (_request, reply) =>
    reply
      .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      .serializer(String)
      .send(await metrics()),
  )
}
