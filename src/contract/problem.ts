import { z } from 'zod'
import { FailureCode } from './failure.ts'

/** What happens to a request alone, and never to a generation. */
export const HTTP_PROBLEMS = {
  not_found: {
    meaning: 'Nothing is here, or nothing that this key may see.',
    http: 404,
    remedy: 'Correct the path or the id; GET /openapi.json lists every route.',
  },
  method_not_allowed: {
    meaning: 'The path is known, and this verb is not one of its own.',
    http: 405,
    remedy: 'Use a verb that the header Allow names.',
  },
  gone: { meaning: 'It was here and was removed, as images are by age and by size.', http: 410, remedy: 'Generate it again.' },
  payload_too_large: {
    meaning: 'The body is larger than this server takes.',
    http: 413,
    remedy: 'Send less, for example links instead of image bytes; the operator sets server.body_limit_bytes.',
  },
  unsupported_media_type: {
    meaning: 'The body is of a type, a charset or a content coding that is not read here.',
    http: 415,
    remedy: 'Send JSON in UTF-8 as application/json, uncompressed.',
  },
  store_unavailable: {
    meaning:
      'The database or the image storage of this gateway does not answer for the moment, the database is damaged, or its disk takes nothing. Without the database nothing was bought for the request.',
    http: 503,
    remedy: 'Send it again after Retry-After, with the same Idempotency-Key; GET /readyz says when the database is back.',
  },
  gateway_unavailable: {
    meaning: 'The command line asked a gateway, and none answered.',
    http: 503,
    remedy: 'Start the gateway, or correct its address (--url or IMAGEGATE_URL). What it had accepted goes on; `imagegate list` shows it.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly http: number; readonly remedy: string }>
export type HttpProblemCode = keyof typeof HTTP_PROBLEMS
const HttpProblemCode = z.enum(Object.keys(HTTP_PROBLEMS) as [HttpProblemCode, ...HttpProblemCode[]])

/** RFC 9457. `errors[].path` is the field, dotted, as the caller wrote it. */
export const Problem = z
  .object({
    type: z.string().meta({ description: 'The address of a page here that says what the code means.' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.union([FailureCode, HttpProblemCode]),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    generation_id: z.string().optional(),
    error: z
      .object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string().nullable() })
      .loose()
      .optional()
      .meta({ description: 'Below /v1: the same in the words of the compatible API whose paths begin so too.' }),
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof Problem>
export type ProblemCode = Problem['code']
