import { z } from 'zod'
import { errorWords } from './error-words.ts'
import { AnyJson } from './json.ts'
import { JsonPointer } from './json-pointer.ts'

const Field = z.union([
  JsonPointer,
  z.strictObject({
    at: JsonPointer,
    as: z.enum(['text', 'first']).optional().meta({ description: '`text`: a number as a text. `first`: the first of a list alone.' }),
    between: z.string().min(1).optional().meta({ description: 'Of a size in one text: what stands between its numbers instead of `x`.' }),
    values: z.record(z.string(), z.string()).optional().meta({ description: 'The vendor’s word for each of ours that differs.' }),
  }),
])

/** Where each field of an order stands in the body; what has no pointer is not sent. */
const Body = z.strictObject({
  model: Field.optional(),
  prompt: Field.optional(),
  n: Field.optional(),
  width: Field.optional(),
  height: Field.optional(),
  size: Field.optional().meta({ description: 'Both in one text: `1024x1024`.' }),
  aspect_ratio: Field.optional(),
  tier: Field.optional(),
  references: Field.optional(),
  mask: Field.optional(),
  seed: Field.optional(),
  output_format: Field.optional(),
  output_quality: Field.optional(),
  safety_tolerance: Field.optional(),
  prompt_upsampling: Field.optional(),
  guidance: Field.optional(),
  steps: Field.optional(),
  quality: Field.optional(),
  background: Field.optional(),
  webhook: Field.optional(),
})
export type QueueBody = z.infer<typeof Body>

const Fixed = z.record(JsonPointer, AnyJson)

const Path = z
  .string()
  .startsWith('/')
  .meta({ description: 'Below the base URL; `{provider_model}` stands for the vendor’s id of the model.' })

/** What a word of the vendor's says of a task. */
export const TaskState = z.enum(['pending', 'done', 'failed', 'moderated', 'canceled'])
export type TaskState = z.infer<typeof TaskState>

/**
 * A queue whose answer to a submit names the addresses to go on with: they are taken from it and never built. What differs from one vendor
 * to the next is data here.
 */
export const QueueShape = z
  .strictObject({
    name: z.literal('queue-by-returned-urls'),
    path: Path,
    references_path: Path.optional().meta({ description: 'For an order with references, where that is another one.' }),
    body: Body,
    fixed: Fixed.optional().meta({ description: 'Sent with every order.' }),
    beside: z
      .partialRecord(Body.keyof(), Fixed)
      .optional()
      .meta({ description: 'By a field of the body: what is sent beside it where it is sent.' }),
    webhook_query: z.string().min(1).optional().meta({ description: 'The parameter of the path that takes our address for callbacks.' }),
    models: z
      .record(z.string(), z.strictObject({ path: Path.optional(), references_path: Path.optional(), body: Body.optional() }))
      .default({})
      .meta({
        description:
          'By the vendor’s id: what is different at one model. Fields of its body are added to, or stand instead of, the others.',
      }),
    accepted: z.strictObject({
      id: JsonPointer,
      poll: JsonPointer,
      result: JsonPointer.optional().meta({ description: 'Where the result is another address. Absent: it is in the body that says so.' }),
      cancel: JsonPointer.optional(),
    }),
    status: z.strictObject({ at: JsonPointer, words: z.record(z.string(), TaskState) }),
    progress: JsonPointer.optional().meta({ description: 'From 0 to 1.' }),
    images: z
      .array(JsonPointer)
      .min(1)
      .meta({ description: 'Links or base64; `*` stands for each entry of a list. The first that finds any counts.' }),
    seed: JsonPointer.optional(),
    flagged: JsonPointer.optional().meta({ description: 'A boolean for each image, with `*`.' }),
    prompt_used: JsonPointer.optional(),
    cost: z
      .strictObject({
        header: z
          .string()
          .regex(/^[a-z0-9-]+$/)
          .optional(),
        pointer: JsonPointer.optional(),
        unit: z.enum(['usd', 'cents', 'units']).meta({ description: '`units`: its own, which the price has a `unit_amount` for.' }),
      })
      .optional(),
    errors: z
      .strictObject({
        ...errorWords,
        billed: z
          .union([z.boolean(), z.literal('unknown')])
          .default('unknown')
          .meta({ description: 'Whether a task that failed is charged.' }),
      })
      .default({ code: [], message: [], moderated: [], moderated_texts: [], billed: 'unknown' }),
    cancel_method: z.enum(['PUT', 'POST']).optional().meta({ description: 'Absent: a task cannot be canceled.' }),
    listing: z
      .strictObject({ path: z.string().startsWith('/'), items: JsonPointer, ours: JsonPointer })
      .optional()
      .meta({
        description:
          'Where a submit whose reply was lost is found: a list of tasks, and where each says the address for callbacks, which is one of ours for one task.',
      }),
  })
  .meta({ id: 'QueueShape' })
export type QueueShape = z.infer<typeof QueueShape>
