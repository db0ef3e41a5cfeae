import type { GenerationRequest, JsonObject, Latency, Offer, RouteRule, Usd } from '#contract'
import type { Reference } from '../records.ts'
import { compareUsd } from '#contract'
import { adapt, type Adaptation } from './adapt.ts'
import type { PlannedRequest } from './finding.ts'
import { quoteFor, type QuotedPrice } from './price.ts'

/** One offer of the asked model and what is known about it at this moment. */
export interface Candidate {
  readonly offer: Offer
  /** Null where it can be used; else the reason why not: disabled, breaker open. */
  readonly unavailable: string | null
  /** Present where it is unavailable only for now: how long until it is worth asking again. */
  readonly retryAfterMs?: number
  /** Measured; null before anything was. */
  readonly latency: Latency | null
  /** Parsed provider_options of this provider, `{}` where none were given. */
  readonly options: JsonObject
}

export interface PlanInput {
  readonly request: PlannedRequest
  readonly references: readonly Reference[]
  /** In configured order, which breaks ties. */
  readonly candidates: readonly Candidate[]
  /** The operator's rule for this model; `{}` is by price. */
  readonly rule: RouteRule
  /** The provider a `provider/model` request names. */
  readonly pinned: string | null
  /** 0…1, drawn by the caller; only weights use it. */
  readonly roll: number
  /** What the key that asks may still spend; absent or null: no limit. */
  readonly budget?: { readonly left: Usd; readonly allowUnpriced: boolean } | null
}

/** A candidate judged: eligible where `reasons` is empty. */
export interface Assessment {
  readonly candidate: Candidate
  /** Index into the candidates. */
  readonly position: number
  readonly adaptation: Adaptation
  /** Null where the request does not fit the offer or the offer publishes no price. */
  readonly price: QuotedPrice | null
  readonly reasons: readonly string[]
}

export const isEligible = (assessment: Assessment): boolean => assessment.reasons.length === 0

/** Judges every candidate; none is left out, so that each refusal can be told. */
export function assess(input: PlanInput): readonly Assessment[] {
  return input.candidates.map((candidate, position) => {
    const adaptation = adapt(input.request, input.references, candidate.offer)
    const price = adaptation.eligible ? quoteFor(candidate.offer, adaptation.applied, input.references) : null
    const reasons = [
      ...(candidate.unavailable === null ? [] : [candidate.unavailable]),
      ...excluded(candidate.offer.provider, input),
      ...(adaptation.eligible ? [...tooExpensive(price, input.request.provider), ...overBudget(price, input.budget)] : adaptation.reasons),
    ]
    return { candidate, position, adaptation, price, reasons }
  })
}

function excluded(provider: string, { request, pinned }: PlanInput): string[] {
  const reasons: string[] = []
  if (pinned !== null && provider !== pinned) reasons.push(`model: the request names the provider ${pinned}.`)
  const { only, ignore } = request.provider ?? {}
  if (only && !only.includes(provider)) reasons.push(`provider.only: ${provider} is not in it.`)
  if (ignore?.includes(provider)) reasons.push(`provider.ignore: ${provider} is in it.`)
  return reasons
}

function overBudget(price: QuotedPrice | null, budget: PlanInput['budget']): string[] {
  if (!budget) return []
  const { left, allowUnpriced } = budget
  if (price !== null) {
    return compareUsd(price.amount, left) <= 0 ? [] : [`budget: the quote is ${price.amount}, and the key's budget has ${left} left.`]
  }
  if (!allowUnpriced) return ['budget: this offer has no price, and the key has a budget (allow it with keys.allow_unpriced).']
  return compareUsd(left, '0') > 0 ? [] : ["budget: nothing is left of the key's budget."]
}

function tooExpensive(price: QuotedPrice | null, preference: GenerationRequest['provider']): string[] {
  const limit = preference?.max_price_usd
  if (limit === undefined) return []
  if (price === null) return [`provider.max_price_usd: this offer has no published price, so at most ${limit} cannot be promised.`]
  if (compareUsd(price.amount, limit) <= 0) return []
  return [`provider.max_price_usd: the quote is ${price.amount}, and at most ${limit} is allowed.`]
}
