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
