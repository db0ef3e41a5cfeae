import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'

/**
 * What only a body would show is not read for HEAD. The framework reads the whole of it, and nobody's slowness would hold it back: the answer is out
 * meanwhile, and the next request comes.
 */
export function readNothingForHead(app: FastifyInstance): void {
  app.addHook('onSend', (request, _reply, payload, done) => {
    if (request.method !== 'HEAD' || !(payload instanceof Readable)) return done(null, payload)
    payload.on('error', () => {}).destroy()
    done(null, Readable.from([]))
  })
}
