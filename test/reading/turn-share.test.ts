import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createInlineImages } from '../../src/http/inline-images.ts'
import { lend, release } from '../../src/reading/held-bytes.ts'
import { inTurns } from '../../src/reading/in-turns.ts'
import { formBody } from '../../src/transport/form.ts'
import { jsonBody } from '../../src/transport/json-body.ts'
import {
  amongMany,
  breather,
  BYTES_PER_TURN,
  countRead,
  itsTurn,
  leave,
  littleTurn,
  MS_PER_TURN,
  SMALL_BODY_BYTES,
} from '../../src/reading/turn-share.ts'
import type { Pausable } from '../../src/reading/turn-share.ts'

const PIECE_BYTES = 64 * 1_024

/** A body that is there as a whole: it hands over everything in one turn unless it is paused. */
class Body implements Pausable {
  left: number
  isPaused = false
  readonly #whole: number
  readonly #read: (bytes: number) => void
  readonly #tookMs: number
  readonly #caller: string

  /** @param tookMs of each piece */
  constructor(bytes: number, read: (bytes: number) => void, tookMs = 0, caller = 'a') {
    this.#caller = caller
    this.left = bytes
    this.#whole = bytes
    this.#read = read
    this.#tookMs = tookMs
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    while (!this.isPaused && this.left > 0) {
      this.left -= PIECE_BYTES
      this.#read(PIECE_BYTES)
      countRead({ caller: this.#caller, bytes: PIECE_BYTES, soFar: this.#whole - this.left, tookMs: this.#tookMs }, this)
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
  // Of each its first 64 KiB are not counted, and in the first turn each had read one piece more before it was.
  expect(most).toBeLessThanOrEqual(BYTES_PER_TURN + 2 * bodies.length * PIECE_BYTES)
})

/** Of what was read in one turn each, in order. */
async function turnsOf(bodies: readonly Body[], read: { inTurn: number }): Promise<readonly number[]> {
  const turns: number[] = []
  while (bodies.some(({ left }) => left > 0)) {
    read.inTurn = 0
    await nextTurn()
    turns.push(read.inTurn)
  }
  return turns
}

test('bodies that take long to read get a turn each, and no turn takes longer than the share and one piece', async () => {
  const read = { inTurn: 0 }
  const count = (): void => void (read.inTurn += 1)
  const bodies = [1, 2, 3].map(() => new Body(20 * PIECE_BYTES, count, MS_PER_TURN * 0.4))
  for (const body of bodies) body.resume()
  const turns = await turnsOf(bodies, read)
  // Three pieces of 0.4 of the share are the first that spend it; the first piece of each body, read at once, is not counted.
  expect(Math.max(...turns)).toBe(3)
  expect(turns.length).toBeGreaterThanOrEqual((3 * 20) / 3 - 3)
})

test('a caller’s one body waits for one turn of another caller’s hundred between each two of its own, and no longer', async () => {
  const many = Array.from({ length: 100 }, () => new Body(10 * PIECE_BYTES, () => {}, MS_PER_TURN, 'many'))
  for (const body of many) body.resume()
  const one = new Body(10 * PIECE_BYTES, () => {}, MS_PER_TURN, 'one')
  one.resume()
  let turns = 0
  for (; one.left > 0; turns += 1) await nextTurn()
  // Its first piece is not counted, and the second was read at once.
  expect(turns).toBeLessThanOrEqual(2 * 8 + 2)
  expect(many.filter(({ left }) => left > 0).length).toBeGreaterThan(90)
  await turnsOf(many, { inTurn: 0 })
})

test('a small body is read to its end at once, however many large ones wait', async () => {
  const large = Array.from({ length: 20 }, () => new Body(40 * PIECE_BYTES, () => {}, MS_PER_TURN))
  for (const body of large) body.resume()
  expect(large.filter(({ isPaused }) => isPaused)).toHaveLength(20)
  const small = new Body(SMALL_BODY_BYTES, () => {}, MS_PER_TURN)
  small.resume()
  expect(small).toMatchObject({ left: 0, isPaused: false })
  await turnsOf(large, { inTurn: 0 })
})

test('a body that is wanted no more reads on at once', async () => {
  const body = new Body(PIECE_BYTES, () => {})
  countRead({ caller: 'a', bytes: BYTES_PER_TURN, soFar: BYTES_PER_TURN, tookMs: 0 }, body)
  expect(body.isPaused).toBe(true)
  leave('a', body)
  expect(body.left).toBe(0)
  await nextTurn()
})

test('streams of Node keep their pieces and their order', async () => {
  const sent = Array.from({ length: 100 }, (_, index) => Buffer.alloc(PIECE_BYTES, index))
  const stream = Readable.from(sent, { objectMode: false })
  const received: Buffer[] = []
  stream.on('data', (piece: Buffer) => {
    received.push(piece)
    countRead({ caller: 'a', bytes: piece.length, soFar: received.length * PIECE_BYTES, tookMs: 0 }, stream)
  })
  await new Promise((resolve) => stream.once('end', resolve))
  expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true)
})

/** What answers, calls in JSON, calls as forms, and messages are made of, each image of it 2 MB. */
async function* streamsOfEachKind(image: Buffer, held: string): AsyncGenerator<AsyncIterable<Buffer>> {
  const json = jsonBody({ image: held })
  if (typeof json === 'string') throw new Error('it is streamed')
  yield json.stream
  yield formBody([{ name: 'a', filename: 'a', mediaType: 'image/png', base64: image.toString('base64') }]).stream
  yield inTurns(image)
  const open = (): Promise<Readable> => Promise.resolve(Readable.from([image], { objectMode: false }))
  const inline = createInlineImages({ open, read: () => Promise.resolve(image) })
  const written = inline.write({ image: await inline.inBase64({ sha256: 'a', format: 'png', bytes: image.length }) })
  if (typeof written === 'string') throw new Error('it is streamed')
  yield written.pieces() as AsyncIterable<Buffer>
}

test('pieces of different calls, answers and messages are worked on one a turn, of all together', async () => {
  const image = Buffer.alloc(2 * 1_024 * 1_024, 'an image')
  const held = lend(image, 'a'.repeat(64))
  let inThisTurn = 0
  let most = 0
  let pieces = 0
  let timer = setImmediate(function turn() {
    inThisTurn = 0
    timer = setImmediate(turn)
  })
  const read = async (stream: AsyncIterable<Buffer>): Promise<void> => {
    let count = 0
    for await (const piece of stream) {
      count += 1
      // The first is worked on at once, and short ones count for nothing.
      if (count === 1 || piece.length < PIECE_BYTES) continue
      most = Math.max(most, (inThisTurn += 1))
      pieces += 1
    }
  }
  const reading: Promise<void>[] = []
  for (const _ of [1, 2, 3]) for await (const stream of streamsOfEachKind(image, held)) reading.push(read(stream))
  await Promise.all(reading)
  clearImmediate(timer)
  release(held)
  expect(pieces).toBeGreaterThan(3 * 4 * 3)
  expect(most).toBe(1)
})

test('little pieces of one caller, however many wait, delay the work of all others by one turn', async () => {
  const spent = performance.now() + 2 * MS_PER_TURN
  let done = 0
  const first = littleTurn('a', 1)
  while (performance.now() < spent);
  const pieces = Array.from({ length: 500 }, () => littleTurn('a', 1).then(() => (done += 1)))
  await itsTurn(1)
  expect(done).toBeLessThanOrEqual(2)
  await Promise.all([first, ...pieces])
  expect(done).toBe(500)
})

test('a long loop goes on by the clock: at once while its time lasts, then in turns of its caller, with new time in each', async () => {
  const breathe = breather('a loop')
  expect(breathe()).toBeUndefined()
  for (const begins = performance.now(); performance.now() - begins < 3;);
  let others = 0
  setImmediate(() => (others += 1))
  const pause = breathe()
  expect(pause).toBeInstanceOf(Promise)
  await pause
  expect(others).toBe(1)
  expect(breathe()).toBeUndefined()
})

test('each of a crowd is answered for its own request, also those whose turn comes later', async () => {
  const requests = new AsyncLocalStorage<number>()
  const answered: unknown[] = []
  const all = Array.from({ length: 12 }, (_, index) => index)
  await Promise.all(all.map((index) => requests.run(index, () => amongMany('somebody', () => void answered.push(requests.getStore())))))
  expect(answered).toEqual(all)
})
