import { useRealSockets } from '../transport/real-sockets.ts'
import { once } from 'node:events'
import { connect } from 'node:net'
import fastify from 'fastify'
import { expect, test } from 'vitest'
import { openEventStream } from '../../src/http/event-stream.ts'

useRealSockets()

test('a reader that reads nothing of its event stream is dropped, and one that reads gets everything', async () => {
  const app = fastify()
  const closed: string[] = []
  let sentBytes = 0
  app.get('/events', (request, reply) => {
    const who = (request.query as { who: string }).who
    let stop = (): void => {}
    const stream = openEventStream(reply, {
      clock: { after: () => () => {} },
      untilKeyEnds: () => () => {},
      onClosed: () => (closed.push(who), stop()),
    })
    const timer = setInterval(() => {
      stream.send('progress', { text: 'x'.repeat(100_000) })
      if (who === 'slow') sentBytes += 100_000
    }, 2)
    stop = () => clearInterval(timer)
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { hostname, port } = new URL(url)
  const slow = connect(Number(port), hostname).on('error', () => {})
  slow.write('GET /events?who=slow HTTP/1.1\r\nhost: x\r\n\r\n')
  const quick = connect(Number(port), hostname).on('error', () => {})
  let got = 0
  quick.on('data', (part) => (got += part.length)).write('GET /events?who=quick HTTP/1.1\r\nhost: x\r\n\r\n')
  await expect.poll(() => closed, { timeout: 10_000 }).toEqual(['slow'])
  await expect.poll(() => got, { timeout: 10_000 }).toBeGreaterThan(3_000_000)
  expect(sentBytes).toBeLessThan(20_000_000)
  quick.destroy()
  slow.destroy()
  await Promise.all([once(app.server, 'close'), app.close()])
})
