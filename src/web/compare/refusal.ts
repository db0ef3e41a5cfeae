import type { CurrentKey } from '../../client/index.ts'
import { monthName } from '../format/facts.ts'
import { usdText } from '../format/usd.ts'

/** Why nothing was started. */
export interface Refusal {
  readonly kind: 'red' | 'amber'
  readonly head: string
  readonly text: string
  /** The error that it says; its request has an id. */
  readonly of?: unknown
}

type Budget = NonNullable<CurrentKey['budget']>

/** When a budget's amount was used: `in November`, `today`, `in all`. */
function when(period: Budget['period'], now: Date): string {
  switch (period) {
    case 'day':
      return 'today'
    case 'month':
      return `in ${monthName(now.getUTCMonth())}`
    case 'total':
      return 'in all'
  }
}

/** What is said where a request does not fit into the budget of this tab's key. `asked` is what it would cost; null where no price is known. */
export const overBudget = ({ key, used, limit, period }: Budget, asked: string | null, now = new Date()): Refusal => ({
  kind: 'red',
  head: `Over the budget of key ${key}.`,
  text: `${usdText(used)} of ${usdText(limit)} used ${when(period, now)}${asked === null ? '' : `, this asks for ${usdText(asked)}`}. Nothing was bought.`,
})
