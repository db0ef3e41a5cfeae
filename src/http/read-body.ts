import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseJson } from '#contract'
import type { Readable } from 'node:stream'
import { BoundedJsonReader } from '../reading/bounded-json.ts'
import type { BoundedJson, JsonBounds } from '../reading/bounded-json.ts'
import { release } from '../reading/held-bytes.ts'
import { inTurns } from '../reading/in-turns.ts'
import { countRead, isTimeForLittle, itsTurn, leave, MS_AT_ONCE, SMALL_BODY_BYTES } from '../reading/turn-share.ts'
import { HttpProblem } from './http-problem.ts'
import { invalidRequest } from './invalid-request.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What stands for the images in its body; see `reading/held-bytes.ts`. */
    standIns: readonly string[] | null
  }
  interface FastifySchema {
    /** A body that the route reads and judges itself, as it is documented. */
    takes?: unknown
    /** A query of the same kind. */
    takesQuery?: unknown
  }
}

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
    throw notUtf8(bytes, what)
  }
}

function notUtf8(bytes: Uint8Array, what: string): HttpProblem {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  const detail = isGzip ? `${what} is compressed with gzip; send it uncompressed.` : `${what} is not UTF-8; encode it so.`
  return new HttpProblem({ code: 'invalid_request', detail, unreadable: 'bytes' })
}

/** Numbers that a double may not hold to the last digit. */
const LONG_NUMBER = /\d{16}/

/** JSON in which such numbers are strings of their digits. @throws SyntaxError */
export const readJson = (text: string): unknown => (LONG_NUMBER.test(text) ? parseJson(text) : JSON.parse(text))

/** What a body may hold besides the base64 of images: far more than the longest request of any API has. */
const BOUNDS: JsonBounds = { maxBytes: 4 * 1_024 * 1_024, maxDepth: 64, maxValues: 20_000, maxSiblings: 5_000, longTexts: 'refused' }

/**
 * JSON bodies of this application are UTF-8, and not a digit of their numbers is lost. They are read as they come: an image in base64 is
 * decoded piece by piece and leaves a stand-in, which is understood until the answer is sent.
 */
export function installJsonParser(app: FastifyInstance): void {
  const strict = app.getDefaultJsonParser('error', 'error')
  const parseStrictly = (request: FastifyRequest, text: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      void strict(request, text, (error, value: unknown) => {
        if (error !== null) reject(keyNotTaken(text) ?? error)
        else resolve(LONG_NUMBER.test(text) ? readJson(text) : value)
      })
    })
  /** Most texts can be read at once; of the others the strict parser says what is wrong, if anything is. */
  const parse = (request: FastifyRequest, text: string): unknown => {
    if (MAY_NAME_A_KEY.test(text)) return parseStrictly(request, text)
    try {
      return readJson(text)
    } catch {
      return parseStrictly(request, text)
    }
  }
  app.decorateRequest('standIns', null)
  app.addContentTypeParser('application/json', async (request: FastifyRequest, payload: Readable) => {
    const { bytes, standIns } = await boundedJson(payload, expectedOf(request))
    if (standIns.length > 0) request.standIns = standIns
    if (bytes.length === 0) {
      if (takesNoBody(request)) return undefined
      throw emptyOrShort()
    }
    // Bodies of hundreds of connections may end in the same moment, and one of odd numbers or names takes ten milliseconds.
    if (!isTimeForLittle(MS_AT_ONCE)) await itsTurn(bytes.length, request.gatewayKey ?? request.ip)
    return parse(request, decodeUtf8(bytes))
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    releaseAtEnd(reply)
    done(null, payload)
  })
}

/** Once there is an answer, what came with the request is let go with it: where it has been sent, or where its client is gone. */
export function releaseAtEnd({ request: { standIns }, raw }: FastifyReply): void {
  if ((standIns?.length ?? 0) === 0) return
  const letGo = (): void => standIns?.forEach(release)
  if (raw.destroyed) letGo()
  else raw.once('close', letGo)
}

/** Whether a text may hold a key that is not taken, perhaps with escaped characters; may be wrong about texts. */
const MAY_NAME_A_KEY = /__proto__|constructor|\\u00/

