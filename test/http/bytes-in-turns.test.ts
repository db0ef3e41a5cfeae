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
  'the bytes of a connection that are read %s come whole and in their order, whatever the packets, and up to its end',
  async (_, isOpenToOthers) => {
    const server = createServer((request, response) => void read(request).then((body) => response.end(hashOf(body))))
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
      // Node ends a connection whose client has ended its side, answered or not.
      while ((answers.match(/[0-9a-f]{64}/g)?.length ?? 0) < bodies.length && !socket.closed) await sleep(2)
      socket.end()
      await once(socket, 'close')
      expect(answers.match(/[0-9a-f]{64}/g)).toEqual(bodies.map(hashOf))
    }
    await Promise.all([997, 4_096, 30_011, 65_536, 1_000_000].map(client))
  },
)

test('a connection whose bytes wait is read no more, however much its client sends', async () => {
  let bytesRead = 0
  const server = createServer((request) => {
    request.on('data', () => void request.pause())
    setTimeout(() => (bytesRead = request.socket.bytesRead), 300)
  })
  takeBytesInTurns(server, () => true)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }).on('error', () => {})
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000000\r\n\r\n')
  // Lines of a byte: a piece of it is a small part of a packet.
  for (let sent = 0; sent < 40; sent++) socket.write(Buffer.alloc(500_000, '\n'))
  await sleep(500)
  socket.destroy()
  expect(bytesRead).toBeGreaterThan(0)
  expect(bytesRead).toBeLessThan(300_000)
})
