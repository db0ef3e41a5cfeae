import { failureOf, isSuccess, queueShape, tokensIn, withoutSecrets } from '#adapter-kit'
import type { Adapter, Call, Failure, Outcome, Reply } from '#contract'
import manifest from './manifest.json' with { type: 'json' }
import { CancelReply, ModelError, SHAPE, SHAPE_OF_ONE } from './wire.ts'

const shaped = queueShape(manifest.title, SHAPE)
const shapedOfOne = queueShape(manifest.title, SHAPE_OF_ONE)

/** fal: its queue alone. No key of ours names a task and none are listed, so a lost submit cannot be found again (2026-11-28). */
export const adapter: Adapter<Record<string, never>> = {
  ...shaped,
  translate: (order) => (order.references.length === 1 ? shapedOfOne : shaped).translate(order),
  interpret: (reply, call) => removedFromQueue(reply, call) ?? refined(shaped.interpret(reply, call), reply, call),
}

/**
 * `OK` to a cancel says that the task was removed from the queue before it ran (https://fal.ai/docs/inference-api/queue/cancel, read
 * 2026-11-28), so there is nothing to poll. Only results are paid for, by the page on prices; that nothing is billed here is inferred.
 */
function removedFromQueue(reply: Reply, { purpose }: Call): Outcome | null {
  if (purpose !== 'cancel' || !isSuccess(reply) || CancelReply.safeParse(reply.body).data?.status !== 'OK') return null
  const message = `${manifest.title} removed the task from its queue`
  return { kind: 'failed', failure: failureOf(reply, { code: 'OK' }, { code: 'canceled', message, billed: false }) }
}

function refined(outcome: Outcome, reply: Reply, call: Call): Outcome {
  switch (outcome.kind) {
    case 'done': {
      const cost = tokensIn(reply.body)
      return cost === undefined ? outcome : { ...outcome, cost }
    }
    case 'failed':
      return { ...outcome, failure: failureIn(outcome.failure, reply, call) }
    case 'refused':
      return { ...outcome, failure: withoutCredit(outcome.failure) }
    case 'pending':
      return outcome
  }
}

/** What the header counts as nothing was not charged. */
function failureIn(failure: Failure, reply: Reply, { purpose }: Call): Failure {
  const isFree = reply.status < 500 && Number(reply.headers['x-fal-billable-units'] ?? Number.NaN) === 0
  const billed = isFree ? false : failure.billed
  if (failure.code === 'moderated') return moderationIn({ ...failure, billed }, reply)
  if (purpose === 'submit') return withoutCredit(failure)
  return { ...failure, billed, code: failure.code === 'provider_rejected' && reply.status >= 500 ? 'provider_unavailable' : failure.code }
}

/** `loc` names the field that was refused; where it names none, it was about the image. */
function moderationIn(failure: Failure, { body }: Reply): Failure {
  const [issue] = ModelError.safeParse(body).data?.detail ?? []
  const { loc = [], categories = [] } = issue ?? {}
  const reasons = categories.map((category) => withoutSecrets(category))
  if (loc.length > 1) return { ...failure, reasons }
  return { ...failure, message: `${manifest.title}’s moderation withheld the image`, stage: 'output', reasons }
}

/** An account without credit is locked: HTTP 403, as a key without permission. */
function withoutCredit(failure: Failure): Failure {
  if (failure.provider_status !== 403 || !/exhausted balance/i.test(failure.provider_message ?? '')) return failure
  return { ...failure, code: 'insufficient_credit', message: `${manifest.title} says that the account has too little credit (HTTP 403)` }
}
