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

test('an event stream is dropped at the fifth heartbeat for which something waits unread, and one that was read in between stays', async () => {
  const app = fastify()
  const beats = new Map<string, () => void>()
  const unreadBytes = new Map<string, () => number>()
  const closed: string[] = []
  app.get('/events', (request, reply) => {
    const who = (request.query as { who: string }).who
    const stream = openEventStream(reply, {
      clock: { after: (_ms, beat) => (beats.set(who, beat), () => {}) },
      untilKeyEnds: () => () => {},
      onClosed: () => closed.push(who),
    })
    unreadBytes.set(who, () => reply.raw.writableLength)
    // Until the system takes no more of it.
    const timer = setInterval(() => {
      if (reply.raw.writableLength === 0) stream.send('progress', { text: 'x'.repeat(100_000) })
    }, 1)
    reply.raw.once('close', () => clearInterval(timer))
  })
  const { hostname, port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const dial = (who: string) => {
    const socket = connect(Number(port), hostname).on('error', () => {})
    socket.write(`GET /events?who=${who} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return socket
  }
  const isStuck = async (who: string): Promise<void> => {
    // Counted, not timed: on a slow machine a tenth of a second passes between two of these turns.
    for (let turns = 0; turns < 50; turns = (unreadBytes.get(who)?.() ?? 0) === 0 ? 0 : turns + 1)
      await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const silent = dial('silent')
  const late = dial('late')
  await Promise.all([isStuck('silent'), isStuck('late')])
  const beat = (who: string, times: number): void => Array.from({ length: times }).forEach(() => beats.get(who)?.())
  beat('silent', 4)
  beat('late', 4)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(closed).toEqual([])

  late.resume()
  await expect.poll(() => unreadBytes.get('late')?.(), { interval: 1 }).toBe(0)
  beat('late', 1)
  beat('silent', 1)
  await expect.poll(() => closed).toEqual(['silent'])
  beat('late', 4)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(closed).toEqual(['silent'])
  silent.destroy()
  late.destroy()
  await Promise.all([once(app.server, 'close'), app.close()])
})

test('an event that is made while it is sent has nothing in the middle of it, and what came meanwhile follows', async () => {
  const app = fastify()
  let beat = (): void => {}
  app.get('/events', async (_request, reply) => {
    const stream = openEventStream(reply, { clock: { after: (_ms, then) => ((beat = then), () => {}) }, untilKeyEnds: () => () => {} })
    const pieces = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('{"image":"ab')
      beat()
      stream.comment('progress')
      stream.send('later', {})
      yield Buffer.from('cd"}')
    }
    await stream.sendWritten('image', { bytes: 16, pieces })
    await stream.sendWritten('small', '{}')
    stream.end()
    return reply
  })
  const { body } = await app.inject('/events')
  expect(body).toBe('event: image\ndata: {"image":"abcd"}\n\nevent: later\ndata: {}\n\nevent: small\ndata: {}\n\n')
})

test('an event that cannot be made to its end breaks the stream off', async () => {
  const app = fastify()
  app.get('/events', async (_request, reply) => {
    const stream = openEventStream(reply, { clock: { after: () => () => {} }, untilKeyEnds: () => () => {} })
    const pieces = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('{"image":"ab')
      throw new Error('it went')
    }
    await stream.sendWritten('image', { bytes: 16, pieces })
    stream.end()
    return reply
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  await expect(fetch(`${url}/events`).then((reply) => reply.text())).rejects.toThrow(/terminated/)
  await app.close()
})
