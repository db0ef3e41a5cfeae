import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { exactNumber } from '#adapter-kit'
import type { Call } from '#contract'
import type { Sent } from '../../src/core/ports.ts'
import { type AgentsOptions, createAgents } from '../../src/transport/agents.ts'
import { createCredentials } from '../../src/transport/credentials.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { Secret } from '../../src/transport/secret.ts'
import { type CallLog, createSend, type SendOptions } from '../../src/transport/send.ts'
import { useRealSockets } from './real-sockets.ts'
import { CERTIFICATE } from './certificate.ts'
import { API_KEY, closedPort, httpServer, httpsServer, lookupOf, providerAt, tcpServer } from './loopback.ts'

useRealSockets()

const submit: Call = { purpose: 'submit', method: 'POST', url: '/v1/x', body: { prompt: 'a secret cat' }, memo: { remember: 'me' } }
const poll: Call = { purpose: 'poll', method: 'GET', url: '/v1/x' }

type Extra = Omit<SendOptions, 'credentials' | 'agents'> & Pick<AgentsOptions, 'lookup' | 'ca' | 'connectTimeoutMs'>

function sendTo(baseUrl: string, { lookup, ca, connectTimeoutMs, ...extra }: Extra = {}) {
  const provider = providerAt(baseUrl)
  const agents = createAgents({
    providers: [provider],
    allow: parseAllow([]),
    ...(lookup === undefined ? {} : { lookup }),
    ...(ca === undefined ? {} : { ca }),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
  })
  onTestFinished(() => agents.close())
  const send = createSend({ credentials: createCredentials([{ provider: provider.id, ...provider }]), agents, ...extra })
  return (call: Call, timeoutMs = 2_000) => send(provider.id, call, timeoutMs)
}

