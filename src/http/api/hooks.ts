import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { HookAddressee, InboundHooks } from '../../core/scheduling/callback-addresses.ts'
import { HOOK_PATH } from '../../core/scheduling/callback-addresses.ts'
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
  /** The header in which a provider repeats its secret; null where it has none. */
  readonly hookSecretHeader: (provider: string) => string | null
}

/** A callback can hold a whole image; none of it is kept. */
const MAX_BODY_BYTES = 32 * 1_024 * 1_024

/**
 * Where vendors send callbacks at the end of their tasks. The address is the proof, together with the secret in a header where the vendor has
 * one; the body is read and thrown away, since only what an authenticated poll returns is believed.
 */
export const hookRoutes: FastifyPluginAsyncZod<HookDependencies> = async (app, { run, hooks, hookSecretHeader }) => {
  app.decorateRequest('hookAddressee', null)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, _body, done) => done(null, null))

  app.post(
    `${HOOK_PATH}/:provider/:token`,
    {
      // A callback’s address is its own proof.
      config: { access: 'open' },
      schema: { hide: true, params: z.object({ provider: z.string(), token: z.string() }) },
      onRequest: async (request) => {
        const { provider, token } = request.params as { readonly provider: string; readonly token: string }
        const addressee = hooks.addressee(provider, token)
        if (!addressee) throw new HttpProblem({ code: 'not_found', detail: 'No task has this callback address.' })
        const header = hookSecretHeader(provider)
        const secret = header === null ? null : request.headers[header]
        if (secret !== null && (typeof secret !== 'string' || !hooks.isSecretOf(addressee, secret)))
          throw new HttpProblem({ code: 'unauthorized', detail: `The header ${header} does not hold the secret of this task.` })
        request.hookAddressee = addressee
      },
    },
    async (request) => {
      const { hookAddressee: addressee } = request
      if (addressee) run.callback(addressee.provider, addressee.generationId, addressee.attemptId)
      return { status: 'ok' }
    },
  )
}
