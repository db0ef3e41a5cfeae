import { compareUsd, type RouteRule, type Routing } from '#contract'
import type { Assessment, PlanInput } from './assess.ts'

type Compare = (left: Assessment, right: Assessment) => number

const providerOf = (assessment: Assessment): string => assessment.candidate.offer.provider

/**
 * The order in which eligible offers are tried, and the name of the rule that made it. A pin comes first, then what the request prefers, then the
 * operator's rule, else price. Providers that an order or weights leave out follow, by the rule beneath. Price and latency compare equal images,
 * so an offer far from the one requested comes after all others. Unpriced offers come last by price, unmeasured ones last by latency; ties go
 * to the one with fewer warnings, then to the faster, then to the one configured first. A provider that is paused comes last whatever the rule.
 */
export function choose(
  eligible: readonly Assessment[],
  input: PlanInput,
): { readonly strategy: Routing['strategy']; readonly ordered: readonly Assessment[] } {
  const preference = input.request.provider
  const rule: RouteRule = preference?.sort ? { sort: preference.sort } : input.rule
  const base = arrange(eligible, rule, input.roll)
  if (input.pinned !== null) return { strategy: 'pinned', ordered: pausedLast(base.ordered) }
  if (!preference?.order) return { ...base, ordered: pausedLast(base.ordered) }
  return { strategy: 'order', ordered: pausedLast(listedFirst(base.ordered, preference.order)) }
}

/** Whether another provider is tried after one that failed at no cost. */
export const mayFallBack = ({ pinned, request }: PlanInput): boolean => pinned === null && request.provider?.allow_fallbacks !== false

/** Whether its provider starts nothing for now, because it answered 429. */
export const isPaused = ({ candidate }: Assessment): boolean => (candidate.pausedMs ?? 0) > 0

const pausedLast = (ordered: readonly Assessment[]): readonly Assessment[] =>
  ordered.toSorted((left, right) => Number(isPaused(left)) - Number(isPaused(right)))

function arrange(eligible: readonly Assessment[], rule: RouteRule, roll: number): ReturnType<typeof choose> {
  if (rule.order) return { strategy: 'order', ordered: listedFirst(eligible.toSorted(byPrice), rule.order) }
  if (rule.weights) return { strategy: 'weights', ordered: weighted(eligible.toSorted(byPrice), rule.weights, roll) }
  return rule.sort === 'latency'
    ? { strategy: 'latency', ordered: eligible.toSorted(byLatencyThenPrice) }
    : { strategy: 'price', ordered: eligible.toSorted(byPrice) }
}

/** Cheapest first, unpriced last, those far from the requested image after all; ties by warnings, latency, then configured order. */
export const byPrice: Compare = (left, right) =>
  compareDistance(left, right) ||
  comparePrices(left, right) ||
  warningsOf(left) - warningsOf(right) ||
  compareLatencies(left, right) ||
  left.position - right.position

/** Fastest first, unmeasured last, those far from the requested image after all; ties by price, warnings, then configured order. */
export const byLatencyThenPrice: Compare = (left, right) =>
  compareDistance(left, right) ||
  compareLatencies(left, right) ||
  comparePrices(left, right) ||
  warningsOf(left) - warningsOf(right) ||
  left.position - right.position

/** Whether its image is not comparable with the one requested. */
export const isFar = ({ adaptation }: Assessment): boolean => adaptation.eligible && adaptation.fidelity === 'far'

const compareDistance: Compare = (left, right) => Number(isFar(left)) - Number(isFar(right))

/** Options meant for another provider say nothing against this one. */
const warningsOf = ({ adaptation }: Assessment): number =>
  adaptation.eligible ? adaptation.warnings.filter(({ code }) => code !== 'ignored_option').length : 0

export function comparePrices({ price: left }: Assessment, { price: right }: Assessment): number {
  if (left === null || right === null) return Number(left === null) - Number(right === null)
  return compareUsd(left.amount, right.amount)
}

function compareLatencies({ candidate: { latency: left } }: Assessment, { candidate: { latency: right } }: Assessment): number {
  if (left === null || right === null) return Number(left === null) - Number(right === null)
  return left.p50 - right.p50
}

function listedFirst(assessments: readonly Assessment[], order: readonly string[]): readonly Assessment[] {
  const rankOf = (assessment: Assessment): number => {
    const index = order.indexOf(providerOf(assessment))
    return index === -1 ? order.length : index
  }
  return assessments.toSorted((left, right) => rankOf(left) - rankOf(right))
}

/**
 * A weighted shuffle: each rank goes to a provider with a probability in proportion to its weight among those left. Where a roll lands within
 * the winner's share is itself an even roll, and draws the next rank, so one roll decides the whole order.
 */
function weighted(assessments: readonly Assessment[], weights: Readonly<Record<string, number>>, firstRoll: number): readonly Assessment[] {
  const weightOf = (assessment: Assessment): number => {
    const provider = providerOf(assessment)
    return Object.hasOwn(weights, provider) ? (weights[provider] ?? 0) : 0
  }
  let left = assessments.filter((assessment) => weightOf(assessment) > 0)
  const ordered: Assessment[] = []
  let roll = firstRoll
  while (left.length > 0) {
    const total = left.reduce((sum, assessment) => sum + weightOf(assessment), 0)
    const drawn = draw(left, weightOf, roll * total)
    if (drawn === null) break
    ordered.push(drawn.assessment)
    left = left.filter((assessment) => assessment !== drawn.assessment)
    roll = drawn.within
  }
  return [...ordered, ...assessments.filter((assessment) => weightOf(assessment) === 0)]
}

/** The assessment whose share holds the point, and where in it, 0…1. A point at the very end belongs to the last. */
function draw(
  assessments: readonly Assessment[],
  weightOf: (assessment: Assessment) => number,
  point: number,
): { readonly assessment: Assessment; readonly within: number } | null {
  let rest = point
  let drawn: { readonly assessment: Assessment; readonly within: number } | null = null
  for (const assessment of assessments) {
    const weight = weightOf(assessment)
    drawn = { assessment, within: Math.min(1, rest / weight) }
    if (rest < weight) return drawn
    rest -= weight
  }
  return drawn
}
