import { expect, test } from 'vitest'
import { KeyWrites } from '../../../src/core/keys/key-writes.ts'
import type { UnitOfWork } from '../../../src/core/ports.ts'

/** A store that writes when it is let. */
function heldStore() {
  const asked: { readonly unit: UnitOfWork; readonly write: () => void }[] = []
  return {
    asked,
    commit: (unit: UnitOfWork) => new Promise<void>((resolve) => asked.push({ unit, write: resolve })),
  }
}
const REVOKED: UnitOfWork = { keyChange: { kind: 'revoked', name: 'a', unlessLastAt: null } }
const USED: UnitOfWork = { keyChange: { kind: 'used', name: 'a', at: 1 } }
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a key whose change is being written has no use written behind it', async () => {
  const store = heldStore()
  const writes = new KeyWrites(store)
  const seen: boolean[] = []
  const [first, second] = [writes.change('a', REVOKED, () => seen.push(writes.isChanging('a'))), writes.change('a', USED, () => {})]
  await turn()
  expect([writes.isChanging('a'), writes.isChanging('b'), store.asked.length]).toEqual([true, false, 2])
  store.asked[0]?.write()
  await first
  // What is in memory is as it is written before a use may be.
  expect(seen).toEqual([true])
  expect(writes.isChanging('a')).toBe(true)
  store.asked[1]?.write()
  await second
  expect(writes.isChanging('a')).toBe(false)
})

test('a change is written after a use that is on its way, and after one that fails', async () => {
  const store = heldStore()
  const writes = new KeyWrites(store)
  writes.use('a', USED, () => {})
  const change = writes.change('a', REVOKED, () => {})
  await turn()
  expect(store.asked.map(({ unit }) => unit)).toEqual([USED])
  store.asked[0]?.write()
  await turn()
  expect(store.asked.map(({ unit }) => unit)).toEqual([USED, REVOKED])
  store.asked[1]?.write()
  await change

  const failures: unknown[] = []
  const failing = new KeyWrites({ commit: (unit) => (unit === USED ? Promise.reject(new Error('full')) : Promise.resolve()) })
  failing.use('a', USED, (error) => failures.push(error))
  await failing.change('a', REVOKED, () => {})
  expect(failures).toHaveLength(1)
})
