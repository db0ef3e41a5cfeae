import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readInTurns } from '../../src/transport/read-in-turns.ts'

test('a reply whose reader takes nothing for a while goes on in pieces as large as before, since waiting is no work', async () => {
  const socket = new Readable({ read() {} }) as unknown as Socket
  socket.push(Buffer.alloc(64 * 1_024))
  readInTurns(socket, 'a vendor')
  const first = socket.read() as Buffer
  // As undici does where nothing more is taken for now.
  socket.unshift(first.subarray(1_024))
  await sleep(50)
  const next = socket.read() as Buffer | null
  expect(next?.length).toBeGreaterThanOrEqual(first.length)
})
