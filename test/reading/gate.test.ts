import { describe, expect, test } from 'vitest'
import { gate } from '../../src/reading/gate.ts'

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
  test('gives turns to names by turns: whoever has one piece of work waits for one of another that has many', async () => {
    const enter = gate(1)
    const started: string[] = []
    const work = (name: string, of: string) =>
      enter(async () => {
        started.push(name)
        await new Promise(setImmediate)
      }, of)
    const many = ['a1', 'a2', 'a3', 'a4'].map((name) => work(name, 'a'))
    await Promise.all([...many, work('b1', 'b'), work('c1', 'c'), work('b2', 'b')])
    expect(started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4'])
  })
})
