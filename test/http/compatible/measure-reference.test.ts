import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Assets, Clock, Download, Downloaded } from '../../../src/core/ports.ts'
import { createMeasureReference } from '../../../src/http/compatible/measure-reference.ts'

test('links of a key are opened in the turns of all its requests: 40 that say nothing are 32 at once, and the others are not measured', async () => {
  const silence = Promise.withResolvers<Downloaded>()
  const timers: (() => void)[] = []
  let opened = 0
  const download: Download = () => {
    opened++
    return silence.promise
  }
  const clock: Pick<Clock, 'after'> = {
    after(_ms, call) {
      timers.push(call)
      return () => void timers.splice(timers.indexOf(call), 1)
    },
  }
  const assets = { measure: async () => null } as Pick<Assets, 'measure'>
  const measure = createMeasureReference({ assets, download, clock })
  const asked = Array.from({ length: 40 }, (_, index) => measure(`https://silent.example/${index}.png`, 'many'))
  await sleep(5)
  expect(opened).toBe(32)
  void measure('https://silent.example/another.png', 'few')
  await sleep(5)
  expect(opened).toBe(33)
  for (const giveUp of timers) giveUp()
  expect(await Promise.all(asked.slice(32))).toEqual(Array.from({ length: 8 }, () => null))
  silence.resolve({ kind: 'expired', status: 404 })
  await Promise.all(asked)
  expect(opened).toBe(33)
})
