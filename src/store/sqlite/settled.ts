import { SETTLED_KINDS } from '../rules/cost-row.ts'

/**
 * The settled lines, word for word as their index has it, which serves no other condition. A list of three or more would be a table that SQLite makes
 * for each line it writes.
 */
export const settledLines = (table: string): string => `(${SETTLED_KINDS.map((kind) => `${table}.kind = '${kind}'`).join(' OR ')})`
