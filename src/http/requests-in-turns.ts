import type { FastifyInstance } from 'fastify'
import { isTimeForLittle, itsTurn, MS_AT_ONCE } from '../reading/turn-share.ts'

/**
 * Requests that come on many connections in the same moment are answered in one turn of the event loop while that takes little time, and
 * from then on each in a turn of its caller: Node hands all of them over at once. Must come after the caller is known, and before anything of
 * a body is read, behind which the caller is asked for again.
 */
export function answerInTurns(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.routeOptions.config.isProbe === true || isTimeForLittle(MS_AT_ONCE)) return done()
    void inItsTurn(request.gatewayKey ?? request.ip, done)
  })
}

async function inItsTurn(caller: string, goOn: () => void): Promise<void> {
  await itsTurn(0, caller)
  goOn()
}
