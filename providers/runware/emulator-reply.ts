import type { FastifyReply } from 'fastify'
import type { Story } from '#sandbox'
import type { Fields, WireError } from './emulator-validation.ts'

/** What one task of a request is answered with. `silence` breaks the connection off: at once, or after half of the reply. */
export interface Answer {
  readonly status: number
  readonly data: readonly Fields[]
  readonly errors: readonly Fields[]
  readonly silence?: 'all' | 'half'
  readonly html?: string
}

export const BAD_KEY = { code: 'invalidApiKey', message: 'Invalid API key.', parameter: 'apiKey', taskType: 'authentication' }
export const CONFLICT: WireError = { code: 'conflictTaskUUID', message: 'A task with this taskUUID exists.', parameter: 'taskUUID' }
export const NOT_FOUND: WireError = { code: 'taskNotFound', message: 'No task with this UUID was found.', parameter: 'taskUUID' }

const refuse = (status: number, code: string, message: string, parameter?: string) => ({
  status,
  error: { code, message, ...(parameter === undefined ? {} : { parameter }) },
})

/** The stories that refuse a submit before it is bought; null for the others. */
export function refusalOf(
  story: Story | null,
  prompt: string,
  limitedOnce: Set<string>,
): { readonly status: number; readonly error: WireError } | null {
  switch (story) {
    case 'moderated':
      return refuse(400, 'providerContentPolicyViolation', 'Request Moderated: the prompt was refused.', 'positivePrompt')
    case 'rate-limited':
      if (limitedOnce.delete(prompt)) return null
      limitedOnce.add(prompt)
      return refuse(429, 'rateLimitExceeded', 'The queue is full.')
    case 'always-rate-limited':
      return refuse(429, 'rateLimitExceeded', 'The queue is full.')
    case 'unauthorized':
      return { status: 401, error: BAD_KEY }
    case 'no-credit':
      return refuse(402, 'insufficientCredits', 'The account has no credit left.')
    case 'unavailable':
      return refuse(503, 'serviceUnavailable', 'The service is unavailable.')
    case 'crash':
      return refuse(500, 'internalServerError', 'Internal server error.')
    default:
      return null
  }
}

/** One reply for all tasks of a request; the first that is not plain success decides how it looks. */
export function send(reply: FastifyReply, answers: readonly Answer[]): FastifyReply {
  const data = answers.flatMap((answer) => answer.data)
  const errors = answers.flatMap((answer) => answer.errors)
  const html = answers.find((answer) => answer.html !== undefined)?.html
  if (html !== undefined) return reply.code(200).type('text/html').send(html)
  const status = data.length > 0 ? 200 : (answers.find((answer) => answer.status !== 200)?.status ?? 200)
  const body = { ...(data.length > 0 || errors.length === 0 ? { data } : {}), ...(errors.length > 0 ? { errors } : {}) }
  const silence = answers.find((answer) => answer.silence !== undefined)?.silence
  if (silence) return breakOff(reply, 'application/json', Buffer.from(JSON.stringify(body)), silence)
  return sendJson(status === 429 ? reply.header('retry-after', '1') : reply, status, body)
}

export const sendJson = (reply: FastifyReply, status: number, body: object): FastifyReply =>
  reply.code(status).type('application/json').send(JSON.stringify(body))

/** Ends the connection before any of the reply, or after half of the body. */
export function breakOff(reply: FastifyReply, type: string, bytes: Buffer, silence: 'all' | 'half'): FastifyReply {
  reply.hijack()
  if (silence === 'all') {
    reply.raw.destroy()
    return reply
  }
  reply.raw.writeHead(200, { 'content-type': type, 'content-length': bytes.length })
  reply.raw.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => reply.raw.destroy())
  return reply
}
