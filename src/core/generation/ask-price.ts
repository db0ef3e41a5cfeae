import { compareUsd, multiplyUsd, type Call, type Failure } from '#contract'
import { withSurcharge } from '../plan/price.ts'
import type { Connection } from '../ports.ts'
import { estimateCall, estimatedIn } from '../prices/estimate.ts'
import type { AttemptRecord } from '../records.ts'
import { logFields } from './log-fields.ts'
import { unbilled } from './obstacle.ts'
import { routeOf, type OpenGeneration } from './open-generation.ts'

/** Nobody waits longer for a free question than that; without an answer the quote stands. */
const ANSWER_MS = 5_000

/** Whether a purchase waits for the vendor's own word about its price. */
export const asksPrice = ({ provider }: Connection): boolean => provider.manifest.price_estimate?.before_buying === true

/** Why an order is not bought: its vendor asks more for it now than was quoted. Null where it does not, does not say, or nothing was quoted. */
export async function dearerThanQuoted(
  open: OpenGeneration,
  attempt: AttemptRecord,
  connection: Connection,
  submit: () => Call,
): Promise<Failure | null> {
  const { price_estimate: estimate } = connection.provider.manifest
  const { quoted, tasks, surcharge, provider } = routeOf(open.record, attempt)
  if (estimate?.before_buying !== true || quoted === null) return null
  const sent = await connection.send(estimateCall(estimate, submit()), ANSWER_MS, logFields(open.record, attempt))
  const said = sent.kind === 'reply' ? estimatedIn(estimate, sent.reply) : null
  if (said === null) return null
  const amount = multiplyUsd(withSurcharge({ amount: said, lines: [] }, surcharge).amount, tasks.length)
  if (compareUsd(amount, quoted.amount) <= 0) return null
  return unbilled('provider_unavailable', `${provider} asks ${amount} for this now, and ${quoted.amount} was quoted: nothing was bought`)
}
