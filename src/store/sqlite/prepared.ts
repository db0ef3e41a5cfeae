import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Prepares the statement of a text once. */
export function preparer(database: DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>()
  return (sql) => {
    const statement = statements.get(sql) ?? database.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
}
