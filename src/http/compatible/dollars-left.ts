import { sumUsd } from '#contract'
import type { Usd } from '#contract'
import { mayUseProvider } from '../../core/keys/may-use.ts'
import type { Caller } from '../access.ts'
import type { ProviderSource } from '../api/providers.ts'

/** Dollars left of a gateway key's budget; null where it has none. */
export type BudgetLeft = (key: string | null) => Promise<Usd | null>

export interface BalanceSources {
  readonly providers: ProviderSource
  /** Absent: no key has a budget. */
  readonly budgetLeft?: BudgetLeft | undefined
}

/**
 * What a caller can still spend: the rest of its own budget, else the balances of the enabled providers that it may use and that report
 * one, added up. Null where neither is known.
 */
export async function dollarsLeft(
  { providers, budgetLeft }: BalanceSources,
  caller: Pick<Caller, 'key' | 'providers'>,
): Promise<Usd | null> {
  const budget = (await budgetLeft?.(caller.key)) ?? null
  if (budget !== null) return budget
  const balances = (await providers.list()).flatMap(({ id, state, balance_usd: balance }) =>
    state === 'enabled' && balance !== null && mayUseProvider(caller.providers, id) ? [balance] : [],
  )
  return balances.length === 0 ? null : sumUsd(balances)
}
