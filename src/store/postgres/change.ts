import type { UnitOfWork } from '../../core/ports.ts'
import type { Statement } from './statement.ts'

/** One kind of a unit's writes, bound to the values as they are when the unit is handed in: a record may change while it waits. */
export type ChangeKind = (unit: UnitOfWork) => readonly Statement[]
