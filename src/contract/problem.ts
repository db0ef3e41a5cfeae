import { z } from 'zod'
import { FailureCode } from './failure.ts'

/** RFC 9457. `errors[].path` is the field, dotted, as the caller wrote it. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.union([FailureCode, z.enum(['not_found', 'payload_too_large', 'unsupported_media_type', 'gone'])]),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    generation_id: z.string().optional(),
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof Problem>
export type ProblemCode = Problem['code']
