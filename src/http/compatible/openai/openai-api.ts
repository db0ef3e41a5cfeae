import multipart from '@fastify/multipart'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { judge, MAX_REFERENCE_IMAGES } from '#contract'
import type { Json } from '#contract'
import { createAnswer } from './answer.ts'
import type { OpenaiDependencies } from './answer.ts'
import { HttpProblem } from '../../http-problem.ts'
import { EditBody, EditForm, GenerationBody } from './body.ts'
import { OpenaiRefusal, problemOf, sendError, tooLarge, unsupportedMediaType } from './error-handler.ts'
import { readForm } from './form.ts'
import { ImagesResponse } from './images-response.ts'
import { OpenaiError, refusal } from './problems.ts'
import { toRequest } from './to-request.ts'
import type { Translation } from './to-request.ts'
import { MOST_FORM_FIELDS, PARTS_AS_BYTES, readUpload } from './upload.ts'
import type { Upload } from './upload.ts'

const Headers = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'The same key and body give the same generation, once, for 24 hours. Best against double purchases.' }),
})

const errors = Object.fromEntries(
  [400, 401, 402, 403, 404, 413, 414, 415, 422, 424, 429, 500, 502, 503, 504].map((status) => [status, OpenaiError]),
)

const IMAGES = {
  description: 'The images; with `stream: true`, an event for each.',
  content: { 'application/json': { schema: ImagesResponse }, 'text/event-stream': { schema: z.string() } },
}

const EDITS_PATH = '/v1/images/edits'
const MOST_PARTS = 2 * MOST_FORM_FIELDS + 4 * MAX_REFERENCE_IMAGES

/**
 * OpenAI's Images API in front of the same intake as every other way in: `POST /v1/images/generations` and `POST /v1/images/edits`.
 * `GET /v1/models` answers in OpenAI's shape already. Always waits for the end; every error leaves as OpenAI's error object.
 */
export const openaiApi: FastifyPluginAsync<OpenaiDependencies> = async (app, deps) => {
  app.setErrorHandler(sendError)
  app.setValidatorCompiler<z.ZodType>(validator)
  const answer = createAnswer(deps)

  const generate = {
    operationId: 'openaiGenerateImages',
    summary: 'Generate images (OpenAI)',
    description:
      'For the `openai` SDK and everything that speaks to it. Waits for the end. With `stream: true` the answer is `text/event-stream` of ' +
      '`image_generation.completed` events, with `partial_images` after `image_generation.partial_image` events where the provider shows images on their way. Cost, provider and warnings are in `x-imagegate-*` headers; a warning says what was adapted.',
    tags: ['compatible APIs'],
    headers: Headers,
    body: GenerationBody,
    response: { 200: IMAGES, ...errors },
  }
  app.post('/v1/images/generations', { schema: generate, config: { access: 'write' } }, async (request, reply) =>
    answer(request, reply, 'image_generation', generation(deps, request.body as GenerationBody)),
  )

  await app.register(async (forms) => {
    await forms.register(multipart, {
      throwFileSizeLimit: false,
      ...PARTS_AS_BYTES,
      // More are counted, and refused by name, as they are read.
      limits: { fileSize: deps.bodyLimitBytes, files: MOST_PARTS, parts: MOST_PARTS },
    })
    const edit = {
      operationId: 'openaiEditImages',
      summary: 'Edit images (OpenAI)',
      description: `Up to ${MAX_REFERENCE_IMAGES} images, a prompt and a mask. Otherwise as \`POST /v1/images/generations\`.`,
      tags: ['compatible APIs'],
      consumes: ['multipart/form-data'],
      headers: Headers,
      body: EditForm,
      response: { 200: IMAGES, ...errors },
    }
    const readFirst = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      request.body = await readParts(request, reply, deps)
    }
    forms.post(EDITS_PATH, { schema: edit, config: { access: 'write' }, preValidation: readFirst }, async (request, reply) =>
      answer(request, reply, 'image_edit', edited(request.body as Form, deps)),
    )
  })
}

