import { describe, expect, it, onTestFinished } from 'vitest'
import { createAgents } from '../../src/transport/agents.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { createPost } from '../../src/transport/post.ts'
import { closedPort, httpServer, lookupOf, tcpServer } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

function poster(allow: readonly string[] = ['127.0.0.1/32'], now = () => 0) {
  const agents = createAgents({ providers: [], allow: parseAllow(allow), lookup: lookupOf(['127.0.0.1']) })
  onTestFinished(() => agents.close())
  const post = createPost({ agents, now })
  return (url: string, headers: Readonly<Record<string, string>> = {}, timeoutMs = 1_000) =>
    post(url, { body: '{"a":1}', headers, timeoutMs })
}

describe('a post', () => {
  it.each(['http://127.0.0.1/', 'http://hook.test/', 'https://hook.test/', 'ftp://hook.test/', 'http://u:p@hook.test/', 'x'])(
    'to %j is refused',
    async (url) => {
      expect(await poster([])(url)).toHaveProperty('kind', 'refused')
    },
  )

  it('sends body and headers once and returns the status', async () => {
    const server = await httpServer((_request, response) => response.writeHead(202).end('thanks'))
    expect(await poster()(`${server.url}/hook?x=1`, { 'Webhook-Id': 'msg_1', 'Content-Type': 'text/plain' })).toEqual({
      kind: 'status',
      status: 202,
      retryAfterMs: null,
    })
    expect(server.heard).toMatchObject([
      { method: 'POST', url: '/hook?x=1', body: '{"a":1}', headers: { 'webhook-id': 'msg_1', 'content-type': 'text/plain' } },
    ])
    expect(server.heard[0]?.headers['user-agent']).toMatch(/^imagegate\//)
  })

  it.each([301, 302, 307, 308])('follows no %i', async (status) => {
    const canary = await httpServer((_request, response) => response.end())
    const server = await httpServer((_request, response) => response.writeHead(status, { location: canary.url }).end())
    expect(await poster()(server.url)).toMatchObject({ kind: 'status', status })
    expect(canary.heard).toEqual([])
  })

  it.each([
    ['120', 120_000],
    ['1.5', 1_500],
    ['Thu, 01 Jan 1970 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 1969 23:00:00 GMT', 0],
    ['soon', null],
    ['-5', null],
  ])('reads Retry-After %j as %s ms', async (value, expected) => {
    const server = await httpServer((_request, response) => {
      response.sendDate = false
      response.writeHead(503, { 'retry-after': value }).end()
    })
    expect(await poster()(server.url)).toEqual({ kind: 'status', status: 503, retryAfterMs: expected })
  })

  it('throws an endless answer away', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await httpServer((_request, response) => {
      response.on('close', () => closed.resolve())
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(1_000)));
      }
      response.on('drain', more)
      more()
    })
    expect(await poster()(server.url)).toMatchObject({ kind: 'status', status: 200 })
    await closed.promise
  })

  it('fails where nobody listens', async () => {
    expect(await poster()(`http://127.0.0.1:${await closedPort()}/`)).toEqual({
      kind: 'failed',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('fails where no answer comes in time', async () => {
    const server = await tcpServer(() => {})
    expect(await poster()(server.url, {}, 60)).toEqual({ kind: 'failed', reason: 'not done in time' })
  })

  it('fails where the connection closes instead of an answer', async () => {
    const server = await tcpServer((socket) => socket.end())
    expect(await poster()(server.url)).toHaveProperty('kind', 'failed')
  })

  it('fails, without a request, where a header cannot be written', async () => {
    const server = await httpServer((_request, response) => response.end())
    expect(await poster()(server.url, { 'x-a': 'b\r\nx-c: d' })).toHaveProperty('kind', 'failed')
    expect(server.heard).toEqual([])
  })
})
