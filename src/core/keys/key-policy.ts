import type { BudgetPeriod, Usd } from '#contract'

/** What a gateway key may do. */
export interface KeyPolicy {
  readonly name: string
  /** Null: no limit. */
  readonly budgetUsd: Usd | null
  readonly period: BudgetPeriod
  /** The only models and aliases it may use; null: all. */
  readonly models: readonly string[] | null
  /** The only providers it may use; null: all. */
  readonly providers: readonly string[] | null
  /** Whether a budget lets unpriced offers pass. */
  readonly allowUnpriced: boolean
  /** Whether it sees everybody's costs. */
  readonly admin: boolean
}

/** What whoever asks may do. A key that has ended is not the same as none: it may do nothing, and without keys everybody may do everything. */
export type Standing =
  | { readonly kind: 'everybody' }
  | { readonly kind: 'key'; readonly policy: KeyPolicy }
  /** There is no key of this name, or it has expired. */
  | { readonly kind: 'ended'; readonly key: string }