/** What is wrong is said in OpenAI's words; a form is judged by its route and passes here as it is. */
const validator = ({ schema, httpPart, url }: { readonly schema: z.ZodType; readonly httpPart?: string; readonly url: string }) =>
  httpPart === 'body' && url === EDITS_PATH
    ? (value: unknown) => ({ value })
    : (value: unknown) => {
        const judged = judge(schema, value)
        return judged.kind === 'right' ? { value: judged.value } : { error: new OpenaiRefusal(problemOf(judged.objections)) }
      }

type Accepted = Extract<Translation, { kind: 'request' }>

function accepted(translation: Translation): Accepted {
  if (translation.kind === 'request') return translation
  throw new OpenaiRefusal(refusal('invalid_request', translation.message, { param: translation.param }))
}

const generation = ({ partialImagesAt }: Partials, body: GenerationBody): Accepted => accepted(toRequest(body, partialImagesAt(body.model)))

type Partials = Pick<OpenaiDependencies, 'partialImagesAt'>

interface Form {
  readonly upload: Extract<Upload, { kind: 'form' }>
  readonly body: Readonly<Record<string, Json>>
}

/** A form comes part by part; as any body it has come before its route is asked. */
async function readParts(
  request: FastifyRequest,
  reply: FastifyReply,
  { bodyLimitBytes: maxBytes }: Pick<OpenaiDependencies, 'bodyLimitBytes'>,
): Promise<Form> {
  if (!request.isMultipart())
    throw new OpenaiRefusal(unsupportedMediaType('Send multipart/form-data with one `image` file or several `image[]`.'))
  if (Number(request.headers['content-length'] ?? 0) > 2 * maxBytes) {
    reply.header('connection', 'close')
    throw new OpenaiRefusal(tooLarge('The body is larger than this server takes (server.body_limit_bytes).'))
  }
  const standIns: string[] = []
  request.standIns = standIns
  const caller = request.gatewayKey ?? request.ip
  const upload = await readUpload(request.parts(), maxBytes, standIns, caller).catch(notAForm)
  if (upload.kind === 'refused') throw new OpenaiRefusal(upload.problem)
  const form = await readForm(upload.fields, standIns, caller)
  if (form.kind === 'refused')
    throw new OpenaiRefusal(refusal('invalid_request', `Invalid value for '${form.param}': ${form.message}`, { param: form.param }))
  return { upload, body: form.body }
}

function edited({ upload, body }: Form, { partialImagesAt }: Partials): Accepted {
  const judged = judge(EditBody, body)
  if (judged.kind === 'wrong') throw new OpenaiRefusal(problemOf(judged.objections))
  if (upload.images.length === 0 && !judged.value.reference_images?.length)
    throw new OpenaiRefusal(
      refusal('invalid_request', "Missing required parameter: 'image'.", { param: 'image', as: 'missing_required_parameter' }),
    )
  return accepted(toRequest(judged.value, partialImagesAt(judged.value.model), upload))
}

/** What the parser says that helps a caller; all else it throws is about itself. */
const PARSER_SAYS =
  /^(?:Unexpected end of multipart data|Part terminated early|Malformed part header|the request was closed|prototype property is not allowed)/

const NOT_A_FORM = 'it is not whole, or not well formed.'
/** With the remedy of what is often written by hand. */
function saidOf(message: string): string {
  if (message.startsWith('Multipart: Boundary not found'))
    return 'its Content-Type names no boundary. Leave that header out: a client that sends a form, such as curl with --form, writes it itself.'
  if (/^reach (?:parts|files|fields) limit/.test(message)) return 'it has more parts than a request has fields and images.'
  return PARSER_SAYS.test(message) ? message.slice(0, 200) : NOT_A_FORM
}

/** The parser's own errors carry no status; whatever they are, the form was not whole or not well formed. */
function notAForm(error: unknown): never {
  if (error instanceof HttpProblem) throw error
  const said = error instanceof Error ? saidOf(error.message) : NOT_A_FORM
  throw new OpenaiRefusal(refusal('invalid_request', `The form could not be read: ${said}`, { as: 'invalid_request' }))
}
