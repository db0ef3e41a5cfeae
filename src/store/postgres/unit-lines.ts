import type { UnitOfWork } from '../../core/ports.ts'
import type { Line } from './in-order.ts'
import type { Statement } from './statement.ts'

/** The one that has a key's lock, and the next. */
const MOST_OF_A_KEY = 2
/** Of ten connections: among them are those that wait for their key's lock, which comes first. */
const MOST_AT_A_PROVIDER = 6

/**
 * Which locks a unit may wait for at the server, its key's before its providers', as it takes them.
 * @param locks those under which open generations are counted
 */
export function linesOf({ budget, openCheck, slots = [] }: UnitOfWork, locks: readonly Statement[]): readonly Line[] {
  const key = budget?.key ?? (locks.length > 0 ? openCheck?.key : undefined)
  const providers = [...new Set(slots.map(({ provider }) => provider))].toSorted()
  return [
    ...(key === undefined ? [] : [{ name: `key ${key}`, most: MOST_OF_A_KEY }]),
    ...providers.map((provider) => ({ name: `provider ${provider}`, most: MOST_AT_A_PROVIDER })),
  ]
}
