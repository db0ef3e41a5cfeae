import { BudgetPeriod, subtractUsd } from '#contract'
import type { BudgetState, Usd } from '#contract'
import type { KeyPolicy } from '../keys/key-policy.ts'
import type { GenerationRecord, Instant, Reservation } from '../records.ts'
import type { Store } from '../ports.ts'
import { dayOf, isoOrNull, monthOf } from '../instant.ts'

export type { KeyPolicy }

export type Period = Pick<Reservation, 'period' | 'periodStart' | 'renewsAt'>

/** The UTC day or month an instant lies in, or all of time. */
export function periodAt(kind: BudgetPeriod, instant: Instant): Period {
  const date = new Date(instant)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  switch (kind) {
    case 'day':
      return { period: dayOf(instant), periodStart: Date.UTC(year, month, day), renewsAt: Date.UTC(year, month, day + 1) }
    case 'month':
      return { period: monthOf(instant), periodStart: Date.UTC(year, month), renewsAt: Date.UTC(year, month + 1) }
    case 'total':
      return { period: 'total', periodStart: 0, renewsAt: null }
  }
}

const NONE: readonly string[] = []

/** The periods in which a generation counts, whatever budget its key has, but the one in which it is reserved. */
export const otherPeriods = ({ key, createdAt, reserved }: Pick<GenerationRecord, 'key' | 'createdAt' | 'reserved'>): readonly string[] =>
  key === null ? NONE : BudgetPeriod.options.map((kind) => periodAt(kind, createdAt).period).filter((period) => period !== reserved?.period)

/** A key's budget as it stands. */
export interface Budget extends Period {
  readonly key: string
  readonly limit: Usd
  readonly used: Usd
  readonly left: Usd
  readonly allowUnpriced: boolean
}

/** Null where the key has no budget. */
export async function budgetOf(store: Pick<Store, 'budgetUsed'>, policy: KeyPolicy | null, now: Instant): Promise<Budget | null> {
  if (policy?.budgetUsd === null || policy === null) return null
  const { name: key, budgetUsd: limit, allowUnpriced } = policy
  const period = periodAt(policy.period, now)
  const used = await store.budgetUsed(key, period.period, period.periodStart)
  return { ...period, key, limit, used, left: subtractUsd(limit, used), allowUnpriced }
}

/** What a generation holds of a budget from its acceptance on: what its first route may come to, nothing where that is unpriced. */
export const reservationOf = ({ period, periodStart, renewsAt, limit }: Budget, held: Usd | null): Reservation => ({
  period,
  periodStart,
  renewsAt,
  limit,
  amount: held ?? '0',
})

export const budgetView = ({ key, limit, used, left, renewsAt }: Budget, period: BudgetPeriod): BudgetState => ({
  key,
  limit,
  period,
  used,
  left,
  renews_at: isoOrNull(renewsAt),
})
