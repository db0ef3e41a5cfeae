import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Caller, Scope } from '../core/keys/caller.ts'
import { HttpProblem } from './http-problem.ts'
import { hasWrongVerb } from './known-routes.ts'
import { foreignPage, foreignRequest } from './own-origin.ts'
import type { OriginDependencies } from './own-origin.ts'
import { passedThrough } from './passed-through.ts'
import { keepKey, keepKeyEnd } from './request-context.ts'
import type { UntilKeyEnds } from './request-context.ts'

/**
 * Who may ask a route, where gateway keys are on. `open`: anybody; the route gives nothing away, or its address is its own proof. `any`: every
 * valid key. `read` · `write` · `admin`: a key of at least this scope. Without keys everybody on this machine is an admin.
 */
export type Access = 'open' | 'any' | Scope

export type { Caller, Scope }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route declares it; the application does not start with one that does not. */
    access?: Access
    /** The body may name the key instead of a header. Of a body whose caller is not known, 64 KiB are read. */
    keyInBody?: boolean
    /** Open, and what a key asks for counts against its rate nonetheless: the answer is as much work as that of other routes. */
    countsKey?: boolean
    /** Also where keys are on, pages of other sites may not ask it. */
    ownPagesOnly?: boolean
  }
  interface FastifyRequest {
    /** Name of the gateway key that asks; null where none are on. */
    gatewayKey: string | null
    caller: Caller
    /** Of the key that this request showed: what stays open for it ends with it. */
    untilKeyEnds: UntilKeyEnds
  }
}

/** The gateway keys that count now. */
export interface KeyRing {
  /** Whether a key is asked for. */
  isOn(): boolean
  /** Who shows this secret; null where it is no valid key. */
  identify(secret: string): Caller | null
  /**
   * Counts one request of a key: one of HTTP, and each further task or call in it or on a WebSocket. Undefined where it is within the key's
   * rate; else the answer.
   */
  overRate(caller: Caller, reply?: FastifyReply): Promise<HttpProblem | undefined>
  /** Calls `end` once the secret is no longer this caller's with what it shows; null: nobody was asked for one, and it ends once keys are on. */
  whileValid(secret: string | null, caller: Caller, end: () => void): () => void
}

/** A header that holds the key below a path, beside `Authorization`: how a compatible API names its own. */
export interface KeyHeader {
  readonly prefix: string
  readonly header: string
}

export interface AccessDependencies {
  readonly keys: KeyRing
  readonly keyHeaders: readonly KeyHeader[]
  readonly origins: OriginDependencies
}

/** The most that is read of a body before its caller is known. */
export const MOST_BYTES_OF_A_STRANGER = 65_536

/** Where no keys are on. */
export const EVERYBODY: Caller = Object.freeze({
  key: null,
  scope: 'admin',
  models: null,
  providers: null,
  isAdmin: true,
  ratePerMinute: null,
})
/** Who is not known, or not yet. */
export const STRANGER: Caller = Object.freeze({
  key: null,
  scope: null,
  models: [],
  providers: [],
  isAdmin: false,
  ratePerMinute: null,
})

/** SHA-256 in hex, as `key_hash` in the configuration has it. */
export const hashOfKey = (key: string): string => createHash('sha256').update(key).digest('hex')

/**
 * Knows the caller of every request before anything of its body is read, unknown paths and wrong verbs included, and refuses who may not ask. A
 * body may be minutes on its way, so the caller is asked for again behind it: its key may have ended meanwhile, or keys have been turned on.
 */
export function installAccess(app: FastifyInstance, { keys, keyHeaders, origins }: AccessDependencies): void {
  app.decorateRequest('gatewayKey', null)
  app.decorateRequest('caller')
  app.decorateRequest('untilKeyEnds')
  refuseUndeclaredRoutes(app)
  const identify = identifying(keys, keyHeaders)

  app.addHook('onRequest', (request, reply, done) => {
    const refusal = identify(request)
    if (!keys.isOn()) return done(foreignRequest(request, origins, accessOf(request) === 'open'))
    const { caller } = request
    if (accessOf(request) === 'open') {
      if (caller.ratePerMinute === null || request.routeOptions.config.countsKey !== true) return done()
      return void whenJudged(keys.overRate(caller, reply), done)
    }
    if (caller.scope === null) return done(refusal ?? tooLongForAStranger(request, reply))
    const foreign = request.routeOptions.config.ownPagesOnly === true ? foreignPage(request, origins) : undefined
    if (foreign !== undefined) return done(foreign)
    if (caller.ratePerMinute === null) return done(refusal)
    void whenJudged(keys.overRate(caller, reply), (over) => done(over ?? refusal))
  })

  app.addHook('preParsing', (request, reply, payload, done) => {
    const isStranger = request.caller.scope === null && request.routeOptions.config.keyInBody === true
    done(null, isStranger ? passedThrough(strangersLimit(reply), payload, request.raw) : payload)
  })

  app.addHook('preValidation', (request, _reply, done) => done(identify(request)))
  // A form is read between the two, part by part.
  app.addHook('preHandler', (request, _reply, done) => done(isForm(request) ? identify(request) : undefined))

  // Whoever refused it, and at whatever stage.
  app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.statusCode === 401) reply.header('www-authenticate', challenge(secretOf(request, keyHeaders)))
    done(null, payload)
  })
}

