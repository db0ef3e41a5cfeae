import { DatabaseSync } from 'node:sqlite'
import { migrate, MIGRATIONS, schemaVersion } from './sqlite/migrations.ts'

/**
 * What a database has that no version of ours makes, or lacks, in words; null where it is as its version made it. A view or a trigger of somebody else
 * would run with our statements: reading a table that has become a view may never end.
 */
export function foreignInSchema(database: DatabaseSync): string | null {
  const version = schemaVersion(database)
  // What a later version makes is not known here.
  if (version > MIGRATIONS.length) return null
  if (version < 1) return `its schema has the number ${version}`
  using ours = new DatabaseSync(':memory:')
  migrate(ours, MIGRATIONS.slice(0, version))
  const [expected, found] = [schemaOf(ours), schemaOf(database)]
  const missing = [...expected.keys()].find((name) => !found.has(name))
  if (missing !== undefined) return `it has no ${missing}`
  const foreign = [...found].find(([name, sql]) => !name.startsWith('index') && expected.get(name) !== sql)
  return foreign === undefined ? null : `its ${foreign[0]} is not ours`
}

/** By kind and name, how each table, index, trigger and view was made. */
const schemaOf = (database: DatabaseSync): ReadonlyMap<string, string> =>
  new Map(
    database
      .prepare("SELECT type || ' ' || name AS name, coalesce(sql, '') AS sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
      .all()
      .map(({ name, sql }) => [String(name), String(sql)] as const),
  )
