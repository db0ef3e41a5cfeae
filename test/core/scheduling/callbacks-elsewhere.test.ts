import { expect, test } from 'vitest'
import { createCallbacksElsewhere } from '../../../src/core/scheduling/callbacks-elsewhere.ts'

const about = (attemptId: string) => ({ kind: 'callback', provider: 'runware', generationId: 'gen_1', attemptId }) as const

test('callbacks about attempts of other processes are said two at a time, and once for all of an attempt that wait', async () => {
  const said: string[] = []
  const ends: (() => void)[] = []
  const relay = createCallbacksElsewhere(async (message) => {
    said.push('attemptId' in message ? message.attemptId : '')
    await new Promise<void>((resolve) => ends.push(resolve))
  })
  const endOne = async (): Promise<void> => {
    ends.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (let sent = 0; sent < 1_000; sent += 1) relay(about('att_1'))
  relay(about('att_2'))
  relay(about('att_3'))
  expect(said).toEqual(['att_1', 'att_1'])
  for (let ended = 0; ended < 5; ended += 1) await endOne()
  expect(said).toEqual(['att_1', 'att_1', 'att_1', 'att_2', 'att_3'])
  relay(about('att_1'))
  expect(said).toHaveLength(6)
})

test('a callback that could not be said keeps none behind it from being said', async () => {
  const said: string[] = []
  const relay = createCallbacksElsewhere(async (message) => {
    said.push('attemptId' in message ? message.attemptId : '')
    throw new Error('the database is away')
  })
  for (const attempt of ['att_1', 'att_2', 'att_3']) relay(about(attempt))
  await expect.poll(() => said.toSorted()).toEqual(['att_1', 'att_2', 'att_3'])
})
