import type { PriceRule, Quote, QuotedOffer, Routing } from '#contract'
import type { Route } from '../records.ts'
import { assess, isEligible, type Assessment, type PlanInput } from './assess.ts'
import { byLatencyThenPrice, byPrice, choose } from './choose.ts'

export type { Candidate, PlanInput } from './assess.ts'

/** Where a request goes, decided before any money is spent: routes in the order to try them, or the reason of every offer against it. */
export type Plan =
  | { readonly kind: 'routes'; readonly routes: readonly Route[]; readonly routing: Routing }
  | { readonly kind: 'refused'; readonly considered: readonly { readonly provider: string; readonly reasons: readonly string[] }[] }

/** Adapts, prices and orders. Pure: the same input gives the same plan. */
export function plan(input: PlanInput): Plan {
  const assessments = assess(input)
  const { strategy, ordered } = choose(assessments.filter(isEligible), input)
  const routes = ordered.flatMap(routeOf)
  if (routes.length === 0) return { kind: 'refused', considered: assessments.map(refusalOf) }
  const mayFallBack = input.pinned === null && input.request.provider?.allow_fallbacks !== false
  const rest = assessments.filter((assessment) => !isEligible(assessment))
  return {
    kind: 'routes',
    routes: mayFallBack ? routes : routes.slice(0, 1),
    routing: { strategy, considered: [...ordered, ...rest].map(consideredRow) },
  }
}

/** Every offer of the model with its price, eligible or not: cheapest first, unpriced last. Spends nothing. */
export function quote(input: PlanInput): Quote {
  const assessments = assess(input)
  const eligible = assessments.filter(isEligible)
  const cheapest = eligible.filter(({ price }) => price !== null).toSorted(byPrice)[0]
  const fastest = eligible.filter(({ candidate }) => candidate.latency !== null).toSorted(byLatencyThenPrice)[0]
  return {
    object: 'quote',
    model: input.request.model,
    offers: assessments.toSorted(forQuote).map(quotedOffer),
    cheapest: cheapest?.candidate.offer.provider ?? null,
    fastest: fastest?.candidate.offer.provider ?? null,
  }
}

/** By price; of the unpriced ones those that can be used first. */
function forQuote(left: Assessment, right: Assessment): number {
  if (left.price !== null || right.price !== null) return byPrice(left, right)
  return Number(isEligible(right)) - Number(isEligible(left)) || byPrice(left, right)
}

function quotedOffer({ candidate, adaptation, price, reasons }: Assessment): QuotedOffer {
  const { offer } = candidate
  const unpriced = offer.price === null ? ['This offer has no published price; its cost is known only once it is billed.'] : []
  return {
    provider: offer.provider,
    model: offer.model,
    provider_model: offer.providerModel,
    eligible: reasons.length === 0,
    reasons: [...reasons],
    warnings: adaptation.eligible ? [...adaptation.warnings] : [],
    applied: adaptation.eligible ? adaptation.applied : null,
    cost: price && { amount: price.amount, lines: [...price.lines] },
    assumptions: [...(adaptation.eligible ? adaptation.assumptions : []), ...(price?.assumptions ?? unpriced)],
    latency_ms: candidate.latency,
  }
}

function routeOf({ candidate: { offer, options }, adaptation, price }: Assessment): Route[] {
  if (!adaptation.eligible) return []
  const { applied, warnings } = adaptation
  return [
    {
      provider: offer.provider,
      model: offer.model,
      providerModel: offer.providerModel,
      applied,
      warnings,
      tasks: splitImages(applied.n, offer.limits.n.max),
      quoted: price && { amount: price.amount, lines: price.lines },
      price: withoutNote(offer.price),
      options,
    },
  ]
}

/** A note explains a price to a reader; the row that is kept for each generation does without. */
function withoutNote(price: PriceRule | null): PriceRule | null {
  if (price === null) return null
  const known = rulesWithoutNote.get(price)
  if (known) return known
  const { note: _, ...rule } = price
  rulesWithoutNote.set(price, rule)
  return rule
}

/** One copy of a rule, however many generations hold it. */
const rulesWithoutNote = new WeakMap<PriceRule, PriceRule>()

/** Images in each paid task: full batches, then the rest. */
function splitImages(images: number, batch: number): readonly number[] {
  const full = Math.floor(images / batch)
  const rest = images % batch
  return [...Array.from({ length: full }, () => batch), ...(rest > 0 ? [rest] : [])]
}

const refusalOf = ({ candidate, reasons }: Assessment): { provider: string; reasons: readonly string[] } => ({
  provider: candidate.offer.provider,
  reasons,
})

const consideredRow = ({ candidate, price, reasons }: Assessment): Routing['considered'][number] => ({
  provider: candidate.offer.provider,
  eligible: reasons.length === 0,
  quoted: price?.amount ?? null,
  latency_ms: candidate.latency?.p50 ?? null,
  reasons: [...reasons],
})
