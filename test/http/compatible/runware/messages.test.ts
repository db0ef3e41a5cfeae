import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import { createMessages } from '../../../../src/http/compatible/runware/messages.ts'

const socket = { pause() {}, resume() {} }

test('a message of one key waits for one turn of another’s hundred, not for all of them', async () => {
  const read = new EventEmitter()
  const connection = (key: string) =>
    createMessages(socket, {
      onTasks: async () => void read.emit(key),
      onUnreadable: () => void read.emit(key),
      sender: () => key,
      hasCome: () => () => {},
    })
  const large = Buffer.from(`[{"taskType":"ping"}${' '.repeat(3_000_000)}]`)
  const others = Array.from({ length: 100 }, () => connection('other'))
  // So much is done in this turn that what comes in it has to wait.
  connection('other')(large)
  for (let count = 0; count < 20; count += 1) await Promise.resolve()
  const until = performance.now() + 5
  while (performance.now() < until);
  for (const receive of others) receive(large)
  connection('own')(Buffer.from('[{"taskType":"ping"}]'))

  let turns = 0
  let isRead = false
  const count = (): void => {
    turns += 1
    if (!isRead) setImmediate(count)
  }
  setImmediate(count)
  await once(read, 'own')
  isRead = true
  expect(turns).toBeLessThan(20)
})
