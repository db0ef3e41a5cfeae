import { expect, test } from 'vitest'
import type { CostRow } from '../../../src/core/records.ts'
import { rareIds } from '../../../src/core/billing/rare-ids.ts'
import { recorded, recordedTasks } from '../../../src/core/billing/recorded.ts'

const rowAt = (at: number, id: number, more: Partial<CostRow> = {}) =>
  ({ at, kind: 'billed', attemptId: `att_${id}`, generationId: `gen_${id}`, provider: 'north', amount: '1', task: {}, ...more }) as CostRow

/** An account of some pages, which notes how many of them were asked for. */
function accountOf(pages: readonly (readonly CostRow[])[]) {
  let asked = 0
  async function* costs() {
    for (const page of pages) {
      asked += 1
      yield page
    }
  }
  return { store: { costs }, asked: () => asked }
}
const EVERYTHING = { from: null, to: null, key: null }

test('the attempts of an account come while it is read, and no more are held than those of one instant', async () => {
  const pages = Array.from({ length: 50 }, (_, page) =>
    Array.from({ length: 100 }, (_row, index) => rowAt(page * 100 + index, page * 100 + index)),
  )
  const { store, asked } = accountOf(pages)
  let seen = 0
  let mostHeld = 0
  for await (const part of recorded(store, EVERYTHING, () => true)) {
    seen += part.length
    mostHeld = Math.max(mostHeld, asked() * 100 - seen)
  }
  expect(seen).toBe(5_000)
  expect(mostHeld).toBe(1)
})

test('the attempts of an account have what was adjusted at their instant, on whatever page it is', async () => {
  const unknown = { kind: 'unknown', amount: null } as const
  const { store } = accountOf([
    [rowAt(1, 1, unknown), rowAt(2, 2, unknown), rowAt(2, 3, unknown)],
    [rowAt(2, 4), rowAt(2, 3, { kind: 'adjusted', amount: '3' }), rowAt(2, 9, { kind: 'adjusted', amount: '9' }), rowAt(3, 5)],
  ])
  const parts = await Array.fromAsync(recorded(store, EVERYTHING, () => true))
  expect(parts.flat().map(({ row, amount }) => [row.attemptId, row.kind, amount])).toEqual([
    ['att_1', 'unknown', null],
    ['att_2', 'unknown', null],
    ['att_3', 'unknown', '3'],
    ['att_4', 'billed', '1'],
    ['att_9', 'adjusted', '9'],
    ['att_5', 'billed', '1'],
  ])
})

test('the tasks of an invoice are gathered in turns, with their providers, their ids and their days', async () => {
  const { store } = accountOf([[rowAt(86_400_001, 1, { provider: 'south' }), rowAt(3 * 86_400_000, 2), rowAt(4 * 86_400_000, 3)]])
  let breaths = 0
  const attached = new Map(['att_1', 'gen_2', 'att_3'].map((id) => [id, 'task']))
  const idOf = ({ attemptId }: CostRow) => (attemptId === 'att_3' ? null : 'task')
  const found = await recordedTasks(
    recorded(store, EVERYTHING, () => true),
    idOf,
    attached,
    async () => void breaths++,
  )
  expect([...found.byTask].map(([id, attempts]) => [id, attempts.length])).toEqual([['task', 2]])
  expect(found).toMatchObject({ providers: ['north', 'south'], days: { from: 86_400_000, to: 4 * 86_400_000 } })
  expect(['att_1', 'gen_2', 'att_3'].map(found.has)).toEqual([true, true, false])
  expect(breaths).toBe(3)
})

test('ids that are rare among many are found, and of the others nearly none is asked for', async () => {
  const ids = Array.from({ length: 100 }, (_, index) => `task-${index * 7_919}-of-the-vendor`)
  const mayBe = await rareIds(ids, () => undefined)
  expect(ids.every(mayBe)).toBe(true)
  const others = Array.from({ length: 100_000 }, (_, index) => `task-of-another-one-${index}`)
  expect(others.filter(mayBe).length).toBeLessThan(100)
})
