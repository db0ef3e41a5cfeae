import { BadCursor } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'

/** Where a page ended: the next one starts with what is older. */
export interface Position {
  readonly createdAt: number
  readonly id: string
}

export interface Page {
  readonly records: readonly GenerationRecord[]
  readonly nextCursor: string | null
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
