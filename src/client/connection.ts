import type { Problem } from '#contract'
import { addressObjection, shownAddress } from './shown-address.ts'

export interface ClientOptions {
  /** Where the gateway answers, for example `http://127.0.0.1:8080`. */
  readonly url: string
  /** A gateway key, where the gateway has keys. */
  readonly key?: string | undefined
}

/**
 * The gateway refused, or did not answer as a gateway does. `problem` is its own words; `status` is null where nothing answered; `requestId` is
 * what its log has the request under.
 */
export class ClientError extends Error {
  readonly status: number | null
  readonly problem: Problem | null
  readonly requestId: string | null
  constructor(message: string, status: number | null, problem: Problem | null = null, requestId: string | null = null) {
    super(message)
    this.name = 'ClientError'
    this.status = status
    this.problem = problem
    this.requestId = requestId
  }
}

interface Ask {
  /** Text is sent as it is. */
  readonly body?: object | string
  /** Gives the request up. */
  readonly signal?: AbortSignal | undefined
  readonly headers?: Readonly<Record<string, string>>
}

export interface Connection {
  /** The answer's JSON; undefined where there is none, as after a DELETE. */
  json<Body>(method: 'GET' | 'POST' | 'DELETE', path: string, ask?: Ask): Promise<Body>
  /** An answer that is no JSON, as it comes. */
  text(path: string): Promise<string>
  bytes(url: string): Promise<Uint8Array>
  /** An answer that goes on, such as an event stream. */
  stream(path: string, headers?: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>>
  /** An image of this gateway at the address this client reaches it under, whatever address the gateway calls itself by. */
  here(url: string): string
}

export function connection({ url, key }: ClientOptions): Connection {
  const base = url.replace(/\/+$/, '')
  const reach = async (target: string, init: RequestInit): Promise<Response> => {
    const objection = addressObjection(target)
    if (objection !== null) throw new ClientError(`the address ${objection}`, null)
    try {
      return await fetch(target, init)
    } catch (error) {
      throw new ClientError(`no answer from ${new URL(target).origin}: ${causeOf(error)}`, null)
    }
  }
  return {
    async json(method, path, { body, headers = {}, signal } = {}) {
      const response = await reach(`${base}${path}`, {
        method,
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
      if (response.status === 204) return undefined as never
      const text = await textOf(response)
      const parsed = parse(text)
      if (response.ok && parsed !== undefined) return parsed as never
      throw refusal(base, response, parsed)
    },
    async text(path) {
      const response = await reach(`${base}${path}`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } })
      const text = await textOf(response)
      if (response.ok) return text
      throw refusal(base, response, parse(text))
    },
    async stream(path, headers = {}, signal) {
      const response = await reach(`${base}${path}`, {
        headers: { accept: 'text/event-stream', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers },
        ...(signal === undefined ? {} : { signal }),
      })
      if (response.ok && response.body) return response.body
      throw refusal(base, response, parse(await textOf(response)))
    },
    async bytes(target) {
      const response = await reach(target, {})
      if (!response.ok)
        throw new ClientError(`the image cannot be fetched: ${response.status} from ${new URL(target).origin}`, response.status)
      return new Uint8Array(await response.arrayBuffer())
    },
    here(target) {
      const { pathname, search } = new URL(target, base)
      return pathname.startsWith('/v1/images/') ? `${base}${pathname}${search}` : target
    },
  }
}

function refusal(base: string, { status, headers }: Response, parsed: unknown): ClientError {
  const requestId = headers.get('x-request-id')
  if (!isProblem(parsed))
    return new ClientError(`${shownAddress(base)} answered ${status}, not as an imagegate does`, status, null, requestId)
  const { detail, errors = [] } = parsed
  const fields = errors
    .filter(({ message }) => !detail.includes(message))
    .map(({ path, message }) => `\n  ${path}: ${message}`)
    .join('')
  return new ClientError(`${detail}${fields}`, status, parsed, requestId)
}

/** Enough of a problem document to be shown. Its schema is not used here, so that a browser need not load it. */
function isProblem(parsed: unknown): parsed is Problem {
  if (typeof parsed !== 'object' || parsed === null) return false
  const { title, detail, code, errors = [] } = parsed as Partial<Record<keyof Problem, unknown>>
  return typeof title === 'string' && typeof detail === 'string' && typeof code === 'string' && Array.isArray(errors)
}

async function textOf(response: Response): Promise<string> {
  try {
    return await response.text()
  } catch (error) {
    throw new ClientError(`the answer broke off: ${causeOf(error)}`, response.status)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
}
