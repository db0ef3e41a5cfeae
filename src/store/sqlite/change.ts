import type { DatabaseSync } from 'node:sqlite'
import type { UnitOfWork } from '../../core/ports.ts'

/** One kind of a unit's writes, bound to the values as they are when the unit is handed in: a record may change while it waits. */
export interface Change {
  /** Throws where the whole unit must be refused. Reads only; sees every unit before this one. */
  readonly check?: () => void
  /** Runs after the checks of all the unit's changes. */
  readonly apply: () => void
}

/** Prepares its statements once, then makes its change of each unit; null where the unit has nothing of this kind. */
export type ChangeKind = (database: DatabaseSync) => (unit: UnitOfWork) => Change | null