/** A connection is free for the next call one turn of the event loop after its reply. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const reasonOf = (sent: Sent): string => (sent.kind === 'reply' ? '' : sent.reason)

describe('a call that provably did not leave', () => {
  it('is unsent where nobody listens', async () => {
    const sent = await sendTo(`http://127.0.0.1:${await closedPort()}`)(submit)
    expect(sent).toEqual({ kind: 'unsent', reason: expect.stringContaining('ECONNREFUSED') })
  })

  it('is unsent where the name does not resolve', async () => {
    const sent = await sendTo('http://api.vendor.test', {
      lookup: (_host, _options, callback) => callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '', 0),
    })(submit)
    expect(sent).toEqual({ kind: 'unsent', reason: expect.stringContaining('ENOTFOUND') })
  })

  it('is unsent where the server talks no TLS', async () => {
    const server = await tcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await sendTo(server.url.replace('http:', 'https:'))(submit)).toHaveProperty('kind', 'unsent')
  })

  it('is unsent where the server resets during the TLS handshake', async () => {
    const server = await tcpServer((socket) => socket.resetAndDestroy())
    expect(await sendTo(server.url.replace('http:', 'https:'))(submit)).toHaveProperty('kind', 'unsent')
  })

  it('is unsent, and no request is heard, where the certificate is not trusted', async () => {
    const server = await httpsServer((_request, response) => response.end('{}'))
    const sent = await sendTo(server.url)(submit)
    expect(sent).toEqual({ kind: 'unsent', reason: expect.stringContaining('self-signed') })
    expect(server.heard).toEqual([])
  })

  it('is unsent where the TLS handshake takes longer than the call may', async () => {
    const server = await tcpServer(() => {})
    const sent = await sendTo(server.url.replace('http:', 'https:'), { connectTimeoutMs: 150 })(submit, 60)
    expect(sent).toEqual({ kind: 'unsent', reason: 'no connection within 60 ms' })
  })

  it('is never written once it was given up while it waited for a connection', async () => {
    const asked = Promise.withResolvers<() => void>()
    const heard: string[] = []
    const server = await tcpServer((_socket, chunk) => heard.push(chunk))
    const sent = await sendTo(`http://api.vendor.test:${server.port}`, {
      lookup: (_host, _options, callback) => {
        asked.resolve(() => callback(null, [{ address: '127.0.0.1', family: 4 }]))
      },
    })(submit, 40)
    expect(sent).toHaveProperty('kind', 'unsent')
    const answerName = await asked.promise
    answerName()
    await expect.poll(() => server.connections()).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(heard).toEqual([])
  })

  it('is unsent where its key cannot be written in a header, without showing the key', async () => {
    const server = await httpServer((_request, response) => response.end('{}'))
    const provider = providerAt(server.url)
    const agents = createAgents({ providers: [provider], allow: parseAllow([]) })
    onTestFinished(() => agents.close())
    const credentials = createCredentials([{ provider: 'acme', ...provider, apiKey: new Secret(`${API_KEY}\r\nx: y`) }])
    const sent = await createSend({ credentials, agents })('acme', submit, 1_000)
    expect(sent.kind).toBe('unsent')
    expect(reasonOf(sent)).not.toContain(API_KEY)
    expect(server.heard).toEqual([])
  })

  it('is refused where its URL is no host of the provider', async () => {
    const canary = await httpServer((_request, response) => response.end('{}'))
    const sent = await sendTo('http://127.0.0.1:1')({ ...poll, url: `${canary.url}/v1/x` })
    expect(sent).toEqual({ kind: 'refused', reason: expect.stringContaining('not a host of acme') })
    expect(canary.heard).toEqual([])
  })

  it('is refused where a host of the manifest resolves to a private address', async () => {
    const sent = await sendTo('https://api.vendor.test', { lookup: lookupOf(['10.0.0.7']) })({
      ...poll,
      url: 'https://eu.vendor.test/v1/x',
    })
    expect(sent).toEqual({ kind: 'refused', reason: 'eu.vendor.test is not at a public address', mayPass: true })
  })

  it('is refused for a provider nobody configured', async () => {
    const agents = createAgents({ providers: [], allow: parseAllow([]) })
    onTestFinished(() => agents.close())
    expect(await createSend({ credentials: createCredentials([]), agents })('nobody', submit, 100)).toHaveProperty('kind', 'refused')
  })
})

describe('a call that may have arrived', () => {
  it('is lost where the connection is reset before a byte of reply', async () => {
    const server = await tcpServer((socket) => socket.resetAndDestroy())
    expect(await sendTo(server.url)(submit)).toEqual({ kind: 'lost', reason: expect.stringContaining('ECONNRESET') })
  })

  it('is lost where the other side closes before a byte of reply', async () => {
    const server = await tcpServer((socket) => socket.end())
    expect(await sendTo(server.url)(submit)).toEqual({ kind: 'lost', reason: expect.stringContaining('other side closed') })
  })

  it('is lost where a kept-alive connection closes instead of a second reply', async () => {
    let requests = 0
    const server = await tcpServer((socket) => {
      requests += 1
      if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
      else socket.destroy()
    })
    const send = sendTo(server.url)
    expect(await send(submit)).toHaveProperty('kind', 'reply')
    await nextTurn()
    expect(await send(submit)).toHaveProperty('kind', 'lost')
    expect(server.connections()).toBe(1)
    expect(requests).toBe(2)
  })

  it('is sent once, on a fresh connection, where the kept-alive one is seen to be closed', async () => {
    let requests = 0
    const server = await tcpServer((socket) => {
      requests += 1
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
      if (requests === 1) setTimeout(() => socket.end(), 5)
    })
    const send = sendTo(server.url)
    await send(submit)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await send(submit)).toHaveProperty('kind', 'reply')
    expect({ requests, connections: server.connections() }).toEqual({ requests: 2, connections: 2 })
  })

  it('is lost where the reset comes in the middle of the body', async () => {
    const server = await tcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id":"1"', () =>
        socket.resetAndDestroy(),
      )
    })
    expect(await sendTo(server.url)(submit)).toHaveProperty('kind', 'lost')
  })

  it.each([
    ['with a length', 'content-length: 100\r\n\r\n{"id":"1"'],
    ['in chunks', 'transfer-encoding: chunked\r\n\r\n9\r\n{"id":"1"\r\n'],
    ['without a length', 'connection: close\r\n\r\n{"id":"1"'],
  ])('is lost where the reply %s breaks off', async (_name, rest) => {
    const server = await tcpServer((socket) => socket.end(`HTTP/1.1 200 OK\r\n${rest}`))
    expect(await sendTo(server.url)(submit)).toHaveProperty('kind', 'lost')
  })

  it('is lost where no reply comes in time, and its connection is closed', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await tcpServer((socket) => socket.on('close', () => closed.resolve()))
    const startedAt = performance.now()
    expect(await sendTo(server.url)(submit, 80)).toEqual({ kind: 'lost', reason: 'no reply within 80 ms' })
    const ms = performance.now() - startedAt
    expect(ms).toBeGreaterThan(75)
    expect(ms).toBeLessThan(500)
    await closed.promise
  })

  it('is lost where the body drips slower than the call may take', async () => {
    const server = await tcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
      const drip = setInterval(() => socket.write(' '), 10)
      socket.on('close', () => clearInterval(drip))
    })
    expect(await sendTo(server.url)(submit, 80)).toEqual({ kind: 'lost', reason: 'no whole reply within 80 ms' })
  })

  it('is lost where the server answers in no HTTP', async () => {
    const server = await tcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
    expect(await sendTo(server.url)(submit)).toHaveProperty('kind', 'lost')
  })

  it('is lost where the reply says that it is larger than allowed', async () => {
    const server = await httpServer((_request, response) => response.end(Buffer.alloc(5_000, 32)))
    expect(await sendTo(server.url, { maxReplyBytes: 1_000 })(submit)).toEqual({
      kind: 'lost',
      reason: 'the reply is larger than 1000 bytes',
    })
  })

  it('is lost where the reply never ends, without keeping more than is allowed', async () => {
    const server = await httpServer((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(1_000)));
      }
      response.on('drain', more)
      more()
    })
    expect(await sendTo(server.url, { maxReplyBytes: 50_000 })(submit)).toHaveProperty('reason', 'the reply is larger than 50000 bytes')
  })

  it('is lost where a small reply inflates beyond what is allowed', async () => {
    const server = await httpServer((_request, response) => {
      response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(200_000, 32)))
    })
    expect(await sendTo(server.url, { maxReplyBytes: 10_000 })(submit)).toHaveProperty('kind', 'lost')
  })

  it.each([
    ['gzip', gzipSync('{"id":"1"}').subarray(0, 20)],
    ['br', Buffer.from('damaged')],
    ['deflate', deflateSync('{"id":"1"}').subarray(0, 10)],
  ])('is lost where the reply is %s and damaged', async (encoding, bytes) => {
    const server = await httpServer((_request, response) => response.setHeader('content-encoding', encoding).end(bytes))
    for (const call of [submit, poll])
      expect(await sendTo(server.url)(call)).toEqual({ kind: 'lost', reason: expect.stringContaining('decompressed') })
  })

  it('is lost where the reply to a poll breaks off in the middle, with any status', async () => {
    for (const status of ['200 OK', '404 Not Found', '500 Oops']) {
      const server = await tcpServer((socket) => socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 100\r\n\r\n{"status":"Ready"`))
      expect(await sendTo(server.url)(poll)).toHaveProperty('kind', 'lost')
    }
  })
})

describe('a reply', () => {
  it('is what was said: status, lower-case headers as strings, parsed body with every digit', async () => {
    const server = await httpServer((_request, response) => {
      response.writeHead(201, { 'X-Request-Id': 'abc', 'Set-Cookie': ['a=1', 'b=2'], 'Content-Type': 'application/json' })
      response.end('{"seed":15903412345678901234,"cost":0.0013}')
    })
    const sent = await sendTo(server.url)(submit)
    expect(sent).toMatchObject({
      kind: 'reply',
      reply: {
        status: 201,
        headers: { 'x-request-id': 'abc', 'set-cookie': 'a=1, b=2' },
        body: { seed: '15903412345678901234', cost: 0.0013 },
      },
    })
  })

  it('answers a request that carries the key, the body once, our name, and no memo', async () => {
    const server = await httpServer((_request, response) => response.end('{}'))
    await sendTo(server.url)(submit)
    expect(server.heard).toHaveLength(1)
    const [heard] = server.heard
    expect(heard).toMatchObject({ method: 'POST', url: '/v1/x', body: '{"prompt":"a secret cat"}' })
    expect(heard?.headers).toMatchObject({ 'x-key': API_KEY, 'content-type': 'application/json', 'accept-encoding': 'identity' })
    expect(heard?.headers['user-agent']).toMatch(/^imagegate\/\d+\.\d+\.\d+/)
  })

  it('answers a GET that carries no body', async () => {
    const server = await httpServer((_request, response) => response.end('{}'))
    await sendTo(server.url)(poll)
    expect(server.heard[0]).toMatchObject({ method: 'GET', body: '' })
    expect(server.heard[0]?.headers).not.toHaveProperty('content-type')
  })

  it.each([301, 302, 303, 307, 308])('with status %i is not followed, and the key stays here', async (status) => {
    const canary = await httpServer((_request, response) => response.end('{}'))
    const server = await httpServer((_request, response) => response.writeHead(status, { location: `${canary.url}/steal` }).end())
    const sent = await sendTo(server.url)(submit)
    expect(sent).toMatchObject({ kind: 'reply', reply: { status, body: null, headers: { location: `${canary.url}/steal` } } })
    expect(canary.heard).toEqual([])
    expect(server.heard).toHaveLength(1)
  })

  it('that is not JSON arrives as the beginning of its text', async () => {
    const page = `<html>${'x'.repeat(20_000)}</html>`
    const server = await httpServer((_request, response) => response.writeHead(502).end(page))
    expect(await sendTo(server.url)(submit)).toMatchObject({ kind: 'reply', reply: { status: 502, body: page.slice(0, 8_192) } })
  })

  it('that is whole and half a JSON text arrives as text', async () => {
    const server = await httpServer((_request, response) => response.setHeader('content-length', 9).end('{"id":"1"'))
    expect(await sendTo(server.url)(submit)).toMatchObject({ kind: 'reply', reply: { body: '{"id":"1"' } })
  })

  it('that is empty arrives as null', async () => {
    const server = await httpServer((_request, response) => response.writeHead(204).end())
    expect(await sendTo(server.url)(submit)).toMatchObject({ kind: 'reply', reply: { status: 204, body: null } })
  })

  it('that is nested too deeply to be read with care arrives as text', async () => {
    const server = await httpServer((_request, response) =>
      response.end(`${'['.repeat(200_000)}12345678901234567890${']'.repeat(200_000)}`),
    )
    expect(await sendTo(server.url)(submit)).toMatchObject({ kind: 'reply', reply: { body: expect.stringMatching(/^\[{8192}$/) } })
  })

  it('after a 103 is the final one', async () => {
    const server = await tcpServer((socket) =>
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"id":1}'),
    )
    expect(await sendTo(server.url)(submit)).toMatchObject({ kind: 'reply', reply: { status: 200, body: { id: 1 } } })
  })

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)('that is compressed with %s all the same is read', async (encoding, compress) => {
    const server = await httpServer((_request, response) => {
      response.setHeader('content-encoding', encoding).end(compress(Buffer.from('{"id":"1"}')))
    })
    expect(await sendTo(server.url)(submit)).toMatchObject({ kind: 'reply', reply: { body: { id: '1' } } })
  })

  it.each(['gzip', 'br', 'deflate', 'zstd', 'secret-sauce', 'aws-chunked', 'gzip, secret-sauce'])(
    'that says %s and was never compressed is read as it is',
    async (encoding) => {
      const server = await httpServer((_request, response) => response.setHeader('content-encoding', encoding).end('{"id":"1"}'))
      expect(await sendTo(server.url)(submit)).toMatchObject({ kind: 'reply', reply: { body: { id: '1' } } })
    },
  )

  it.each(['PUT', 'POST', 'GET'] as const)('answers a %s, also one that cancels', async (method) => {
    const server = await httpServer((_request, response) => response.end('{}'))
    const call: Call = { purpose: 'cancel', method, url: '/v1/x/cancel', ...(method === 'POST' ? { body: { id: 'x' } } : {}) }
    expect(await sendTo(server.url)(call)).toHaveProperty('kind', 'reply')
    expect(server.heard).toMatchObject([{ method, url: '/v1/x/cancel', body: method === 'POST' ? '{"id":"x"}' : '' }])
  })

  it('answers a request whose seed has every digit, as a bare number', async () => {
    const server = await httpServer((_request, response) => response.end('{}'))
    const body = [{ seed: exactNumber('9223372036854775807'), prompt: 'a "$digits" cat', n: exactNumber('7') }]
    await sendTo(server.url)({ ...submit, body })
    expect(server.heard[0]?.body).toBe('[{"seed":9223372036854775807,"prompt":"a \\"$digits\\" cat","n":7}]')
  })

  it('comes over TLS where the certificate is trusted', async () => {
    const server = await httpsServer((_request, response) => response.end('{"id":"1"}'))
    expect(await sendTo(server.url, { ca: CERTIFICATE })(submit)).toMatchObject({ kind: 'reply', reply: { body: { id: '1' } } })
    expect(server.heard[0]?.headers).toHaveProperty('x-key', API_KEY)
  })

  it('comes over the connection of the call before', async () => {
    const server = await tcpServer((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'))
    const send = sendTo(server.url)
    for (let i = 0; i < 3; i += 1) {
      expect(await send(submit)).toHaveProperty('kind', 'reply')
      await nextTurn()
    }
    expect(server.connections()).toBe(1)
  })
})

describe('the log of a call', () => {
  it('is one line that says where and how long, and never what', async () => {
    const lines: { fields: object; message: string }[] = []
    let ms = 1_000
    const server = await httpServer((_request, response) => response.end('{"result":"reply-body"}'))
    const keep = (fields: object, message: string) => void lines.push({ fields, message })
    const log = { info: keep, debug: keep }
    const send = sendTo(server.url, { log, now: () => (ms += 7) })
    await send({ ...submit, url: '/v1/secret-path?signature=secret-signature' })
    const host = `127.0.0.1:${server.port}`
    expect(lines).toEqual([
      {
        fields: { provider: 'acme', purpose: 'submit', method: 'POST', host, outcome: 'reply', status: 200, ms: 7 },
        message: 'vendor call',
      },
    ])
  })

  it('says why no reply came', async () => {
    const lines: object[] = []
    const port = await closedPort()
    await sendTo(`http://127.0.0.1:${port}`, { log: atInfo(lines) })(submit)
    expect(lines).toEqual([expect.objectContaining({ outcome: 'unsent', reason: expect.stringContaining('ECONNREFUSED') })])
    expect(JSON.stringify(lines)).not.toMatch(/secret|canary|v1/)
  })

  it('is written at info where the vendor refused, and only at debug where it did not', async () => {
    const lines: object[] = []
    const statuses = [200, 422]
    const server = await httpServer((_request, response) => response.writeHead(statuses.shift() ?? 200).end('{}'))
    const send = sendTo(server.url, { log: atInfo(lines) })
    await send(submit)
    expect(lines).toEqual([])
    await send(submit)
    expect(lines).toEqual([expect.objectContaining({ outcome: 'reply', status: 422 })])
  })
})

/** A log whose level is info. */
const atInfo = (lines: object[]): CallLog => ({
  info: (fields) => void lines.push(fields),
  debug: () => {},
})

it('a key that a vendor repeats in its reply gets no further', async () => {
  const { url } = await httpServer((request, response) => {
    const words = `bad key ${JSON.stringify(request.headers)}`
    response.writeHead(422, { 'content-type': 'application/json' }).end(JSON.stringify({ detail: words }))
  })
  const sent = await sendTo(url)(poll)
  expect(JSON.stringify(sent)).toContain('[redacted]')
  expect(JSON.stringify(sent)).not.toContain(API_KEY)
})
