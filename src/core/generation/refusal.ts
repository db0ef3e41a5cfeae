import type { Failure } from '#contract'
import type { BudgetExceeded } from '../ports.ts'

/** Why a request was not accepted. Nothing was bought. */
export class Refusal extends Error {
  readonly code: Failure['code']
  readonly errors: readonly { readonly path: string; readonly message: string }[]
  /** When the same request is worth sending again; null where that is not known. */
  readonly retryAfterMs: number | null
  constructor(code: Failure['code'], message: string, errors: Refusal['errors'] = [], retryAfterMs: number | null = null) {
    super(message)
    this.code = code
    this.errors = errors
    this.retryAfterMs = retryAfterMs
  }
}

/** A budget that was taken by others between the plan and the acceptance. */
export const overBudget = (error: BudgetExceeded): Refusal =>
  new Refusal('budget_exceeded', `The quote exceeds what is left of this key's budget: ${error.message}.`, [
    { path: 'budget_usd', message: error.message },
  ])
