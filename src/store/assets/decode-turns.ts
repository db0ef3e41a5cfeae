import { availableParallelism } from 'node:os'
import { gate } from '../../reading/gate.ts'
import type { Demand } from './structure/verdict.ts'

const MEBIBYTE = 1_048_576

/** libvips holds so many rows of what is only read, and so many of what is made smaller, though at most four times as many as there are (measured with sharp 0.35). */
const ROWS_READ = 512
const ROWS_SHRUNK = 1_900
const COPIES_SHRUNK = 4

/** What one decode may hold: 26 megapixels of a progressive JPEG in full colour, nearly 50 of an interlaced PNG of 8 bits, 39 of a lossless WebP, and any number that come row by row. */
export const MOST_DECODED_BYTES = 150 * MEBIBYTE

/** Up to 4,096 × 4,096 pixels of four bytes, which take some tenths of a second. */
const LIGHT = { heldBytes: 32 * MEBIBYTE, pixelBytes: 64 * MEBIBYTE }

export const heldReading = ({ wholeBytes, rowBytes, rows }: Demand): number => wholeBytes + rowBytes * Math.min(rows, ROWS_READ)

export const heldShrinking = ({ wholeBytes, rowBytes, rows }: Demand): number =>
  wholeBytes + rowBytes * Math.min(rows * COPIES_SHRUNK, ROWS_SHRUNK)

export const isLight = (demand: Demand): boolean => heldShrinking(demand) <= LIGHT.heldBytes && demand.pixelBytes <= LIGHT.pixelBytes

/** Decoding shares libuv's four threads with files and name lookups: one at least stays free for them. */
const light = gate(Math.max(1, Math.min(2, availableParallelism() - 1)))

/** What takes much memory or seconds: never two at once, and what is light does not wait behind it. */
const heavy = gate(1)

/** Decodes in turns of those whose images they are. */
export const inTurn = <T>(demand: Demand, work: () => Promise<T>, owner: string): Promise<T> =>
  (isLight(demand) ? light : heavy)(work, owner)
