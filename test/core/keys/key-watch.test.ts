import { expect, test } from 'vitest'
import type { Caller } from '../../../src/core/keys/caller.ts'
import { createKeyWatch } from '../../../src/core/keys/key-watch.ts'

const caller = (key: string | null, scope: 'read' | 'admin' = 'read'): Caller => ({
  key,
  scope,
  models: null,
  providers: null,
  isAdmin: scope === 'admin',
  ratePerMinute: null,
})

/** @param valid by their secrets */
function watched(valid: Map<string, Caller>) {
  let isOn = true
  let changed = (): Promise<void> => Promise.resolve()
  const timers: (() => void)[] = []
  const keys = {
    isOn: () => isOn,
    holder: (secret: string) => valid.get(secret) ?? null,
    onChanged: (listener: () => Promise<void>) => void (changed = listener),
  }
  const after = (_delayMs: number, callback: () => void) => {
    timers.push(callback)
    return () => void timers.splice(timers.indexOf(callback), 1)
  }
  const watch = createKeyWatch(keys, { after })
  const ended: string[] = []
  return {
    watch,
    ended,
    timers,
    end: (name: string) => () => void ended.push(name),
    change: () => changed(),
    second: async () => {
      timers.splice(0).forEach((callback) => callback())
      await new Promise((resolve) => setTimeout(resolve, 10))
    },
    turn: (on: boolean) => void (isOn = on),
  }
}

test('a stream of a key ends before the change that takes the key away is answered, once, and those of others stay', async () => {
  const [one, other] = [caller('one'), caller('other')]
  const valid = new Map([
    ['one', one],
    ['other', other],
  ])
  const { watch, ended, end, change, timers } = watched(valid)
  watch.whileValid('one', one, end('one'))
  watch.whileValid('one', one, end('one again'))
  const stop = watch.whileValid('other', other, end('other'))
  await change()
  expect(ended).toEqual([])
  valid.delete('one')
  await change()
  await change()
  expect(ended).toEqual(['one', 'one again'])
  stop()
  expect(timers).toEqual([])
  valid.delete('other')
  await change()
  expect(ended).toEqual(['one', 'one again'])
})

test('a stream of a key that expires, or of nobody where keys come on, ends at the next check', async () => {
  const one = caller('one')
  const valid = new Map([['one', one]])
  const { watch, ended, end, second, turn, timers } = watched(valid)
  watch.whileValid('one', one, end('one'))
  await second()
  valid.clear()
  await second()
  expect([ended, timers]).toEqual([['one'], []])
  turn(false)
  watch.whileValid(null, caller(null, 'admin'), end('nobody'))
  await second()
  expect(ended).toEqual(['one'])
  turn(true)
  await second()
  expect(ended).toEqual(['one', 'nobody'])
})

test('a stream that was opened as admin ends where its secret is one of a smaller scope or of another key; what needs no more stays', async () => {
  const [admin, reader] = [caller('one', 'admin'), caller('one')]
  const valid = new Map([['secret', admin]])
  const { watch, ended, end, second } = watched(valid)
  watch.whileValid('secret', admin, end('as admin'))
  watch.whileValid('secret', reader, end('as reader'))
  await second()
  expect(ended).toEqual([])
  valid.set('secret', reader)
  await second()
  await second()
  expect(ended).toEqual(['as admin'])
  valid.set('secret', caller('another', 'admin'))
  await second()
  expect(ended).toEqual(['as admin', 'as reader'])
})
