import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BYTES_PER_TURN, countRead, leave } from '../../src/reading/turn-share.ts'
import type { Pausable } from '../../src/reading/turn-share.ts'

const PIECE_BYTES = 64 * 1_024

/** A body that is there as a whole: it hands over everything in one turn unless it is paused. */
class Body implements Pausable {
  left: number
  isPaused = false
  readonly #read: (bytes: number) => void

  constructor(bytes: number, read: (bytes: number) => void) {
    this.left = bytes
    this.#read = read
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    while (!this.isPaused && this.left > 0) {
      this.left -= PIECE_BYTES
      this.#read(PIECE_BYTES)
      countRead(PIECE_BYTES, this)
    }
  }
}

test('bodies that are there as a whole are read in turns, none longer than its share, and each to its end', async () => {
  let inThisTurn = 0
  let most = 0
  const read = (bytes: number): void => {
    inThisTurn += bytes
    most = Math.max(most, inThisTurn)
  }
  const bodies = [1, 2, 3, 4, 5].map(() => new Body(2 * 1_024 * 1_024, read))
  let turns = 0
  for (const body of bodies) body.resume()
  while (bodies.some(({ left }) => left > 0)) {
    inThisTurn = 0
    turns += 1
    await nextTurn()
  }
  expect(turns).toBeGreaterThanOrEqual(16)
  // A body that began to read in the first turn had read one piece before it was counted.
  expect(most).toBeLessThanOrEqual(BYTES_PER_TURN + bodies.length * PIECE_BYTES)
})

test('a body that is wanted no more reads on at once', async () => {
  const body = new Body(PIECE_BYTES, () => {})
  countRead(BYTES_PER_TURN, body)
  expect(body.isPaused).toBe(true)
  leave(body)
  expect(body.left).toBe(0)
  await nextTurn()
})

test('streams of Node keep their pieces and their order', async () => {
  const sent = Array.from({ length: 100 }, (_, index) => Buffer.alloc(PIECE_BYTES, index))
  const stream = Readable.from(sent, { objectMode: false })
  const received: Buffer[] = []
  stream.on('data', (piece: Buffer) => {
    received.push(piece)
    countRead(piece.length, stream)
  })
  await new Promise((resolve) => stream.once('end', resolve))
  expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true)
})
