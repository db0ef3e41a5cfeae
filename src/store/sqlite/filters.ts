import type { SQLInputValue } from 'node:sqlite'
import type { ListQuery } from '../../core/ports.ts'
import { costUnknown } from '../rules/rows.ts'

export type Pair = readonly [key: string, value: string]

export interface Conditions {
  /** To be joined by AND. */
  readonly conditions: readonly string[]
  /** What their question marks stand for, in order. */
  readonly values: readonly SQLInputValue[]
}

/** Where a row's own position stands in a query. */
export interface Columns {
  readonly createdAt: string
  readonly id: string
}

/** The filters of a list, of generations that the query calls `g`; those of metadata are `pairs`, which may leave out what another part asks. */
export function filtersOf(
  { status, model, provider, isCostUnknown, key }: ListQuery,
  pairs: readonly Pair[],
  { createdAt, id }: Columns = { createdAt: 'g.created_at', id: 'g.id' },
): Conditions {
  const sameGeneration = `m.created_at = ${createdAt} AND m.generation_id = ${id}`
  const hasPair = metadataWhere(`m.key = ? AND m.value = ? AND ${sameGeneration}`)
  const columns = Object.entries({ status, model, provider, key }).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value }],
  )
  return {
    conditions: [...pairs.map(() => hasPair), ...columns.map(({ name }) => `g.${name} = ?`), ...(isCostUnknown ? [costUnknown(id)] : [])],
    values: [...pairs.flat(), ...columns.map(({ value }) => value)],
  }
}

/**
 * That metadata `m` of this kind exist. No EXISTS: SQLite makes a join of each, and weighs the orders of sixteen joins for 20 ms, at each run.
 */
export const metadataWhere = (condition: string): string => `(SELECT 1 FROM generation_metadata AS m WHERE ${condition})`
