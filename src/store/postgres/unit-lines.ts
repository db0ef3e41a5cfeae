import type { UnitOfWork } from '../../core/ports.ts'
import { movedBy } from '../rules/ledger-row.ts'
import { hourCountOf } from '../rules/provider-hour.ts'
import { spendersOf } from './budgets.ts'
import type { Line } from './in-order.ts'
import type { Statement } from './statement.ts'

/** The one that has a key's lock, and the next. */
const MOST_OF_A_KEY = 2
/** Of ten connections, at its slots or in its hours: among them are those that wait for their key's lock, which comes first. */
const MOST_AT_A_PROVIDER = 6
/** As many lines of a key may wait while a row of its spending begins, which is seldom and soon done. */
const MOST_OF_A_SPENDER = 6

/**
 * Which locks a unit may wait for at the server: its keys', then those of the providers whose hours it counts in, then those of the providers
 * whose slots it takes.
 * @param locks those under which open generations are counted
 */
export function linesOf({ budget, openCheck, slots = [], ledger = [] }: UnitOfWork, locks: readonly Statement[]): readonly Line[] {
  const counted = locks.length > 0 ? openCheck?.key : undefined
  // What is released at an end moves the budget as well.
  const keys = [budget?.key, counted, ...ledger.map((entry) => movedBy(entry)?.key)].filter((key) => key !== undefined)
  const hours = ledger.filter((entry) => hourCountOf(entry) !== null)
  return [
    ...linesAt('key', keys, MOST_OF_A_KEY),
    ...linesAt('spending of', spendersOf(ledger), MOST_OF_A_SPENDER),
    ...linesAt(
      'hours of',
      hours.map(({ provider }) => provider),
      MOST_AT_A_PROVIDER,
    ),
    ...linesAt(
      'provider',
      slots.map(({ provider }) => provider),
      MOST_AT_A_PROVIDER,
    ),
  ]
}

/** Always in one order: two units that wait at several never wait for each other. */
const linesAt = (what: string, names: readonly string[], most: number): readonly Line[] =>
  [...new Set(names)].toSorted().map((name) => ({ name: `${what} ${name}`, most }))
