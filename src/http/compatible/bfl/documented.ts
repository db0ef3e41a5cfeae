import { z } from 'zod'
import type { Examples } from '../../openapi/examples.ts'
import { MOST_HEADER_CHARS } from './validators.ts'

/** BFL's shapes for the document of our API; what is sent is judged by `endpoints.ts`. */
const Task = z
  .looseObject({
    prompt: z.string().optional(),
    width: z.number().int().optional(),
    height: z.number().int().optional(),
    seed: z.number().int().optional(),
    input_image: z.string().optional().meta({ description: 'A URL or base64; further ones in `input_image_2` … `input_image_8`.' }),
    images: z
      .union([z.string(), z.array(z.string())])
      .optional()
      .meta({ description: 'FLUX 3 Image: up to ten, each a URL or base64.' }),
    aspect_ratio: z.string().optional().meta({ description: 'FLUX 3 Image, Kontext and FLUX 1.1 [pro] Ultra, which sell shapes.' }),
    resolution: z.string().optional().meta({ description: 'FLUX 3 Image: `768sq`, `1k`, `1.5k`, `2k` or `4k`.' }),
    output_format: z.string().optional(),
    safety_tolerance: z.number().int().optional(),
    webhook_url: z.string().optional(),
    webhook_secret: z.string().max(MOST_HEADER_CHARS).optional(),
  })
  .meta({ id: 'BflTask', description: 'Further fields by endpoint, as BFL documents them; unknown ones are ignored.' })

const Submitted = z.looseObject({ id: z.string(), polling_url: z.string() }).meta({ id: 'BflSubmitted' })
const Result = z
  .looseObject({ id: z.string(), status: z.string(), result: z.looseObject({}).nullish(), progress: z.number().nullish() })
  .meta({ id: 'BflResult' })
const Credits = z.looseObject({ credits: z.number() }).meta({ id: 'BflCredits' })
const BflError = z.looseObject({ detail: z.union([z.string(), z.array(z.looseObject({}))]) }).meta({ id: 'BflError' })

const security = [{ bflKey: [] }, { gatewayKey: [] }]
const errors = (...statuses: readonly number[]) =>
  Object.fromEntries([...statuses, 400, 401, 403, 404, 414, 429, 500, 503].map((status) => [status, BflError]))

/** What each route adds to its documentation. */
export const SUBMIT = { security, takes: Task, response: { 200: Submitted, ...errors(402, 413, 415, 422) } }
export const POLL = {
  security,
  takesQuery: z.looseObject({ id: z.string().meta({ description: 'As the submit returned it.' }) }),
  // An id that is not there is answered with a result that says so, as BFL does.
  response: { 200: Result, ...errors(422), 404: z.union([Result, BflError]) },
}
export const CREDITS = { security, response: { 200: Credits, ...errors() } }

export const BFL_EXAMPLES: Examples = {
  bflSubmit: {
    body: { plain: { summary: 'A task', value: { prompt: 'A lighthouse on a cliff at dawn', width: 1024, height: 768, seed: 42 } } },
    parameters: { endpoint: 'flux-2-pro' },
  },
  bflGetResult: { parameters: { id: 'gen_01a21f1d54d27b4f8dd3ed997b35ec3d' } },
}
