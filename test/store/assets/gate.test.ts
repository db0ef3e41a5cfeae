import { describe, expect, test } from 'vitest'
import { gate } from '../../../src/store/assets/gate.ts'

describe('the gate', () => {
  test('lets no more than its limit run at once, in order, and lets on after a failure', async () => {
    const enter = gate(2)
    const releases: (() => void)[] = []
    const started: number[] = []
    const work = (index: number) =>
      enter(async () => {
        started.push(index)
        await new Promise<void>((resolve) => releases.push(resolve))
        if (index === 0) throw new Error('failed')
        return index
      })
    const settled = Promise.allSettled([0, 1, 2, 3].map(work))
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    await turn()
    expect(started).toEqual([0, 1])
    releases.shift()?.()
    await turn()
    expect(started).toEqual([0, 1, 2])
    while (releases.length > 0) {
      releases.shift()?.()
      await turn()
    }
    expect((await settled).map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual(['failed', 1, 2, 3])
  })
})
