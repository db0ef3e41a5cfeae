import type { ListQuery } from '../../core/ports.ts'
import type { Position } from './cursor.ts'

export const DAY_MS = 86_400_000

/** The day, since 1970 in UTC, of what comes next in a list, newest first. A position without an id is where a day begins. */
export const dayBehind = ({ createdAt, id }: Position): number => Math.floor((id === '' ? createdAt - 1 : createdAt) / DAY_MS)

/** What each row of `generation_days` names, where a list asks for it. */
export const namesAskedFor = ({ model, provider, key }: ListQuery): readonly (readonly [column: string, name: string])[] =>
  Object.entries({ model, provider, key }).filter((entry): entry is [string, string] => entry[1] !== undefined)
