import type { BudgetPeriod } from '#contract'
import type { KeyPolicy } from './key-policy.ts'

/** What a gateway key may do; each scope includes those before it. */
export type Scope = 'read' | 'write' | 'admin'

/** Who asks. */
export interface Caller {
  /** Name of the gateway key; null where none are on, and for a stranger on an open route. */
  readonly key: string | null
  /** Null: a stranger, on an open route. */
  readonly scope: Scope | null
  /** Names as callers write them; null: all. */
  readonly models: readonly string[] | null
  /** Provider ids; null: all. */
  readonly providers: readonly string[] | null
  /** Sees the rows of every key. */
  readonly isAdmin: boolean
  /** Requests in a minute; null: no limit of its own. */
  readonly ratePerMinute: number | null
}

/** All that a gateway key may do, as the configuration or the store has it. */
export interface KeyRules extends KeyPolicy {
  readonly scope: Scope
  readonly ratePerMinute: number | null
  readonly period: BudgetPeriod
}

/** Whether a secret that was a caller's is still the same key's, and shows others' rows if it did. */
export const isStill = (before: Caller, now: Caller | null): boolean =>
  now !== null && now.key === before.key && (now.isAdmin || !before.isAdmin)

export const callerOf = ({ name, scope, models, providers, ratePerMinute }: KeyRules): Caller => ({
  key: name,
  scope,
  models,
  providers,
  isAdmin: scope === 'admin',
  ratePerMinute,
})
