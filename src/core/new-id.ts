import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { inOnePiece } from '#adapter-kit'

/** Ordered by time, then random: an id sorts by age and cannot be guessed. */
export const orderedId = (prefix: string): string => inOnePiece(`${prefix}_${randomUUIDv7().replaceAll('-', '')}`)

export const randomId = (prefix: string): string => inOnePiece(`${prefix}_${randomUUID().replaceAll('-', '')}`)

export const newUuid = (): string => inOnePiece(randomUUID())
