import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { itsTurn, littleTurn } from '../../reading/turn-share.ts'
import type { Caller } from '../access.ts'

const Health = z.object({ status: z.enum(['ok', 'unready']), reason: z.string().optional() }).meta({ id: 'Health' })

export interface HealthDependencies {
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
  /** Null while requests may be taken; else why not. */
  readonly notReady: () => Promise<string | null>
}

/** For load balancers, which need no key, and scrapers, which need any. */
export const healthRoutes: FastifyPluginAsyncZod<HealthDependencies> = async (app, { notReady, metrics }) => {
  const writtenOnce = forAllWhoWait(metrics)
  const liveness = { operationId: 'getLiveness', summary: 'Liveness', tags: ['operations'], response: { 200: Health } }
  app.get('/healthz', { schema: liveness, config: { access: 'open', isProbe: true } }, async () => ({
    status: 'ok' as const,
  }))

  const readiness = { operationId: 'getReadiness', summary: 'Readiness', tags: ['operations'], response: { 200: Health, 503: Health } }
  app.get('/readyz', { schema: readiness, config: { access: 'open', isProbe: true } }, async (_request, reply) => {
    const reason = await notReady()
    if (reason === null) return { status: 'ok' as const }
    return reply.code(503).send({ status: 'unready', reason })
  })

  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'getMetrics',
        summary: 'Prometheus metrics',
        tags: ['operations'],
        description: 'A key of another scope than `admin` sees the money of no other key.',
        response: { 200: { description: 'Every metric.', content: { 'text/plain': { schema: z.string() } } } },
      },
      config: { access: 'any' },
    },
    async (request, reply) => {
      const written = await writtenOnce()
      await littleTurn(request.gatewayKey ?? request.ip, 0)
      const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'x-content-type-options': 'nosniff' }
      return reply.headers(headers).serializer(String).send(written(request.caller))
    },
  )
}

/** To write every series takes many milliseconds: it is done once for all who ask before it begins, and once for each key among them. */
function forAllWhoWait(metrics: () => Promise<string>): () => Promise<(caller: Caller) => string> {
  let last: Promise<unknown> = Promise.resolve()
  let awaited: Promise<(caller: Caller) => string> | null = null
  async function write(before: Promise<unknown>): Promise<(caller: Caller) => string> {
    await before.catch(() => {})
    await itsTurn(0)
    awaited = null
    const text = await metrics()
    const ofKeys = new Map<string | null, string>()
    return (caller) => {
      if (caller.isAdmin) return text
      const own = ofKeys.get(caller.key) ?? seenBy(caller, text)
      ofKeys.set(caller.key, own)
      return own
    }
  }
  return () => {
    if (awaited === null) last = awaited = write(last)
    return awaited
  }
}

/** The name of a gateway key in a line of a metric, as Prometheus writes it. */
const KEY_LABEL = /[{,]key="((?:[^"\\]|\\.)*)"/

/** What a key spends and has left is seen by itself and by those that see every key's rows. */
function seenBy({ key }: Caller, text: string): string {
  const own = (key ?? '').replaceAll(/[\\"]/g, '\\$&')
  const isSeen = (line: string): boolean => (KEY_LABEL.exec(line)?.[1] ?? own) === own
  return text.split('\n').filter(isSeen).join('\n')
}
