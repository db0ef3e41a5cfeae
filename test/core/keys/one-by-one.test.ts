import { expect, test } from 'vitest'
import { OneByOne } from '../../../src/core/keys/one-by-one.ts'

test('a piece of work waits for the one before, not for what that one ends; whoever asked for it waits for both', async () => {
  const work = new OneByOne()
  const said: string[] = []
  const end = Promise.withResolvers<void>()
  const ending = work
    .do(async () => {
      await Promise.resolve()
      said.push('first')
      work.ends([end.promise])
    })
    .then(() => said.push('first has ended'))
  await work.do(async () => void said.push('second'))
  expect(said).toEqual(['first', 'second'])
  end.resolve()
  await ending
  expect(said).toEqual(['first', 'second', 'first has ended'])
})

test('a piece of work that fails holds up none behind it', async () => {
  const work = new OneByOne()
  await expect(work.do(() => Promise.reject(new Error('not now')))).rejects.toThrow('not now')
  expect(await work.do(() => Promise.resolve('done'))).toBe('done')
})
