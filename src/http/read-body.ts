import type { FastifyInstance, FastifyRequest } from 'fastify'
import { parseJson } from '#contract'
import { HttpProblem } from './http-problem.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Bytes as text, without their byte order mark.
 * @param what is read, for the message: `The body`, `The field prompt`
 * @throws HttpProblem where they are no UTF-8: a character that was not understood must never be drawn and paid for
 */
export function decodeUtf8(bytes: Uint8Array, what = 'The body'): string {
  try {
    return utf8.decode(bytes)
  } catch {
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
    const detail = isGzip ? `${what} is compressed with gzip; send it uncompressed.` : `${what} is not UTF-8; encode it so.`
    throw new HttpProblem({ code: 'invalid_request', detail, unreadable: 'bytes' })
  }
}

/** Numbers that a double may not hold to the last digit. */
const LONG_NUMBER = /\d{16}/

/** JSON in which such numbers are strings of their digits. @throws SyntaxError */
export const readJson = (text: string): unknown => (LONG_NUMBER.test(text) ? parseJson(text) : JSON.parse(text))

/** JSON bodies of this application are UTF-8, and not a digit of their numbers is lost. */
export function installJsonParser(app: FastifyInstance): void {
  const strict = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      const text = decodeUtf8(body as Buffer)
      void strict(request, text, (error, value: unknown) => done(error, error === null && LONG_NUMBER.test(text) ? readJson(text) : value))
    } catch (error) {
      done(error as Error)
    }
  })
}

/** Routes of this scope answer 415 to a body that is compressed or says that it is in another charset, before anything of it is read. */
export function refuseEncodedBodies(scope: FastifyInstance): void {
  scope.addHook('preParsing', (request, reply, payload, done) => {
    const reason = hasBody(request) ? encodingOf(request) : null
    if (reason === null) return done(null, payload)
    reply.header('accept-encoding', 'identity')
    done(new HttpProblem({ code: 'unsupported_media_type', detail: reason }))
  })
}

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/** Why a body cannot be read as it says it is; null where it can. */
function encodingOf({ headers }: FastifyRequest): string | null {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (coding !== '' && coding !== 'identity') return `A body with Content-Encoding ${shown(coding)} is not read here; send it uncompressed.`
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '')?.[1]?.toLowerCase() ?? 'utf-8'
  return charset === 'utf-8' || charset === 'utf8' ? null : `A body in the charset ${shown(charset)} is not read here; send UTF-8.`
}

const shown = (value: string): string => JSON.stringify(value.slice(0, 50))
