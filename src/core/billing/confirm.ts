import { compareUsd, isTerminal, subtractUsd } from '#contract'
import type { CostLine, Usd } from '#contract'
import { otherPeriods } from './budget.ts'
import { surchargeIn } from './ledger.ts'
import { withSurcharge } from '../plan/price.ts'
import type { CostRow, GenerationRecord, LedgerEntry, SettledTask } from '../records.ts'
import type { Clock, Store } from '../ports.ts'

/** An attempt whose cost is not known, with the generation it belongs to, which has ended. */
export interface UnknownCost {
  readonly row: CostRow
  readonly generation: GenerationRecord
  /** The vendor's bill that was not believed; null where there was none. */
  readonly reported: Usd | null
  /** What somebody settled since the line was read; null where nobody did. */
  readonly settled: Settled | null
}

/** A known cost, and what of it the provider takes outside the call. */
export interface Settled {
  readonly amount: Usd
  readonly surcharge: Usd | undefined
}

/** The attempt of a line of the account as it is kept; null while its generation is under way, which then may still settle it itself. */
export async function findUnknown(store: Pick<Store, 'generation'>, row: CostRow): Promise<UnknownCost | null> {
  const generation = await store.generation(row.generationId)
  const attempt = generation?.attempts.find(({ id }) => id === row.attemptId)
  if (!generation || !attempt || !isOver(generation)) return null
  const { amount = null, reported = null } = attempt.settled ?? {}
  const { surcharge } = surchargeIn(attempt, generation.routes[attempt.route] ?? {})
  return { row, generation, reported, settled: amount === null ? null : { amount, surcharge } }
}

const isOver = ({ status, attempts }: GenerationRecord): boolean => isTerminal(status) && attempts.every(({ endedAt }) => endedAt !== null)

/**
 * Settles an unknown cost from an invoice: the generation shows it, a line is added to the account, and what counts against the key's budget is
 * the amount instead of the quote; all in one transaction. The line has the instant of the settlement it completes, so that a report of that
 * month has both. A second line for the same attempt is not written. Rejects with `ChangedMeanwhile` where another gateway settles one of its
 * attempts in the same moment.
 * @param providerTaskId the vendor's id of the task: the one that is known, or the one that an operator attached; null where there is none
 */
export async function confirm(
  { store, clock }: { readonly store: Pick<Store, 'commit'>; readonly clock: Pick<Clock, 'now'> },
  { row, generation }: UnknownCost,
  invoicedAmount: Usd,
  providerTaskId: string | null,
): Promise<void> {
  const settled = generation.attempts.find(({ id }) => id === row.attemptId)
  const surcharge = settled && generation.routes[settled.route]?.surcharge
  const { amount, lines } = withSurcharge({ amount: invoicedAmount, lines: linesOf(invoicedAmount) }, surcharge)
  const attempts = generation.attempts.map((attempt) =>
    attempt.id === row.attemptId
      ? { ...attempt, providerTaskId, settled: { ...attempt.settled, amount, basis: 'billed' as const, lines } }
      : attempt,
  )
  const adjusted: LedgerEntry = {
    generationId: row.generationId,
    attemptId: row.attemptId,
    key: row.key,
    provider: row.provider,
    model: row.model,
    kind: 'adjusted',
    amount,
    at: row.at,
    period: generation.reserved?.period ?? null,
    alsoIn: otherPeriods(generation),
    task: { ...row.task, providerTaskId, ...surchargePart(amount, invoicedAmount), adjustedAt: clock.now() },
  }
  await store.commit({ generations: [{ ...generation, attempts }], ledger: [adjusted], restsOn: generation })
}

const linesOf = (amount: Usd): readonly CostLine[] =>
  compareUsd(amount, '0') === 0 ? [] : [{ what: 'as invoiced by the provider', quantity: 1, unit_amount: amount, amount }]

const surchargePart = (amount: Usd, invoiced: Usd): Pick<SettledTask, 'surcharge'> =>
  amount === invoiced ? {} : { surcharge: subtractUsd(amount, invoiced) }
