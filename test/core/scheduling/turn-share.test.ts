import { expect, test } from 'vitest'
import { createTurnShare } from '../../../src/core/scheduling/turn-share.ts'

/** Pieces of 0.5 ms each, on a clock that only they move. */
function world() {
  let nowMs = 0
  let turn = 0
  const turns = createTurnShare({ monotonicMs: () => nowMs })
  const done: { readonly piece: number; readonly turn: number }[] = []
  const work = async (piece: number): Promise<void> => {
    if (turns.areSpent()) await turns.next()
    nowMs += 0.5
    done.push({ piece, turn })
  }
  const nextTurn = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    turn++
  }
  return { work, done, nextTurn }
}

test('many pieces that come at once are done in several turns of the event loop, all of them and in order', async () => {
  const { work, done, nextTurn } = world()
  const all = Promise.all(Array.from({ length: 40 }, (_, piece) => work(piece)))
  for (let turn = 0; done.length < 40 && turn < 100; turn++) await nextTurn()
  await all
  expect(done.map(({ piece }) => piece)).toEqual(Array.from({ length: 40 }, (_, piece) => piece))
  const perTurn = [...Map.groupBy(done, ({ turn }) => turn).values()].map((pieces) => pieces.length)
  // In the first are also those that came before anybody waited.
  expect(perTurn).toEqual([4, ...Array.from({ length: 18 }, () => 2)])
})

test('a piece that comes alone, or with few others, never waits', async () => {
  const { work, done, nextTurn } = world()
  for (let piece = 0; piece < 5; piece++) {
    await work(piece)
    await nextTurn()
  }
  expect(done.map(({ turn }) => turn)).toEqual([0, 1, 2, 3, 4])
})
