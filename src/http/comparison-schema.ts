import { z } from 'zod'
import { listOf, type GenerationRequest } from '#contract'
import type { ComparisonRequest } from '../core/comparisons/compare.ts'
import type { RequestSchema } from './request-schema.ts'

/** The body of POST /v1/comparisons: that of POST /v1/generations, and where to run it. */
export const comparisonSchema = (requestSchema: RequestSchema) =>
  requestSchema
    .safeExtend({
      providers: listOf(z.string().min(1).max(100), 1, 50)
        .optional()
        .meta({ description: 'Run it at these; left out, at every provider that can take it.', examples: [['provider-a', 'provider-b']] }),
    })
    .meta({ id: 'ComparisonRequest' })

/** A body that passed `comparisonSchema`. */
export function comparisonRequest(body: unknown): ComparisonRequest {
  const { providers, ...request } = body as GenerationRequest & { readonly providers?: readonly string[] }
  return { request, providers }
}
