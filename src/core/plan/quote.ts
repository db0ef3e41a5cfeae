import { FIDELITIES, MEGAPIXEL, shareOfUsd, type Quote, type QuotedOffer, type Usd } from '#contract'
import { assess, isEligible, type Assessment, type PlanInput } from './assess.ts'
import { byLatencyThenPrice, byPrice, choose, comparePrices, isFar, isPaused, mayFallBack } from './choose.ts'
import { appliedView, differingDefaults, outputSize } from './fidelity.ts'
import { wholePixelsOf } from './size.ts'

/** Fewer measured tasks say nothing about who is fastest. */
const ENOUGH_SAMPLES = 5

/** Every offer of the model with its price, eligible or not, and where the same request would go now. Spends nothing. */
export function quote(input: PlanInput, sandbox = false): Quote {
  const assessments = assess(input)
  const eligible = assessments.filter(isEligible)
  const comparable = eligible.filter((assessment) => !isFar(assessment))
  const cheapest = comparable.filter(({ price }) => price !== null).toSorted(byPrice)[0]
  const fastest = comparable.filter(({ candidate }) => (candidate.latency?.samples ?? 0) >= ENOUGH_SAMPLES).toSorted(byLatencyThenPrice)[0]
  const differences = differingDefaults(eligible.flatMap(({ route }) => (route ? [{ ...route, defaults: route.defaults ?? {} }] : [])))
  return {
    object: 'quote',
    sandbox,
    model: input.request.model,
    offers: assessments.toSorted(forQuote).map((assessment) => quotedOffer(assessment, input, differences)),
    ...whereTo(assessments, eligible, input),
    cheapest: cheapest ? providerOf(cheapest) : null,
    fastest: fastest ? providerOf(fastest) : null,
  }
}

const providerOf = ({ candidate }: Assessment): string => candidate.offer.provider

/**
 * The providers a purchase would try at this moment, in its order. Paused and full ones are passed over while another is free; where none is,
 * the request waits at a full one rather than at a paused one.
 */
function whereTo(
  assessments: readonly Assessment[],
  eligible: readonly Assessment[],
  input: PlanInput,
): Pick<Quote, 'route' | 'considered'> {
  const { ordered } = choose(eligible, input)
  const unpaused = ordered.filter((assessment) => !isPaused(assessment))
  const free = unpaused.filter(({ candidate }) => candidate.isFull !== true)
  const open = [free, unpaused, ordered].find((some) => some.length > 0) ?? []
  const route = (mayFallBack(input) ? open : open.slice(0, 1)).map(providerOf)
  const passed = assessments.filter((assessment) => !route.includes(providerOf(assessment)))
  return { route, considered: passed.map((assessment) => ({ provider: providerOf(assessment), reason: reasonAgainst(assessment) })) }
}

function reasonAgainst(assessment: Assessment): string {
  const { reasons, candidate } = assessment
  if (reasons.length > 0) return reasons.join(' ')
  if (isPaused(assessment)) return `paused: it asked to be left alone (429) for another ${Math.ceil((candidate.pausedMs ?? 0) / 1000)} s.`
  if (candidate.isFull === true) return 'full: none of its slots (max_in_flight) is free.'
  return 'passed over: the request goes to one provider only, and another comes before it.'
}

/** Eligible offers first: by fidelity, then price, unpriced ones after all that are priced. Then the others, in the same order. */
const forQuote = (left: Assessment, right: Assessment): number =>
  Number(isEligible(right)) - Number(isEligible(left)) ||
  Number(left.price === null) - Number(right.price === null) ||
  rankOf(left) - rankOf(right) ||
  comparePrices(left, right) ||
  byPrice(left, right)

const rankOf = ({ adaptation }: Assessment): number => (adaptation.eligible ? FIDELITIES.indexOf(adaptation.fidelity) : FIDELITIES.length)

function quotedOffer(
  { candidate, adaptation, price, reasons }: Assessment,
  { references }: PlanInput,
  differences: ReturnType<typeof differingDefaults>,
): QuotedOffer {
  const { offer, latency } = candidate
  const unpriced = unpricedIn(offer.price === null ? '' : ' for such images')
  const common = { provider: offer.provider, model: offer.model, provider_model: offer.providerModel, latency_ms: latency, observed: null }
  const judged = { eligible: reasons.length === 0, reasons: [...reasons] }
  if (!adaptation.eligible) {
    return {
      ...common,
      ...judged,
      fidelity: null,
      warnings: [],
      applied: null,
      cost: null,
      assumptions: offer.price === null ? unpriced : [],
    }
  }
  const { applied, defaults, fidelity, warnings, assumptions } = adaptation
  const pixels = outputSize(applied, references, offer.limits)
  return {
    ...common,
    ...judged,
    fidelity,
    warnings: [...warnings],
    applied: appliedView(applied, defaults),
    cost: price && {
      amount: price.amount,
      per_megapixel: pixels && perMegapixel(price.amount, applied.n * wholePixelsOf(pixels)),
      lines: [...price.lines],
    },
    assumptions: [...assumptions, ...(price?.assumptions ?? unpriced), ...differences(offer.provider)],
  }
}

/** Also of an offer that publishes prices for images of other sizes or tiers alone. */
const unpricedIn = (what: string): string[] => [`This offer has no published price${what}; its cost is known only once it is billed.`]

const perMegapixel = (amount: Usd, pixels: number): Usd => shareOfUsd(amount, MEGAPIXEL, pixels)
