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
  let changed = (): void => {}
  const timers: (() => void)[] = []
  const keys = {
    isOn: () => isOn,
    holder: (secret: string) => valid.get(secret) ?? null,
    onChanged: (listener: () => void) => void (changed = listener),
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
    second: () => timers.splice(0).forEach((callback) => callback()),
    turn: (on: boolean) => void (isOn = on),
  }
}

test('a stream of a key ends before the change that takes the key away is answered, once, and those of others stay', () => {
  const [one, other] = [caller('one'), caller('other')]
  const valid = new Map([
    ['one', one],
    ['other', other],
  ])
  const { watch, ended, end, change, timers } = watched(valid)
  watch.whileValid('one', one, end('one'))
  watch.whileValid('one', one, end('one again'))
  const stop = watch.whileValid('other', other, end('other'))
  change()
  expect(ended).toEqual([])
  valid.delete('one')
  change()
  change()
  expect(ended).toEqual(['one', 'one again'])
  stop()
  expect(timers).toEqual([])
  valid.delete('other')
  change()
  expect(ended).toEqual(['one', 'one again'])
})

test('a stream of a key that expires, or of nobody where keys come on, ends at the next check', () => {
  const one = caller('one')
  const valid = new Map([['one', one]])
  const { watch, ended, end, second, turn, timers } = watched(valid)
  watch.whileValid('one', one, end('one'))
  second()
  valid.clear()
  second()
  expect([ended, timers]).toEqual([['one'], []])
  turn(false)
  watch.whileValid(null, caller(null, 'admin'), end('nobody'))
  second()
  expect(ended).toEqual(['one'])
  turn(true)
  second()
  expect(ended).toEqual(['one', 'nobody'])
})

test('a stream that was opened as admin ends where its secret is one of a smaller scope or of another key; what needs no more stays', () => {
  const [admin, reader] = [caller('one', 'admin'), caller('one')]
  const valid = new Map([['secret', admin]])
  const { watch, ended, end, second } = watched(valid)
  watch.whileValid('secret', admin, end('as admin'))
  watch.whileValid('secret', reader, end('as reader'))
  second()
  expect(ended).toEqual([])
  valid.set('secret', reader)
  second()
  second()
  expect(ended).toEqual(['as admin'])
  valid.set('secret', caller('another', 'admin'))
  second()
  expect(ended).toEqual(['as admin', 'as reader'])
})
