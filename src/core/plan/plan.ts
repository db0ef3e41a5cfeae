import { inOnePiece } from '#adapter-kit'
import type { Offer, Routing } from '#contract'
import type { Route } from '../records.ts'
import { assess, isEligible, type Assessment, type PlanInput } from './assess.ts'
import { choose, mayFallBack } from './choose.ts'

export type { Candidate, PlanInput } from './assess.ts'
export { quote } from './quote.ts'

/** Where a request goes, decided before any money is spent: routes in the order to try them, or the reason of every offer against it. */
export type Plan =
  | { readonly kind: 'routes'; readonly routes: readonly Route[]; readonly routing: Routing }
  | { readonly kind: 'refused'; readonly considered: readonly { readonly provider: string; readonly reasons: readonly string[] }[] }

/** Adapts, prices and orders. Pure: the same input gives the same plan. */
export function plan(input: PlanInput): Plan {
  const assessments = assess(input, { showsSeeds: false })
  const { strategy, ordered } = choose(assessments.filter(isEligible), input)
  const routes = ordered.flatMap(({ route }) => route ?? [])
  if (routes.length === 0) return { kind: 'refused', considered: assessments.map(refusalOf) }
  const rest = assessments.filter((assessment) => !isEligible(assessment))
  return {
    kind: 'routes',
    routes: routes.slice(0, mayFallBack(input) ? routes.length : 1),
    routing: { strategy, considered: [...ordered, ...rest].map(consideredRow) },
  }
}

const refusalOf = ({ candidate, reasons }: Assessment): { provider: string; reasons: readonly string[] } => ({
  provider: candidate.offer.provider,
  reasons,
})

type ConsideredRow = Routing['considered'][number]

/** The row of each offer that was made last, and of what. */
const lastRows = new WeakMap<Offer, { readonly of: Assessment; readonly row: ConsideredRow }>()

/** Most rows say of their offer what the one before said: thousands of open generations then hold one, which saves each some 800 bytes. */
function consideredRow(assessment: Assessment): ConsideredRow {
  const { offer } = assessment.candidate
  const last = lastRows.get(offer)
  if (last?.of === assessment) return last.row
  const row = rowOf(assessment)
  if (last !== undefined && isSame(last.row, row)) return last.row
  const kept = { ...row, reasons: row.reasons.map(inOnePiece) }
  lastRows.set(offer, { of: assessment, row: kept })
  return kept
}

const rowOf = ({ candidate: { offer, latency }, route, price, reasons }: Assessment) => ({
  provider: offer.provider,
  eligible: reasons.length === 0,
  fidelity: route?.fidelity ?? null,
  quoted: price?.amount ?? null,
  latency_ms: latency?.p50 ?? null,
  latency_samples: latency?.samples ?? null,
  reasons,
})

const isSame = (one: Readonly<ConsideredRow>, other: ReturnType<typeof rowOf>): boolean =>
  one.eligible === other.eligible &&
  one.fidelity === other.fidelity &&
  one.quoted === other.quoted &&
  one.latency_ms === other.latency_ms &&
  one.latency_samples === other.latency_samples &&
  one.reasons.length === other.reasons.length &&
  one.reasons.every((reason, index) => reason === other.reasons[index])
