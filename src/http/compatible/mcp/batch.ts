import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyRing } from '../../access.ts'
import type { HttpProblem } from '../../http-problem.ts'
import { invalidRequest } from '../../invalid-request.ts'
import { overRateOfEach } from '../over-rate-of-each.ts'

/** A body whose calls are within the key's rate, those that are not made into calls of a method that refuses them. */
export interface WithinRate {
  readonly body: unknown
  readonly over: HttpProblem | null
}

/** The answers of a batch are written in one piece: those of more messages hold up everybody else. The protocol has no batches since its revision of 2025-06-18. */
const MAX_MESSAGES = 10

/** No client's method. */
export const OVER_RATE = 'imagegate/over-rate'

/**
 * Each call of a JSON-RPC batch is a request of its key; a notification is not answered and does nothing.
 * @throws Refusal where the batch is too long, or names two calls alike
 */
export async function withinRate(keys: Pick<KeyRing, 'overRate'>, request: FastifyRequest, reply: FastifyReply): Promise<WithinRate> {
  const { body: sent } = request
  if (!Array.isArray(sent)) return { body: sent, over: null }
  if (sent.length > MAX_MESSAGES)
    throw invalidRequest([
      { path: [], kind: 'wrong', message: `a batch has at most ${MAX_MESSAGES} messages; send the others in another one` },
    ])
  const body = withoutCancels(sent)
  const calls = body.filter(isCall)
  // An answer is known by its id alone: of two calls with one id both would buy, and one be answered.
  if (new Set(calls.map(({ id }) => id)).size < calls.length)
    throw invalidRequest([{ path: [], kind: 'wrong', message: 'each call of a batch has an id of its own; nothing was bought' }])
  const refusals = await overRateOfEach(keys, request, calls.length, reply)
  const over = refusals.find((refusal) => refusal !== undefined) ?? null
  if (over === null) return { body, over }
  reply.removeHeader('retry-after')
  const refused = new Set(calls.filter((_, index) => refusals[index] !== undefined))
  return { body: body.map((message: unknown) => (isCall(message) && refused.has(message) ? refusedCall(message) : message)), over }
}

/**
 * A purchase is not taken back by a notification: the protocol's library would go on with the call and never answer it, nor end the answer to
 * the batch. A batch of nothing else stays as it is.
 */
function withoutCancels(body: readonly unknown[]): readonly unknown[] {
  const others = body.filter((message) => !isCancel(message))
  return others.length > 0 ? others : body
}

interface Call {
  readonly id: unknown
  readonly method: unknown
}

const isCall = (message: unknown): message is Call =>
  typeof message === 'object' && message !== null && 'method' in message && 'id' in message

const isCancel = (message: unknown): boolean =>
  typeof message === 'object' &&
  message !== null &&
  'method' in message &&
  message.method === 'notifications/cancelled' &&
  !('id' in message)

const refusedCall = ({ id }: Call): object => ({ jsonrpc: '2.0', id, method: OVER_RATE, params: {} })
