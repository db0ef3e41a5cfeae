import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { HookAddressee, InboundHooks } from '../../core/scheduling/callback-addresses.ts'
import { HOOK_PATH } from '../../core/scheduling/callback-addresses.ts'
import type { SignedCallbacks } from '../../core/scheduling/signed-callbacks.ts'
import type { Run } from '../../core/generation/run.ts'
import { HttpProblem } from '../http-problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The attempt a vendor's callback is about, once it is proved. */
    hookAddressee: HookAddressee | null
  }
}

export interface HookDependencies {
  readonly run: Pick<Run, 'callback'>
  readonly hooks: InboundHooks
  readonly signedCallbacks: SignedCallbacks
  /** The header in which a provider repeats its secret; null where it has none. */
  readonly hookSecretHeader: (provider: string) => string | null
}

/** A callback says that a task has news; what is longer is not read. */
const MAX_BODY_BYTES = 1_024 * 1_024

const unknownAddress = (): HttpProblem => new HttpProblem({ code: 'not_found', detail: 'No task has this callback address.' })

/**
 * Where vendors send callbacks at the end of their tasks. The address is the proof, before anything of the body is read, together with the
 * secret in a header or the signature, where the vendor has one. A body is read for its signature alone, and thrown away: only what an
 * authenticated poll returns is believed.
 */
export const hookRoutes: FastifyPluginAsyncZod<HookDependencies> = async (app, { run, hooks, signedCallbacks, hookSecretHeader }) => {
  app.decorateRequest('hookAddressee', null)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (request, body, done) => {
    const isRead = request.hookAddressee !== null && signedCallbacks.isSigned(request.hookAddressee.provider)
    done(null, isRead ? body : null)
  })

  app.post(
    `${HOOK_PATH}/:provider/:token`,
    {
      // A callback’s address is its own proof.
      config: { access: 'open' },
      schema: { hide: true, params: z.object({ provider: z.string(), token: z.string() }) },
      onRequest: async (request) => {
        const { provider, token } = request.params as { readonly provider: string; readonly token: string }
        const addressee = hooks.addressee(provider, token)
        if (!addressee) throw unknownAddress()
        const header = hookSecretHeader(provider)
        const secret = header === null ? null : request.headers[header]
        if (secret !== null && (typeof secret !== 'string' || !hooks.isSecretOf(addressee, secret)))
          throw new HttpProblem({ code: 'unauthorized', detail: `The header ${header} does not hold the secret of this task.` })
        request.hookAddressee = addressee
      },
    },
    async (request, reply) => {
      const { hookAddressee: addressee } = request
      if (!addressee) throw unknownAddress()
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const fault = await signedCallbacks.fault(addressee.provider, { headers: plainHeaders(request.headers), body })
      if (fault !== null) {
        request.log.warn({ provider: addressee.provider, fault }, 'a callback is not believed')
        // As where a body is not read, so that the two answers are one.
        reply.header('connection', 'close')
        throw unknownAddress()
      }
      run.callback(addressee.provider, addressee.generationId, addressee.attemptId)
      return { status: 'ok' }
    },
  )
}

const plainHeaders = (headers: IncomingHttpHeaders): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : undefined]))
