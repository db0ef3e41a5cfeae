import { useRealSockets } from '../../transport/real-sockets.ts'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import fastify from 'fastify'
import { expect, test } from 'vitest'
import { limitWhatIsOpen } from '../../../src/http/limits/install-limits.ts'
import { createLimits } from '../../../src/http/limits/limits.ts'

useRealSockets()

const UNREAD_MS = 300
const IMAGE_BYTES = 24 * 1_048_576

test('a reader that takes nothing of an image for the time it has is cut off and its file closed, and one that reads gets all of it', async () => {
  const app = fastify()
  limitWhatIsOpen(
    app,
    createLimits({
      limits: () => ({
        perAddress: { requestsPerMinute: null, sockets: null, bytes: null, countsLoopback: false },
        perKey: { streams: null, bytes: null, generations: null },
        all: { sockets: null, streams: null, bytes: null, generations: null },
      }),
      trustedProxies: () => [],
      isLoopback: () => true,
      observeLimited: () => {},
    }),
    UNREAD_MS,
  )
  const files = new Map<string, Readable>()
  app.get('/image', (request, reply) => {
    const file = Readable.from(
      (function* () {
        for (let sent = 0; sent < IMAGE_BYTES; sent += 65_536) yield Buffer.alloc(65_536)
      })(),
    )
    files.set((request.query as { who: string }).who, file)
    return reply.header('content-length', IMAGE_BYTES).type('image/png').send(file)
  })
  const { hostname, port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const dial = (who: string) => {
    const socket = connect(Number(port), hostname).on('error', () => {})
    socket.write(`GET /image?who=${who} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return socket
  }
  const silent = dial('silent')
  const reading = dial('reading')
  let got = 0
  reading.on('data', (part) => (got += part.length))
  await expect.poll(() => got, { timeout: 10_000 }).toBeGreaterThan(IMAGE_BYTES)
  await expect.poll(() => files.get('silent')?.destroyed, { timeout: 10_000 }).toBe(true)
  // What the system had taken by then still comes, and then the end: not the whole image.
  let late = 0
  silent.on('data', (part) => (late += part.length))
  await once(silent, 'close')
  expect(late).toBeLessThan(IMAGE_BYTES)
  reading.destroy()
  await app.close()
})
