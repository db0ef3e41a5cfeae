import type { FastifyReply } from 'fastify'
import { z } from 'zod'

/** Under the 60 s after which usual proxies give up on an answer. */
const DEFAULT_WAIT_S = 55
const MAX_WAIT_S = 600

/**
 * `Prefer` of RFC 7240: how long the caller would wait for the end. `respond-async` alone does not wait; beside a `wait` it changes nothing,
 * in either order: wait, then 202. Of several `wait`s the first counts, and a value that is not understood is left unapplied, as the RFC asks.
 */
export function waitOf(
  prefer: string | undefined,
  defaultSeconds: number = DEFAULT_WAIT_S,
): { readonly waitMs: number; readonly applied: string | null } {
  if (prefer === undefined) return { waitMs: defaultSeconds * 1000, applied: null }
  const preferences = prefer.split(',').map((preference) => (preference.split(';')[0] ?? '').trim().toLowerCase())
  const isAsync = preferences.includes('respond-async')
  const seconds = preferences.map((text) => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(text)?.[1]).find((digits) => digits !== undefined)
  if (seconds === undefined) return isAsync ? { waitMs: 0, applied: 'respond-async' } : { waitMs: defaultSeconds * 1000, applied: null }
  const wait = Math.min(MAX_WAIT_S, Number(seconds))
  return { waitMs: wait * 1000, applied: `${isAsync ? 'respond-async, ' : ''}wait=${wait}` }
}

export const PreferHeader = z
  .string()
  .max(200)
  .optional()
  .meta({ description: '`wait=<0…600>` seconds (default 55), `respond-async`, or both: wait, then 202.' })

/** Headers of a request that buys: once for each idempotency key, and answered when it wants to be. */
export const createHeaders = (what: 'generation' | 'comparison') =>
  z.object({
    'idempotency-key': z
      .string()
      .min(1)
      .max(255)
      .optional()
      .meta({ description: `The same key and body give the same ${what}, once, for 24 hours.` }),
    prefer: PreferHeader,
  })

/** The wait is over and the work goes on: 202, where to read it, and when to ask again. */
export const answerInProgress = (reply: FastifyReply, location: string): FastifyReply =>
  reply.code(202).header('location', location).header('retry-after', '1')
