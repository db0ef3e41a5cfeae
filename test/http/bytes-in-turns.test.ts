import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { takeBytesInTurns } from '../../src/http/bytes-in-turns.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Reads a body with a rest now and then, as one does that waits for its turn. */
async function read(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => {
    pieces.push(piece)
    if (pieces.length % 7 !== 0) return
    request.pause()
    setTimeout(() => request.resume(), 2)
  })
  await once(request, 'end')
  return Buffer.concat(pieces)
}

test.each([
  ['by Node’s parser itself', false],
  ['piece by piece', true],
])(
  'what many connections bring, %s, comes whole and in its order, whatever its packets, and up to their end',
  async (_, isOpenToOthers) => {
    const server = createServer(async (request, response) => response.end(hashOf(await read(request))))
    takeBytesInTurns(server, () => isOpenToOthers)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo

    async function client(packetBytes: number): Promise<void> {
      // Lines of every length, so that pieces end everywhere.
      const bodies = [300_000, 0, 5_000, 70_000].map((bytes) => randomBytes(bytes))
      const requests = bodies.map((body) =>
        Buffer.concat([Buffer.from(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`), body]),
      )
      const all = Buffer.concat(requests)
      const socket = connect({ port, host: '127.0.0.1' })
      let answers = ''
      socket.on('data', (piece) => (answers += String(piece)))
      for (let at = 0; at < all.length; at += packetBytes) {
        if (!socket.write(all.subarray(at, at + packetBytes))) await once(socket, 'drain')
        if (at % 5 === 0) await sleep(0)
      }
      socket.end()
      await once(socket, 'close')
      expect(answers.match(/[0-9a-f]{64}/g)).toEqual(bodies.map(hashOf))
    }
    await Promise.all([997, 4_096, 30_011, 65_536, 1_000_000].map(client))
  },
)
