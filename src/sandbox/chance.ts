import { createHash } from 'node:crypto'

/** 0 to 2^32 - 1, evenly spread, the same for the same name: what a vendor leaves to chance, made repeatable. */
export const chance = (name: string): number => createHash('sha256').update(name).digest().readUInt32BE(0)

/** A number in 0…1, the same for the same name. */
export const share = (name: string): number => chance(name) / 2 ** 32
