import { STATUS_CODES } from 'node:http'
import type { FastifySchema, RouteOptions } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Problem } from '#contract'

/** An operation as @fastify/swagger asks about it. */
type Asked = Parameters<typeof jsonSchemaTransform>[0] & { readonly route: RouteOptions }
type Answered = ReturnType<typeof jsonSchemaTransform>
type Security = readonly Readonly<Record<string, readonly string[]>>[]

/** What a route's schema says of the document beside what fastify reads. */
interface Documented extends FastifySchema {
  readonly hide?: boolean
  readonly security?: Security
  readonly body?: unknown
  readonly takes?: unknown
  readonly takesQuery?: unknown
  readonly response?: Readonly<Record<string, unknown>>
}

const PROBLEM_TYPE = 'application/problem+json'

/**
 * A route as an operation: the body that it reads itself, every status that such a route can answer with its real content type, the key it
 * asks for, and `{id}` where its path ends in a wildcard.
 */
export function operationOf(asked: Asked): Answered {
  const { schema, url, route } = asked
  const documented = schema as Documented | undefined
  if (documented === undefined || documented.hide === true) return jsonSchemaTransform({ ...asked, schema: { hide: true } })
  const { takes, body = takes, takesQuery, querystring = takesQuery, response = {}, ...rest } = documented
  const isOwn = !Object.values(response).some(isForeign)
  const whole = {
    ...rest,
    ...(body === undefined ? {} : { body }),
    ...(querystring === undefined ? {} : { querystring }),
    ...(route.config?.access === 'open' ? { security: documented.security ?? [] } : {}),
    response: withUnread(
      Object.entries({ ...(isOwn ? commonAnswers(documented, route) : {}), ...response }).map(([status, answer]) => [
        status,
        described(status, answer),
      ]),
    ),
  }
  const answered = jsonSchemaTransform({ ...asked, schema: whole })
  return url.endsWith('/*') ? withNamedWildcard(answered) : answered
}

/**
 * What is said before a route is found, in no API's shape: the URL, the headers or the body are too long, too late or no HTTP.
 * Beside what a route says with the same status.
 */
function withUnread(answers: readonly (readonly [string, unknown])[]): Readonly<Record<string, unknown>> {
  const all = new Map<string, unknown>(answers)
  for (const status of ['400', '408', '414', '417', '431']) {
    const { content } = (all.get(status) ?? {}) as { readonly content?: object }
    const description = STATUS_CODES[status] ?? 'Answer'
    all.set(status, { description, content: { ...content, [PROBLEM_TYPE]: { schema: Problem } } })
  }
  return Object.fromEntries([...all].toSorted(([one], [other]) => Number(one) - Number(other)))
}

/** What every route of our own API can answer: its own checks, the key, and a server that stops. */
function commonAnswers(schema: Documented, { config, method }: RouteOptions): Readonly<Record<string, unknown>> {
  return {
    // Without keys, who asks for another host or from another page is refused everywhere.
    403: Problem,
    ...(config?.access === 'open' ? {} : { 401: Problem }),
    ...(config?.isProbe === true ? {} : { 429: Problem }),
    ...(schema.params === undefined ? {} : { 404: Problem }),
    // A body that nobody asked for is judged all the same.
    ...(method === 'GET' || method === 'HEAD' ? {} : { 413: Problem, 415: Problem }),
    500: Problem,
    503: Problem,
  }
}

/** An error in another API's shape: then each answer is stated by its route. */
const isForeign = (answer: unknown): boolean => answer instanceof z.ZodType && (z.globalRegistry.get(answer)?.id ?? '').endsWith('Error')

/** What an answer of 429 says of the limit. */
const LIMIT_HEADERS = {
  'Retry-After': { type: 'string', description: 'Seconds.' },
  'RateLimit-Policy': {
    type: 'string',
    description: 'The limit, as the IETF’s draft has it: `"key";q=60;w=60` in a minute, `"key-streams";q=2` at once.',
  },
  RateLimit: { type: 'string', description: 'What is left, and in how many seconds there is more: `"key";r=0;t=12`.' },
} as const

/** A schema with the content type it is sent in, and words for its status. */
function described(status: string, answer: unknown): unknown {
  const description = STATUS_CODES[status] ?? 'Answer'
  if (answer === Problem && status === '429')
    return { description, headers: LIMIT_HEADERS, content: { [PROBLEM_TYPE]: { schema: Problem } } }
  if (answer === Problem) return { description, content: { [PROBLEM_TYPE]: { schema: Problem } } }
  if (!(answer instanceof z.ZodType)) return answer
  const own = z.globalRegistry.get(answer)?.description ?? description
  return answer instanceof z.ZodNull
    ? answer.meta({ description: own })
    : { description: own, content: { 'application/json': { schema: answer } } }
}

interface WithParams {
  readonly params?: { readonly properties?: Readonly<Record<string, unknown>>; readonly required?: readonly string[] }
}

function withNamedWildcard({ schema, url }: Answered): Answered {
  const { params } = schema as WithParams
  const named = { ...params, properties: { id: params?.properties?.['*'] ?? { type: 'string' } }, required: ['id'] }
  return { schema: { ...schema, params: named }, url: url.replace(/\*$/, ':id') }
}
