import { compareUsd, isBeyondPercent, type Adapter, type Attempt, type Generation, type Manifest, type QuotedOffer } from '#contract'
import { newFields } from './reply-fields.ts'
import type { Exchange } from './recorder.ts'

/** One thing that was asked of the vendor, beside what we expected. */
export interface Finding {
  readonly verdict: 'agrees' | 'new' | 'contradicts' | 'skipped'
  readonly about: string
  readonly detail: string
}

type Judged = Omit<Finding, 'about'>

/** What is new in the replies: fields that no recorded case has, and statuses that the adapter does not know. */
export function newInReplies(exchanges: readonly Exchange[], adapter: Adapter, known: ReadonlySet<string> | null): readonly Judged[] {
  const fields = new Set<string>()
  const notes = new Set<string>()
  for (const { call, sent } of exchanges) {
    if (sent.kind !== 'reply') continue
    if (known !== null) for (const field of newFields(sent.reply.body, known)) fields.add(field)
    const outcome = adapter.interpret(sent.reply, call)
    if (outcome.kind === 'pending' && outcome.note !== undefined) notes.add(outcome.note)
  }
  return [
    ...[...notes].map((note): Judged => ({ verdict: 'new', detail: `a status that is not known: ${note}` })),
    ...[...fields].map((field): Judged => ({ verdict: 'new', detail: `a field that no recorded case has: ${field}` })),
  ]
}

/** The generation beside its quote: whether it succeeded as ordered, and whether the bill is what was quoted. */
export function judgeGeneration(
  generation: Generation,
  quoted: QuotedOffer,
  { declares }: Pick<Manifest, 'declares'>,
  isCharged: boolean,
): readonly Judged[] {
  const { status, error, warnings, cost } = generation
  if (status !== 'succeeded' || error !== null) {
    const said = [error?.provider_status && `HTTP ${error.provider_status}`, error?.provider_code, error?.provider_message].filter(Boolean)
    return [
      {
        verdict: 'contradicts',
        detail: `${error?.code ?? status}: ${error?.message ?? ''}${said.length > 0 ? ` (${said.join(', ')})` : ''}`,
      },
    ]
  }
  const expected = new Set(quoted.warnings.map(({ code, field }) => `${code} ${field}`))
  const others = warnings.filter(({ code, field }) => !expected.has(`${code} ${field}`))
  return [
    ...others.map(({ field, reason }): Judged => ({ verdict: 'contradicts', detail: `${field}: ${reason}` })),
    ...(declares.seed_returned && generation.images.some(({ seed }) => seed === null)
      ? [{ verdict: 'contradicts' as const, detail: 'the reply has no seed' }]
      : []),
    judgeBill(cost, declares.cost !== 'none', isCharged),
  ]
}

/** Counts of tokens and units differ from one image to the next, and may be a little above the quote; an amount does not. */
const METERED_PERCENT = 10

/** @param isDeclared whether the manifest says that replies have a charge; `isCharged`: whether one had, if only in units of the vendor’s own */
function judgeBill({ quoted, amount, basis }: Generation['cost'], isDeclared: boolean, isCharged: boolean): Judged {
  if (basis === 'computed' && isDeclared && !isCharged)
    return { verdict: 'contradicts', detail: 'the replies say no charge that could be read; the cost is computed' }
  if (basis === 'computed')
    return {
      verdict: 'agrees',
      detail: `delivered; ${isCharged ? 'what the vendor counts has no price here' : 'the vendor says no charge'}, ${quoted ?? '–'} by our rule`,
    }
  if (amount === null || quoted === null)
    return { verdict: 'contradicts', detail: `the bill is not known, or not believed; quoted ${quoted ?? '–'}` }
  if (compareUsd(amount, quoted) === 0) return { verdict: 'agrees', detail: `delivered; ${basis} ${amount}, as quoted` }
  const isLikely = basis === 'metered' && (compareUsd(amount, quoted) < 0 || !isBeyondPercent(amount, quoted, METERED_PERCENT))
  return { verdict: isLikely ? 'agrees' : 'contradicts', detail: `${isLikely ? 'delivered; ' : ''}${basis} ${amount}, quoted ${quoted}` }
}

/** Whether a reply had a charge, an amount or a count. */
export const isChargeSaid = (exchanges: readonly Exchange[], adapter: Adapter): boolean =>
  exchanges.some(({ call, sent }) => sent.kind === 'reply' && adapter.interpret(sent.reply, call).cost !== undefined)

/** What an attempt may have cost at most, as far as anybody knows; an unknown outcome counts as spent. */
export function mostSpent({ cost: { amount, quoted, reported } }: Attempt): string {
  if (amount !== null) return amount
  const [least = '0', most = '0'] = [quoted ?? '0', reported ?? '0'].toSorted(compareUsd)
  return compareUsd(most, least) > 0 ? most : least
}
