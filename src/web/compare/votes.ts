import { keep, keptJson } from '../shell/kept.ts'

/** One blind vote: who was shown, and who was chosen; null: nobody. */
export interface Vote {
  readonly model: string
  readonly shown: readonly string[]
  readonly chosen: string | null
  /** What was voted on; votes of before it was kept have none. */
  readonly comparison?: string
}

const nameOf = (sandbox: boolean): string => (sandbox ? 'votes.sandbox' : 'votes')

const allOf = (sandbox: boolean): readonly Vote[] => keptJson<readonly Vote[]>('local', nameOf(sandbox), [])

/** Votes live in this browser, those of the sandbox apart. */
export const votesOf = (sandbox: boolean, model: string): readonly Vote[] => allOf(sandbox).filter((vote) => vote.model === model)

export function addVote(sandbox: boolean, vote: Vote): void {
  keep('local', nameOf(sandbox), JSON.stringify([...allOf(sandbox), vote]))
}

/** A choice is final: whoever comes back to a comparison finds it as it was made. */
export const voteOn = (sandbox: boolean, comparison: string): Vote | null =>
  allOf(sandbox).find((vote) => vote.comparison === comparison) ?? null

export interface Tally {
  readonly provider: string
  readonly chosen: number
  readonly shown: number
}

export function talliesOf(votes: readonly Vote[]): readonly Tally[] {
  const providers = [...new Set(votes.flatMap(({ shown }) => shown))]
  return providers
    .map((provider) => ({
      provider,
      chosen: votes.filter(({ chosen }) => chosen === provider).length,
      shown: votes.filter(({ shown }) => shown.includes(provider)).length,
    }))
    .toSorted((one, other) => other.chosen / other.shown - one.chosen / one.shown)
}

/** The two-sided sign test: how likely a split at least this uneven is where both are liked equally. */
export function signTest(wins: number, losses: number): number {
  const total = wins + losses
  const fewer = Math.min(wins, losses)
  let tail = 0
  // From the logarithms of the binomial coefficients, so that many votes do not overflow.
  let logarithm = -total * Math.LN2
  for (let count = 0; count <= fewer; count++) {
    tail += Math.exp(logarithm)
    logarithm += Math.log(total - count) - Math.log(count + 1)
  }
  return Math.min(1, 2 * tail)
}

const CERTAIN_BELOW = 0.05

/** Pairs that the votes do not separate: of those that showed both, the choices could as well be chance. */
export function inseparable(votes: readonly Vote[], tallies: readonly Tally[]): readonly (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  for (const [at, { provider: one }] of tallies.entries()) {
    for (const { provider: other } of tallies.slice(at + 1)) {
      const both = votes.filter(({ shown }) => shown.includes(one) && shown.includes(other))
      const wins = both.filter(({ chosen }) => chosen === one).length
      const losses = both.filter(({ chosen }) => chosen === other).length
      if (both.length > 0 && signTest(wins, losses) >= CERTAIN_BELOW) pairs.push([one, other])
    }
  }
  return pairs
}

/** An order nobody can guess, kept for the tab, so that a reload shows the same. */
export function drawnOrder(id: string, providers: readonly string[]): readonly string[] {
  const name = `blind.${id}`
  const before = keptJson<readonly string[]>('session', name, [])
  if (before.length === providers.length && providers.every((provider) => before.includes(provider))) return before
  const drawn = [...providers]
  for (let at = drawn.length - 1; at > 0; at--) {
    const other = below(at + 1)
    const [one, two] = [drawn[at], drawn[other]]
    if (one === undefined || two === undefined) continue
    drawn[at] = two
    drawn[other] = one
  }
  keep('session', name, JSON.stringify(drawn))
  return drawn
}

const RANGE = 2 ** 32

/** A whole number below the limit, each equally likely. */
function below(limit: number): number {
  const most = RANGE - (RANGE % limit)
  for (;;) {
    const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1))
    if (drawn < most) return drawn % limit
  }
}
