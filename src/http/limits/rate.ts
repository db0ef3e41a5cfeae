import type { FastifyReply } from 'fastify'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Limiter, LimitState } from '../../core/nodes.ts'
import { HttpProblem } from '../http-problem.ts'

const MINUTE_SECONDS = 60

/** At most so many requests in a minute, for each name: a gateway key, or whatever else is counted. */
export interface RateLimit {
  /** Counts one. Undefined where it is within the limit; else the answer. The reply's headers say what is left, as the IETF's draft has it. */
  take(name: string, perMinute: number, reply?: FastifyReply): Promise<HttpProblem | undefined>
  /** Counts several at once, or none of them where they are not all within the limit; then it says when the next minute begins. */
  takeMore(name: string, perMinute: number, count: number): Promise<{ readonly msBeforeNext: number } | null>
}

/** Counts in this process alone. */
const inMemory = (policy: string, points: number, duration: number): Limiter =>
  new RateLimiterMemory({ points, duration, keyPrefix: `${policy}-${points}` })

/**
 * @param policy what is limited, for the headers: `key`
 * @param make what counts: in this process, or for several together
 */
export function createRateLimit(policy: string, make = inMemory): RateLimit {
  const limiters = new Map<number, Limiter>()

  function limiterOf(points: number): Limiter {
    const limiter = limiters.get(points) ?? make(policy, points, MINUTE_SECONDS)
    limiters.set(points, limiter)
    return limiter
  }

  return {
    async take(name, perMinute, reply) {
      const state = await consumed(limiterOf(perMinute), name, 1)
      const { consumedPoints, remainingPoints, msBeforeNext } = state
      addTo(reply, 'ratelimit-policy', policy, `q=${perMinute};w=${MINUTE_SECONDS}`)
      addTo(reply, 'ratelimit', policy, `r=${remainingPoints};t=${Math.ceil(msBeforeNext / 1000)}`)
      if (consumedPoints <= perMinute) return undefined
      const detail = `${name} may send ${perMinute} requests a minute; send the next one after ${Math.ceil(msBeforeNext / 1000)} s.`
      reply?.header('retry-after', String(Math.max(1, Math.ceil(msBeforeNext / 1000))))
      return new HttpProblem({ code: 'rate_limited', detail, retryAfterMs: Math.max(1, msBeforeNext) })
    },
    async takeMore(name, perMinute, count) {
      const limiter = limiterOf(perMinute)
      const { consumedPoints, msBeforeNext } = await consumed(limiter, name, count)
      if (consumedPoints <= perMinute) return null
      await giveBack(limiter, name, count, msBeforeNext)
      return { msBeforeNext }
    },
  }
}

/** More than processes that share the limits may differ by. */
const LONGEST_WINDOW_MS = (MINUTE_SECONDS + 10) * 1_000

/** What is counted in a window that ends so soon ends with it. */
const ENDS_SOON_MS = 2_000

/** Gives points back to the window that they were counted in: in the next one they would be as many requests more than it may have. */
async function giveBack(limiter: Limiter, name: string, points: number, msBeforeNext: number): Promise<void> {
  if (msBeforeNext < ENDS_SOON_MS) return
  const after = await limiter.reward(name, points)
  if (after.msBeforeNext > msBeforeNext) await consumedOnce(limiter, name, points)
}

/** A window ends by the wall clock: where that was set back since it began, it would last as much longer, and a new one begins. */
async function consumed(limiter: Limiter, name: string, points: number): Promise<LimitState> {
  const state = await consumedOnce(limiter, name, points)
  if (state.msBeforeNext <= LONGEST_WINDOW_MS) return state
  await limiter.delete(name)
  return consumedOnce(limiter, name, points)
}

/** A limit that is exceeded is thrown as its state. */
const consumedOnce = (limiter: Limiter, name: string, points: number): Promise<LimitState> =>
  limiter
    .consume(name, points)
    .catch((error: unknown) =>
      error instanceof RateLimiterRes ? error : Promise.reject(error instanceof Error ? error : new Error(String(error))),
    )

/** Each limit that was asked is an entry of the list; one that was asked again says what is left now. */
function addTo(reply: FastifyReply | undefined, header: string, policy: string, parameters: string): void {
  const before = String(reply?.getHeader(header) ?? '').split(', ')
  const others = before.filter((entry) => entry !== '' && !entry.startsWith(`"${policy}";`))
  reply?.header(header, [...others, `"${policy}";${parameters}`].join(', '))
}
