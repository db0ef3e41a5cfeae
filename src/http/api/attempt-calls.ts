import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { AttemptCalls, Problem } from '#contract'
import type { Run } from '../../core/generation/run.ts'
import type { Store } from '../../core/ports.ts'
import { HttpProblem } from '../http-problem.ts'
import { requireOwned } from '../owned.ts'

export interface AttemptCallDependencies {
  readonly run: Pick<Run, 'calls'>
  readonly store: Pick<Store, 'generation' | 'attemptCalls'>
}

const params = z.object({
  id: z.string().max(100),
  n: z.coerce.number().int().min(1).max(1_000_000).meta({ description: 'Which of its attempts, from 1.' }),
})

/** What was said to a vendor. A key sees that of its own generations. */
export const attemptCallRoutes: FastifyPluginAsyncZod<AttemptCallDependencies> = async (app, { run, store }) => {
  const schema = {
    operationId: 'listAttemptCalls',
    summary: 'The calls of an attempt, and the replies',
    description:
      'What was sent to the provider and what it answered, without keys, signatures and images: the submit, each failure and the last poll. Written when the attempt ends; of an open one, what this process knows.',
    tags: ['generations'],
    params,
    response: { 200: AttemptCalls, 400: Problem, 401: Problem, 404: Problem, 500: Problem },
  }
  app.get('/v1/generations/:id/attempts/:n/calls', { schema, config: { access: 'read' } }, async (request) => {
    const { id, n } = request.params
    const record = requireOwned(await store.generation(id), request.caller, 'generation', id)
    const attempt = record.attempts[n - 1]
    const provider = attempt && record.routes[attempt.route]?.provider
    if (provider === undefined)
      throw new HttpProblem({ code: 'not_found', detail: `The generation ${id} has no attempt ${n}; it has ${record.attempts.length}.` })
    const known = (await store.attemptCalls(id, n)) ?? run.calls(id, n)
    // Nothing was said where nothing was bought.
    const isSilent = known === null && attempt?.endedAt !== null && attempt?.submittedAt === null
    return {
      object: 'attempt_calls' as const,
      generation_id: id,
      attempt: n,
      provider,
      sandbox: record.sandbox,
      complete: known?.complete ?? isSilent,
      data: [...(known?.data ?? [])],
    }
  })
}
