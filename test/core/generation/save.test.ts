import { expect, test } from 'vitest'
import type { Sent } from '../../../src/core/ports.ts'
import { createWorld, onDisk, pending, planned, settled } from './world.ts'

test('a write that was slow shows and closes nothing whose own write the disk has refused', async () => {
  const world = createWorld({ script: () => pending() })
  let writes = 0
  let answer: (sent: Sent) => void = () => {}
  const odd = createWorld({
    script: () => new Promise((resolve) => (answer = resolve)),
    store: {
      ...world.store,
      async commit(unit) {
        writes++
        // The cancel is written slowly; the end of its attempt, which comes meanwhile, is refused once.
        if (writes === 3) throw new Error('disk full')
        await world.store.commit(unit)
        if (writes === 2) await new Promise<void>((resolve) => void odd.clock.after(1_000, resolve))
      },
    },
  })
  const record = planned(['alpha'])
  await odd.run.accept(record, null)
  await settled()
  const canceled = odd.run.cancel(record.id)
  await settled()
  answer(pending({ cost: { amount: '0.05', raw: 5 } }))
  await odd.clock.pass(1_100)
  await canceled
  expect(odd.run.openCount).toBe(1)
  await odd.clock.pass(3_000)
  expect(odd.run.openCount).toBe(0)
  expect(await onDisk(world, record.id)).toMatchObject({ status: 'canceled', attempts: [{ settled: { amount: '0.05' } }] })
})
