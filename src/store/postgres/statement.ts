import type { Row } from '../rules/rows.ts'

/** What a statement did. */
export interface Result {
  readonly rows: readonly Row[]
  /** Rows that were found, or written. */
  readonly count: number
}

/** A statement with its values, bound when the unit it belongs to is handed in. */
export interface Statement {
  /** The same for every statement of this text, which is then prepared once a connection; absent where the text is seldom the same. */
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
  /** Throws where the whole unit must be refused. */
  readonly check?: (result: Result) => void
  /** What must be done besides, after all statements of the unit. */
  readonly afterwards?: (result: Result) => Statement | null
}

let prepared = 0

/** Binds values to a text that is prepared once a connection. */
export function prepare(text: string): (...values: readonly unknown[]) => Statement {
  const name = `imagegate_${++prepared}`
  return (...values) => ({ name, text, values })
}

/** Collects the values of a text that is put together, and numbers their marks. */
export function binder(): { readonly values: unknown[]; bind(value: unknown): string } {
  const values: unknown[] = []
  return { values, bind: (value) => `$${values.push(value)}` }
}
