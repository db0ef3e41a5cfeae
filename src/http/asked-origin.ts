import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance, FastifyRequest, HookHandlerDoneFunction } from 'fastify'

const asked = new AsyncLocalStorage<string>()

/**
 * The origin under which the request that is being answered reached this gateway; undefined outside of one. Where no public URL is configured,
 * links carry it: some clients refuse a link to another host than the one they asked, and 127.0.0.1 is another than localhost.
 */
export const askedOrigin = (): string | undefined => asked.getStore()

/** What is called from outside of the request, with the request's own origin. */
export const withAskedOrigin = <Arguments extends readonly unknown[]>(
  listener: (...given: Arguments) => void,
): ((...given: Arguments) => void) => AsyncLocalStorage.bind(listener)

/** Remembers it for everything that answers a request. */
export function rememberAskedOrigin(app: FastifyInstance): void {
  const remember = (request: FastifyRequest, _reply: unknown, done: HookHandlerDoneFunction): void => {
    const origin = originOf(request)
    if (origin === undefined) done()
    else asked.run(origin, done)
  }
  app.addHook('onRequest', remember)
  // Once more, since a body is read outside of what the first hook began.
  app.addHook('preValidation', remember)
}

/** Of what a client may write into its Host header, only what is a plain host and port. */
function originOf({ protocol, headers }: FastifyRequest): string | undefined {
  const { host = '' } = headers
  return /^(?:[a-z0-9](?:[a-z0-9.-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i.test(host)
    ? `${protocol}://${host.toLowerCase()}`
    : undefined
}
