import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { Problem, Quote } from '#contract'
import type { GenerationRequest } from '#contract'
import type { Accept } from '../../core/generation/accept.ts'
import type { RequestSchema } from '../request-schema.ts'
import { retirementHeaders } from '../retirement-headers.ts'

export interface QuoteDependencies {
  readonly accept: Pick<Accept, 'quote'>
  readonly requestSchema: RequestSchema
}

/** What every provider would charge, before anything is bought. */
export const quoteRoutes: FastifyPluginAsyncZod<QuoteDependencies> = async (app, { accept, requestSchema }) => {
  const schema = {
    operationId: 'createQuote',
    summary: 'What each offer would charge',
    description:
      'The body of POST /v1/generations. Spends nothing. Eligible offers by fidelity, then price, unpriced ones last of them; then the others, with the reasons.',
    tags: ['money'],
    body: requestSchema,
    response: { 200: Quote, 400: Problem, 401: Problem, 402: Problem, 404: Problem, 422: Problem, 413: Problem, 415: Problem },
  }
  app.post('/v1/quotes', { schema, config: { access: 'read' } }, async (request, reply) => {
    const quote = await accept.quote(request.body as GenerationRequest, request.gatewayKey)
    // Of where the request would go: another offer's end is in its own warnings.
    reply.headers(retirementHeaders(quote.offers.find(({ provider }) => provider === quote.route[0])?.warnings ?? []))
    return quote
  })
}
