import { describe, expect, test } from 'vitest'
import { createRun } from '../../../src/core/generation/run.ts'
import { AssetError } from '../../../src/core/ports.ts'
import type { Assets } from '../../../src/core/ports.ts'
import { createWorld, done, onDisk, pending, planned } from './world.ts'

/** A disk that is full for so many tries. */
function worldWithFullDisk(fullFor: number) {
  const world = createWorld({ script: (call) => (call.purpose === 'submit' ? pending() : done('https://cdn.example/1.jpg')) })
  let tries = 0
  const assets: Assets = {
    ...world.ports.assets,
    async put(source, maxBytes) {
      tries++
      if (tries <= fullFor) throw new AssetError('storage', 'the disk is full (ENOSPC)')
      return world.ports.assets.put(source, maxBytes)
    },
  }
  return { ...world, run: createRun({ ...world.ports, assets }), tries: () => tries }
}

describe('an image the disk has no space for', () => {
  test('is fetched and stored again while the link lives', async () => {
    const world = worldWithFullDisk(3)
    const record = planned(['alpha', 'beta'])
    await world.run.accept(record, null)
    await world.clock.pass(20_000)
    expect(await onDisk(world, record.id)).toMatchObject({
      status: 'succeeded',
      attempts: [{ status: 'succeeded', cost: { amount: '0.05' } }],
    })
    expect([world.tries(), world.submits()]).toEqual([4, 1])
  })

  test('fails its generation in the end, paid for and said so, and is bought nowhere else', async () => {
    const world = worldWithFullDisk(Infinity)
    const record = planned(['alpha', 'beta'])
    await world.run.accept(record, null)
    await world.clock.pass(600_000)
    expect(await onDisk(world, record.id)).toMatchObject({
      status: 'failed',
      error: { code: 'internal', billed: true, message: expect.stringContaining('disk is full') },
      attempts: [{ settled: { amount: '0.05', basis: 'billed' } }],
    })
    expect(world.submits()).toBe(1)
  })
})
