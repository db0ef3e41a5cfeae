import { TooManyOpen } from '../../core/nodes.ts'
import type { UnitOfWork } from '../../core/ports.ts'
import { lockNamed, OPEN_OF } from './locks.ts'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'

/**
 * A key that had so many fewer than it may have is not counted again for so long: no server commits this many acceptances in that time, and a
 * key far from its limit neither waits for others nor has thousands of rows read for each of its requests.
 */
const FAR = 5_000
const FAR_FOR_MS = 1_000

/** Nobody needs to know how many more there are. */
const count = prepare(`
  SELECT count(*) AS n FROM (SELECT FROM generations WHERE open AND key = $1 AND NOT id = ANY ($3::text[]) LIMIT $2) AS others`)

interface Asked {
  /** What must be asked before anything else of a unit, so that only one transaction at a time counts a key's generations. */
  readonly locks: readonly Statement[]
  /** Refuses the unit where its generations are too many. Must be asked before they are written. */
  readonly statements: readonly Statement[]
}

const NOTHING_ASKED: Asked = { locks: [], statements: [] }

/** Counts the open generations of gateway keys, those of all processes together, where a unit opens one more. */
export function openOfKeys() {
  const farUntil = new Map<string, { readonly most: number; readonly untilMs: number }>()
  return {
    ask({ openCheck, generations = [] }: Pick<UnitOfWork, 'openCheck' | 'generations'>): Asked {
      if (openCheck === undefined) return NOTHING_ASKED
      const { key, most } = openCheck
      const far = farUntil.get(key)
      if (far !== undefined && far.most <= most && performance.now() < far.untilMs) return NOTHING_ASKED
      // One whose fate was unknown is handed in again.
      const own = generations.map(({ id }) => id)
      const statement = count(key, most, own)
      const askedAtMs = performance.now()
      return {
        locks: [lockNamed(OPEN_OF, key)],
        statements: [
          {
            ...statement,
            check({ rows: [row] }) {
              const others = Number(row?.['n'])
              if (others + own.length > most) throw new TooManyOpen(openCheck)
              if (others + FAR <= most) farUntil.set(key, { most, untilMs: askedAtMs + FAR_FOR_MS })
              else farUntil.delete(key)
            },
          },
        ],
      }
    },
  }
}

export type OpenOfKeys = ReturnType<typeof openOfKeys>
