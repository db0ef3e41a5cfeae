import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyRing } from '../access.ts'
import type { HttpProblem } from '../http-problem.ts'

/**
 * What an HTTP request asks several times, each a request of its key: a task of an array, a call of a batch. The first was counted with the
 * HTTP request itself, the others are here, in their order.
 * @returns for each, why it is refused; undefined where it is within the key's rate
 */
export async function overRateOfEach(
  keys: Pick<KeyRing, 'overRate'>,
  { caller }: Pick<FastifyRequest, 'caller'>,
  count: number,
  reply: FastifyReply,
): Promise<readonly (HttpProblem | undefined)[]> {
  const refusals: (HttpProblem | undefined)[] = count > 0 ? [undefined] : []
  while (refusals.length < count) refusals.push(await keys.overRate(caller, reply))
  return refusals
}
