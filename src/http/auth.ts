import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HttpProblem } from './http-problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Name of the gateway key that asks; null where no keys are configured. */
    gatewayKey: string | null
  }
}

/** Names of gateway keys by the SHA-256 of the key; empty where none are configured. Read at each request. */
export type KeyNames = () => ReadonlyMap<string, string>

export const hashOfKey = (key: string): string => createHash('sha256').update(key).digest('hex')

/** Every route of this scope asks for a key where keys are configured. */
export function requireKey(app: FastifyInstance, keyNames: KeyNames): void {
  app.addHook('onRequest', (request, reply, done) => {
    const names = keyNames()
    if (names.size === 0) return done()
    const name = names.get(hashOfKey(bearerOf(request) ?? ''))
    if (name === undefined) {
      // RFC 9110 asks for it on every 401.
      reply.header('www-authenticate', 'Bearer realm="imagegate"')
      return done(
        new HttpProblem({ code: 'unauthorized', detail: 'This server asks for a gateway key: send `Authorization: Bearer <key>`.' }),
      )
    }
    request.gatewayKey = name
    done()
  })
}

function bearerOf(request: FastifyRequest): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null
}
