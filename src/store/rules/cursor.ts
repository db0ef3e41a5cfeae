import { BadCursor } from '../../core/ports.ts'

/** Where a page ended: the next one starts with what is older. */
export interface Position {
  readonly createdAt: number
  readonly id: string
}

export interface Page<Item> {
  readonly records: readonly Item[]
  readonly nextCursor: string | null
}

/** @param found one more than `limit` where there are more */
export function pageOf<Item extends Position>(found: readonly Item[], limit: number): Page<Item> {
  const records = found.slice(0, limit)
  const last = records.at(-1)
  return { records, nextCursor: found.length > limit && last !== undefined ? cursorOf(last) : null }
}

/** Opaque to callers. A position, not a count, so pages stay put while newer generations arrive. */
export const cursorOf = ({ createdAt, id }: Position): string => Buffer.from(`${createdAt}:${id}`).toString('base64url')

/** @throws BadCursor for anything `cursorOf` did not make */
export function positionOf(cursor: string): Position {
  const text = Buffer.from(cursor, 'base64url').toString()
  const [, createdAt, id] = /^(\d{1,15}):([\x21-\x7e]{1,200})$/.exec(text) ?? []
  if (createdAt === undefined || id === undefined || cursorOf({ createdAt: Number(createdAt), id }) !== cursor) {
    throw new BadCursor('unknown cursor: send the `next_cursor` of the page before, unchanged, or none for the first page')
  }
  return { createdAt: Number(createdAt), id }
}
