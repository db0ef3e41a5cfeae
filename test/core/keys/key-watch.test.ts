import { expect, test } from 'vitest'
import { createKeyWatch } from '../../../src/core/keys/key-watch.ts'

function watched(valid: Set<string>) {
  let isOn = true
  let changed = (): void => {}
  const timers: (() => void)[] = []
  const keys = {
    isOn: () => isOn,
    counts: (secret: string) => valid.has(secret),
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
  const valid = new Set(['one', 'other'])
  const { watch, ended, end, change, timers } = watched(valid)
  watch.whileValid('one', end('one'))
  watch.whileValid('one', end('one again'))
  const stop = watch.whileValid('other', end('other'))
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
  const valid = new Set(['one'])
  const { watch, ended, end, second, turn, timers } = watched(valid)
  watch.whileValid('one', end('one'))
  second()
  valid.clear()
  second()
  expect([ended, timers]).toEqual([['one'], []])
  turn(false)
  watch.whileValid(null, end('nobody'))
  second()
  expect(ended).toEqual(['one'])
  turn(true)
  second()
  expect(ended).toEqual(['one', 'nobody'])
})
