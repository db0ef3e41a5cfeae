import { randomUUID } from 'node:crypto'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'

const leave = prepare(
  'INSERT INTO unit_marks (writer, mark) VALUES ($1, $2) ON CONFLICT (writer) DO UPDATE SET mark = excluded.mark, at = now()',
)
const find = prepare('SELECT 1 FROM unit_marks WHERE writer = $1 AND mark = $2')

/** What a unit of work leaves in its own transaction: it is there exactly where the unit is. */
export interface UnitMark {
  readonly leave: Statement
  readonly find: Statement
  /** The unit's fate is known; the next one may overwrite it. */
  giveBack(): void
}

/** A process has as many writers as it ever wrote units at once, so that the table does not grow. */
export function createUnitMarks(node: string): { take(): UnitMark } {
  const free: string[] = []
  let made = 0
  return {
    take() {
      const writer = free.pop() ?? `${node} ${++made}`
      const mark = randomUUID()
      return { leave: leave(writer, mark), find: find(writer, mark), giveBack: () => void free.push(writer) }
    },
  }
}