/** A body that was refused for a key alone: it is JSON, and a program that merged it would change what all objects have. */
function keyNotTaken(text: string): HttpProblem | null {
  const found: string[] = []
  try {
    JSON.parse(text, (name: string, value: unknown) => {
      if (name === '__proto__') found.push(name)
      if (name === 'constructor' && typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype'))
        found.push('constructor.prototype')
      return value
    })
  } catch {
    return null
  }
  const [key] = found
  if (key === undefined) return null
  return new HttpProblem({ code: 'invalid_request', detail: `The body has the key ${key}, which is not taken; leave it out.` })
}

interface ExpectedBody {
  /** Who sends it, for its share of the event loop. */
  readonly caller: string
  readonly maxBytes: number
  /** As `Content-Length` says; null where it does not. */
  readonly written: number | null
}

export function expectedOf({ raw, gatewayKey, ip, routeOptions }: FastifyRequest): ExpectedBody {
  const written = raw.headers['content-length']
  return { caller: gatewayKey ?? ip, maxBytes: routeOptions.bodyLimit, written: written === undefined ? null : Number(written) }
}

/** @throws HttpProblem where it is larger than `maxBytes`, not as long as its Content-Length, or holds more than anybody sends */
async function boundedJson(
  payload: Readable,
  { caller, maxBytes, written }: ExpectedBody,
): Promise<Extract<BoundedJson, { kind: 'text' }>> {
  if (written !== null && written > maxBytes) throw tooLarge()
  const reader = new BoundedJsonReader(BOUNDS, caller)
  let bytes = 0
  try {
    await eachPiece(payload, caller, (piece) => {
      bytes += piece.length
      if (bytes > maxBytes) throw tooLarge()
      reader.write(piece)
      return reader.isWanted
    })
    const read = wanted(reader)
    if (written !== null && bytes !== written) throw emptyOrShort()
    return read
  } catch (error) {
    reader.abandon()
    throw error
  }
}

/**
 * A long text in the pieces that it came in, each decoded in a turn: put together, tens of megabytes would be copied at once.
 * @throws HttpProblem where it is larger than `maxBytes`, not as long as its Content-Length, or no UTF-8
 */
export async function readLongText(payload: Readable, { caller, maxBytes, written }: ExpectedBody): Promise<readonly string[]> {
  if (written !== null && written > maxBytes) throw tooLarge()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const texts: string[] = []
  let bytes = 0
  let beginning: Uint8Array = Buffer.alloc(0)
  const decoded = (piece?: Buffer): string => {
    try {
      return decoder.decode(piece, { stream: piece !== undefined })
    } catch {
      throw notUtf8(beginning, 'The body')
    }
  }
  await eachPiece(payload, caller, (piece) => {
    if (bytes === 0) beginning = piece
    bytes += piece.length
    if (bytes > maxBytes) throw tooLarge()
    texts.push(decoded(piece))
    return true
  })
  texts.push(decoded())
  if (written !== null && bytes !== written)
    throw new HttpProblem({ code: 'invalid_request', detail: 'The body is not as long as its Content-Length; send it whole.' })
  return texts
}

/**
 * A message that came as a whole, read as a body is; whoever asked releases its stand-ins.
 * @param caller who sent it
 * @throws HttpProblem where it holds more than anybody sends, or is no UTF-8 · SyntaxError
 */
export async function readMessage(
  bytes: Buffer,
  caller: string,
): Promise<{ readonly value: unknown; readonly standIns: readonly string[] }> {
  const reader = new BoundedJsonReader(BOUNDS, caller)
  for await (const piece of inTurns(bytes, caller)) {
    reader.write(piece)
    if (!reader.isWanted) break
  }
  const { bytes: kept, standIns } = wanted(reader)
  try {
    const text = decodeUtf8(kept)
    const refusal = MAY_NAME_A_KEY.test(text) ? keyNotTaken(text) : null
    if (refusal !== null) throw refusal
    return { value: readJson(text), standIns }
  } catch (error) {
    standIns.forEach(release)
    throw error
  }
}

/** @throws HttpProblem where it was refused */
function wanted(reader: BoundedJsonReader): Extract<BoundedJson, { kind: 'text' }> {
  const read = reader.end()
  if (read.kind === 'text') return read
  const { path, reason } = read
  if (path !== null) throw invalidRequest([{ path, message: reason, kind: 'wrong' }])
  throw new HttpProblem({ code: 'invalid_request', detail: `The body ${reason}; no request needs that.` })
}

/** Every piece of a body until `take` returns false or throws. What follows is read and thrown away, since a stream that is destroyed takes the answer with it. */
function eachPiece(payload: Readable, caller: string, take: (piece: Buffer) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    /** Null once nothing more is taken. The listeners stay then: to take four away costs more than to call two in vain. */
    let taking: typeof take | null = take
    let soFar = 0
    const end = (settle: () => void): void => {
      if (taking === null) return
      taking = null
      leave(caller, payload)
      if (!payload.readableEnded) payload.resume()
      settle()
    }
    const onError = (error: unknown): void => end(() => reject(isAborted(error) ? emptyOrShort() : error))
    payload
      .on('data', (piece: Buffer) => {
        if (taking === null) return
        soFar += piece.length
        const startedAt = soFar > SMALL_BODY_BYTES ? performance.now() : null
        try {
          if (!taking(piece)) end(resolve)
          else if (startedAt !== null) countRead({ caller, bytes: piece.length, soFar, tookMs: performance.now() - startedAt }, payload)
        } catch (error) {
          onError(error)
        }
      })
      .on('end', () => end(resolve))
      .on('error', onError)
      .on('close', () => end(() => reject(emptyOrShort())))
  })
}

/** Whether the client went away in the middle of it. */
const isAborted = (error: unknown): boolean => error instanceof Error && (error as NodeJS.ErrnoException).code === 'ECONNRESET'

const emptyOrShort = (): HttpProblem =>
  new HttpProblem({
    code: 'invalid_request',
    detail: 'The body is empty, or not as long as its Content-Length; send a JSON object.',
    unreadable: 'json',
  })

export const tooLarge = (): HttpProblem =>
  new HttpProblem({ code: 'payload_too_large', detail: 'The body is larger than this server takes (server.body_limit_bytes).' })

const takesNoBody = ({ method, routeOptions: { schema } }: FastifyRequest): boolean =>
  method === 'POST' && schema !== undefined && schema.body === undefined && schema.takes === undefined

/** A POST that needs no body may come with an empty one of any type, as many clients send it. */
export function acceptEmptyBodies(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.headers['content-length'] === '0' && takesNoBody(request)) delete request.headers['content-type']
    done()
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
