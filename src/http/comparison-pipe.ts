import { z } from 'zod'
import type { Comparison, GenerationRequest } from '#contract'
import type { Compare, ComparisonRequest } from '../run/compare.ts'
import { invalidRequest } from './invalid-request.ts'
import type { RequestSchema } from './request-schema.ts'

/** How long a caller waits who does not say, as for a generation. */
const DEFAULT_WAIT_MS = 60_000

/** The body of POST /v1/comparisons: that of POST /v1/generations, and where to run it. */
export const comparisonSchema = (requestSchema: RequestSchema) =>
  requestSchema
    .safeExtend({
      providers: z
        .array(z.string().min(1).max(100))
        .min(1)
        .max(50)
        .optional()
        .meta({ description: 'Run it at these; left out, at every provider that can take it.', examples: [['provider-a', 'provider-b']] }),
    })
    .meta({ id: 'ComparisonRequest' })

/** A body that passed `comparisonSchema`. */
export function comparisonRequest(body: unknown): ComparisonRequest {
  const { providers, ...request } = body as GenerationRequest & { readonly providers?: readonly string[] }
  return { request, providers }
}

/**
 * The one way in for doors that take a whole body and answer once.
 * @returns takes a body and the gateway key's name; answers with the comparison as it is when it has ended, or after a minute.
 *   Rejects with `Refusal`, having bought nothing
 */
export function comparePipe(requestSchema: RequestSchema, compare: Compare): (body: unknown, key: string | null) => Promise<Comparison> {
  const schema = comparisonSchema(requestSchema)
  return async (body, key) => {
    const parsed = schema.safeParse(body)
    if (!parsed.success) throw invalidRequest(parsed.error.issues)
    const { id } = await compare.begin(comparisonRequest(parsed.data), key)
    const comparison = await compare.show(id, DEFAULT_WAIT_MS)
    if (!comparison) throw new Error(`the comparison ${id} is gone`)
    return comparison
  }
}
