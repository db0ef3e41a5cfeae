import { expect } from 'vitest'
import type { Call, Outcome, Provider, Reply } from '#contract'
import type { Case } from './case-files.ts'
import { withAddress } from './legal-orders.ts'
import { offerOf, ordersFor, parseRequest } from './order-from-request.ts'

/** Sends a call and returns what came back; null where the reply was lost. */
export type Send = (call: Call, step: number) => Promise<Reply | null>

/**
 * Plays a story as the gateway does: translate, then interpret until the end; a refused poll is repeated while the story has more.
 * Fails where a call differs from its file.
 */
export async function playCase(
  story: Case,
  provider: Provider,
  providers: readonly Provider[],
  send: Send,
): Promise<{ readonly outcome: Outcome; readonly calls: number }> {
  const request = parseRequest(story.request, providers)
  const planned = await ordersFor(request, provider, offerOf(provider, request.model))
  if (planned.kind === 'refused') throw new Error(`the offer refuses the request: ${planned.reasons.join(' ')}`)
  const [order] = planned.orders
  if (order === undefined) throw new Error('the request leads to no paid task')

  let call: Call = provider.adapter.translate(withAddress(provider.manifest, order)).call
  for (const [index, step] of story.steps.entries()) {
    expect(call, `the call of step ${index + 1}`).toEqual(step.call)
    const reply = await send(call, index)
    if (reply === null) {
      call = afterLostReply(provider, call)
      continue
    }
    const outcome = provider.adapter.interpret(reply, call)
    const isRepeated = outcome.kind === 'refused' && call.purpose !== 'submit' && index + 1 < story.steps.length
    if (isRepeated) continue
    if (outcome.kind !== 'pending') return { outcome, calls: index + 1 }
    call = outcome.next
  }
  throw new Error(`the story stops at call ${story.steps.length} with more to come: ${JSON.stringify(call)}`)
}

/** A lost poll is sent again. A lost submit is asked for where the vendor can be asked; where not, nothing more can be known. */
function afterLostReply({ adapter, id }: Provider, call: Call): Call {
  if (call.purpose !== 'submit') return call
  const question = adapter.recover?.(call) ?? null
  if (question === null) throw new Error(`the reply to a submit is lost, and ${id} cannot be asked what became of it`)
  return question
}
