import type { FastifyReply } from 'fastify'
import { HttpProblem } from '../http-problem.ts'

/** What is limited. Also a label of the metric, so the list is closed. */
export type LimitName = 'requests' | 'sockets' | 'bytes' | 'streams' | 'generations'
/** For whom. */
export type LimitOf = 'address' | 'key' | 'all'

export interface Exceeded {
  readonly limit: LimitName
  readonly of: LimitOf
  readonly most: number
}

/** Every limit there is, and for whom. */
export const LIMITED: readonly Pick<Exceeded, 'limit' | 'of'>[] = [
  ...(['address', 'key'] as const).map((of) => ({ limit: 'requests', of }) as const),
  ...(['address', 'all'] as const).map((of) => ({ limit: 'sockets', of }) as const),
  ...(['address', 'key', 'all'] as const).map((of) => ({ limit: 'bytes', of }) as const),
  ...(['key', 'all'] as const).flatMap((of) => [{ limit: 'streams', of } as const, { limit: 'generations', of } as const]),
]

export type ObserveLimited = (exceeded: Pick<Exceeded, 'limit' | 'of'>) => void

/** What is open ends by itself, so there is no instant at which to come back; clients that wait less than this only make it worse. */
const RETRY_AFTER_SECONDS = 2

const WHAT = {
  requests: 'requests in a minute',
  sockets: 'connections at once',
  bytes: 'bytes of bodies at once',
  streams: 'event streams and WebSockets at once',
  generations: 'open generations at once',
} as const
const WHO = { address: 'One client address', key: 'One gateway key', all: 'All callers together' } as const
const SETTING = { address: 'per_address', key: 'per_key', all: 'all' } as const

export const detailOf = ({ limit, of, most }: Exceeded): string =>
  `${WHO[of]} may have ${most} ${WHAT[limit]} (limits.${SETTING[of]}.${limit}); end some, or try again later.`

/** As the IETF's draft has them, without a window: it is about what is open. */
export const headersOf = ({ limit, of, most }: Exceeded): Record<string, string> => ({
  'retry-after': String(RETRY_AFTER_SECONDS),
  'ratelimit-policy': `"${of}-${limit}";q=${most}`,
  ratelimit: `"${of}-${limit}";r=0;t=${RETRY_AFTER_SECONDS}`,
})

/** The answer to more than is allowed; its headers go onto the reply, which every API leaves there. */
export function tooMuch(exceeded: Exceeded, reply?: Pick<FastifyReply, 'headers'>): HttpProblem {
  reply?.headers(headersOf(exceeded))
  return new HttpProblem({ code: 'rate_limited', detail: detailOf(exceeded), retryAfterMs: RETRY_AFTER_SECONDS * 1000 })
}