/** Knows who asks as of now. @returns why it may not; undefined where it may, or where its body may name a key yet */
function identifying(keys: KeyRing, keyHeaders: readonly KeyHeader[]): (request: FastifyRequest) => HttpProblem | undefined {
  const untilKeysAreOn: UntilKeyEnds = (end) => keys.whileValid(null, EVERYBODY, end)
  return (request) => {
    if (!keys.isOn()) {
      know(request, EVERYBODY)
      watchKey(request, untilKeysAreOn)
      return undefined
    }
    const shown = secretOf(request, keyHeaders)
    const caller = shown.secret === null ? null : keys.identify(shown.secret)
    const known = caller ?? STRANGER
    know(request, known)
    watchKey(request, (end) => keys.whileValid(shown.secret, known, end), caller !== null)
    const access = accessOf(request)
    if (access === 'open') return undefined
    if (caller !== null) return refusalOfScope(caller, access)
    const mayFollow = shown.secret === null && request.routeOptions.config.keyInBody === true
    return mayFollow ? undefined : unauthorized(shown)
  }
}

/** Whether its body comes in parts, which its route reads. */
export const isForm = ({ raw: { headers } }: FastifyRequest): boolean =>
  headers['content-type']?.toLowerCase().startsWith('multipart/') === true

/** Unknown paths and wrong verbs ask for a key too: only whoever has one learns which there are. */
const accessOf = (request: FastifyRequest): Access =>
  request.is404 || hasWrongVerb(request) ? 'any' : (request.routeOptions.config.access ?? 'admin')

/** A stranger, whose body may name a key yet, waits for nothing. */
function watchKey(request: FastifyRequest, untilKeyEnds: UntilKeyEnds, isKnown = true): void {
  request.untilKeyEnds = untilKeyEnds
  if (isKnown) keepKeyEnd(untilKeyEnds)
}

/** Goes on once a judgement is there that had to be waited for. A hook that waits for none is no promise, since every request runs all of them. */
export async function whenJudged(judgement: Promise<HttpProblem | undefined>, goOn: (refusal: Error | undefined) => void): Promise<void> {
  let refusal: Error | undefined
  try {
    refusal = await judgement
  } catch (error) {
    refusal = error instanceof Error ? error : new Error(String(error))
  }
  goOn(refusal)
}

function strangersLimit(reply: FastifyReply): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      bytes += chunk.length
      done(bytes > MOST_BYTES_OF_A_STRANGER ? strangersBody(reply) : null, chunk)
    },
  })
}

/** The caller is known from here on: from its headers, or, where a route allows it, from its body. */
export function know(request: FastifyRequest, caller: Caller): void {
  request.caller = caller
  request.gatewayKey = caller.key
  keepKey(caller.key)
}

const RANK = { read: 1, write: 2, admin: 3 } as const

/** Why this caller may not do what asks for this scope; undefined where it may. */
export function refusalOfScope({ key, scope }: Caller, access: Access): HttpProblem | undefined {
  if (access === 'open' || access === 'any' || (scope !== null && RANK[scope] >= RANK[access])) return undefined
  const detail = `The key ${key} has the scope ${scope}, and this asks for ${access}: use another key, or give this one that scope.`
  return new HttpProblem({ code: 'unauthorized', status: 403, detail })
}

/** Declares the access of routes that a package makes, which cannot do it itself: those registered in this scope from here on, or some of them. */
export function declareAccess(scope: FastifyInstance, access: Access, isMeant: (url: string) => boolean = () => true): void {
  scope.addHook('onRoute', (route) => {
    if (isMeant(route.url)) route.config = { access, ...route.config }
  })
}

function refuseUndeclaredRoutes(app: FastifyInstance): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  app.addHook('onReady', (done) => {
    const undeclared = routes.filter(({ config }) => config?.access === undefined).map(({ method, url }) => `${String(method)} ${url}`)
    done(undeclared.length === 0 ? undefined : new Error(`these routes declare no access: ${undeclared.join(', ')}`))
  })
}

interface Shown {
  readonly secret: string | null
  /** Where a key is expected, for the message. */
  readonly where: string
}

/** The secret in `Authorization: Bearer`; null where there is none. */
export const bearerOf = ({ headers }: FastifyRequest): string | null => /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? null

function secretOf(request: FastifyRequest, keyHeaders: readonly KeyHeader[]): Shown {
  const { headers, url } = request
  const bearer = bearerOf(request)
  const own = keyHeaders.find(({ prefix }) => url === prefix || url.startsWith(`${prefix}/`))
  if (own === undefined) return { secret: bearer, where: '`Authorization: Bearer <key>`' }
  const value = headers[own.header]
  return { secret: typeof value === 'string' && value !== '' ? value : bearer, where: `\`${own.header}: <key>\`` }
}

/** RFC 9110 asks for it on every 401; RFC 6750 has the error where a key came. */
const challenge = ({ secret }: Shown): string => `Bearer realm="imagegate"${secret === null ? '' : ', error="invalid_token"'}`

function unauthorized({ secret, where }: Shown): HttpProblem {
  const detail =
    secret === null
      ? `This server asks for a gateway key and none came: send ${where}.`
      : `The gateway key that came is not known here: it is wrong, expired or revoked. Send a valid one as ${where}.`
  return new HttpProblem({ code: 'unauthorized', detail })
}

function tooLongForAStranger({ headers }: FastifyRequest, reply: FastifyReply): HttpProblem | undefined {
  return Number(headers['content-length'] ?? 0) > MOST_BYTES_OF_A_STRANGER ? strangersBody(reply) : undefined
}

function strangersBody(reply: FastifyReply): HttpProblem {
  reply.header('connection', 'close')
  const detail = `A body of more than ${MOST_BYTES_OF_A_STRANGER} bytes is read only where the key came in a header: send \`Authorization: Bearer <key>\`.`
  return new HttpProblem({ code: 'unauthorized', detail })
}
