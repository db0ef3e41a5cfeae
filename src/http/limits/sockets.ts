import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { ProblemDependencies } from '../problem.ts'
import { answerOnSocket } from '../connections.ts'
import type { Limits } from './limits.ts'
import { detailOf, headersOf } from './refusal.ts'

/** How long a refused client has to read why. */
const READ_MS = 1_000

/** A connection too many is answered at once, whatever it would ask, and closed. Must come before all other rules: nothing it asks is done. */
export function limitSockets(app: FastifyInstance, limits: Limits, problems: ProblemDependencies): void {
  const refused = new WeakSet<Socket>()
  app.server.on('connection', (socket: Socket) => {
    const taken = limits.takeSocket(socket.remoteAddress)
    if (taken.kind === 'taken') return void socket.once('close', taken.release)
    refused.add(socket)
    const { exceeded } = taken
    answerOnSocket(socket, { code: 'rate_limited', detail: detailOf(exceeded) }, problems, headersOf(exceeded))
    const timer = setTimeout(() => socket.destroy(), READ_MS)
    socket.once('close', () => clearTimeout(timer))
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (refused.has(request.raw.socket)) reply.hijack()
    else done()
  })
}
