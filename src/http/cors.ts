import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { allowOf } from './known-routes.ts'

/** What a web page may read of an answer, beside what every page may. */
const EXPOSED = [
  'accept-ranges',
  'allow',
  'content-disposition',
  'content-range',
  'deprecation',
  'etag',
  'idempotent-replayed',
  'location',
  'mcp-protocol-version',
  'mcp-session-id',
  'preference-applied',
  'retry-after',
  'sunset',
  'www-authenticate',
  'x-imagegate-cost-basis',
  'x-imagegate-cost-usd',
  'x-imagegate-generation-id',
  'x-imagegate-provider',
  'x-imagegate-warnings',
  'x-request-id',
  'x-should-retry',
]

const PREFLIGHT_LIFE_SECONDS = 600

/**
 * Web pages of the named origins may call every route, and nobody else’s may read an answer. OPTIONS is answered for every known path,
 * without a key: a browser sends none with it.
 */
export async function installCors(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  const isNamed = (origin: string | undefined): boolean => origin !== undefined && origins.includes(origin)
  if (origins.length > 0) {
    await app.register(cors, {
      origin: (origin, decide) => decide(null, isNamed(origin)),
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      exposedHeaders: EXPOSED,
      maxAge: PREFLIGHT_LIFE_SECONDS,
      // Answered below where no page asks.
      strictPreflight: false,
      preflight: true,
    })
  }
  app.addHook('onRequest', (request, reply, done) => {
    const allow = request.method === 'OPTIONS' ? allowOf(request) : null
    if (allow === null) return done()
    void reply.code(204).header('allow', allow).header('content-length', '0').send()
  })
}
