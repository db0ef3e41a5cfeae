import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Downloaded } from '../../src/core/ports.ts'
import { createAgents } from '../../src/transport/agents.ts'
import { createDownload } from '../../src/transport/download.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { API_KEY, closedPort, httpServer, lookupOf, providerAt, tcpServer } from './loopback.ts'
import './real-sockets.ts'

function downloader(allow: readonly string[] = ['127.0.0.1/32'], baseUrl = 'http://127.0.0.1:1') {
  const agents = createAgents({ providers: [providerAt(baseUrl)], allow: parseAllow(allow), lookup: lookupOf(['127.0.0.1']) })
  onTestFinished(() => agents.close())
  const download = createDownload({ agents })
  return (url: string, options: Partial<Parameters<typeof download>[1]> = {}) =>
    download(url, { maxBytes: 10_000, timeoutMs: 2_000, ...options })
}

async function bytesOf(downloaded: Downloaded): Promise<string> {
  if (downloaded.kind !== 'body') throw new Error(`no body but ${JSON.stringify(downloaded)}`)
  return Buffer.concat(await downloaded.stream.toArray()).toString()
}

describe('a download', () => {
  it('streams the body and tells its type', async () => {
    const server = await httpServer((_request, response) => response.setHeader('content-type', 'image/png').end('image'))
    const downloaded = await downloader()(`${server.url}/a.png?sig=1`)
    expect(downloaded).toMatchObject({ kind: 'body', contentType: 'image/png' })
    expect(await bytesOf(downloaded)).toBe('image')
    expect(server.heard[0]).toMatchObject({ method: 'GET', url: '/a.png?sig=1' })
  })

  it('carries our name and neither a key nor a cookie, to a provider’s own host as to any other', async () => {
    const server = await httpServer((request, response) => {
      response.setHeader('set-cookie', 'a=1')
      if (request.url === '/1') response.writeHead(302, { location: '/2' }).end()
      else response.end('image')
    })
    const downloaded = await downloader([], server.url)(`${server.url}/1`, { trustedProvider: 'acme' })
    expect(await bytesOf(downloaded)).toBe('image')
    expect(server.heard.map(({ url }) => url)).toEqual(['/1', '/2'])
    for (const { headers } of server.heard) {
      expect(headers['user-agent']).toMatch(/^imagegate\/\d/)
      expect(headers).not.toHaveProperty('cookie')
      expect(JSON.stringify(headers)).not.toContain(API_KEY)
    }
  })

  it('reaches a provider’s private base URL only where that provider is trusted', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    const other = await httpServer((_request, response) => response.end('secret'))
    const download = downloader([], server.url)
    expect(await download(server.url)).toHaveProperty('kind', 'refused')
    expect(await download(other.url, { trustedProvider: 'acme' })).toHaveProperty('kind', 'refused')
    expect(await download(server.url, { trustedProvider: 'nobody' })).toHaveProperty('kind', 'refused')
    expect(await bytesOf(await download(server.url, { trustedProvider: 'acme' }))).toBe('image')
    expect(other.heard).toEqual([])
  })

  it('waits for a slow consumer without keeping the whole body', async () => {
    const size = 8 * 1_024 * 1_024
    const server = await httpServer((_request, response) => response.end(Buffer.alloc(size, 1)))
    const downloaded = await downloader()(server.url, { maxBytes: size })
    if (downloaded.kind !== 'body') throw new Error('no body')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(downloaded.stream.readableLength).toBeLessThan(1_024 * 1_024)
    let bytes = 0
    for await (const chunk of downloaded.stream) bytes += (chunk as Buffer).length
    expect(bytes).toBe(size)
  })

  it.each([403, 404, 410])('is expired at %i', async (status) => {
    const server = await httpServer((_request, response) => response.writeHead(status).end('gone'))
    expect(await downloader()(server.url)).toEqual({ kind: 'expired', status })
  })

  it.each([
    [500, true],
    [503, true],
    [429, true],
    [408, true],
    [400, false],
    [401, false],
    [416, false],
    [204, false],
    [206, false],
    [304, false],
    [302, false],
  ])('with status %i fails and may be tried again: %s', async (status, retryable) => {
    const server = await httpServer((_request, response) => response.writeHead(status).end())
    expect(await downloader()(server.url)).toEqual({ kind: 'failed', reason: `the server answered ${status}`, retryable })
  })

  it('fails, to be tried again, where nobody listens', async () => {
    const downloaded = await downloader()(`http://127.0.0.1:${await closedPort()}/`)
    expect(downloaded).toMatchObject({ kind: 'failed', retryable: true, reason: expect.stringContaining('ECONNREFUSED') })
  })

  it('fails, to be tried again, where the connection is reset', async () => {
    const server = await tcpServer((socket) => socket.resetAndDestroy())
    expect(await downloader()(server.url)).toMatchObject({ kind: 'failed', retryable: true })
  })

  it('fails, to be tried again, where no answer comes in time', async () => {
    const server = await tcpServer(() => {})
    expect(await downloader()(server.url, { timeoutMs: 60 })).toMatchObject({ kind: 'failed', retryable: true })
  })

  it('fails at once where the body says that it is too large', async () => {
    const server = await httpServer((_request, response) => response.writeHead(200, { 'content-length': 10_001 }).flushHeaders())
    expect(await downloader()(server.url)).toEqual({ kind: 'failed', reason: 'the body is larger than 10000 bytes', retryable: false })
  })

  it('fails where the body is compressed', async () => {
    const server = await httpServer((_request, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync('image')))
    expect(await downloader()(server.url)).toMatchObject({ kind: 'failed', retryable: false })
  })
})

describe('the stream of a download', () => {
  it('fails where the body turns out too large', async () => {
    const server = await httpServer((_request, response) => {
      response.write(Buffer.alloc(9_000))
      setTimeout(() => response.write(Buffer.alloc(9_000)), 5)
    })
    await expect(bytesOf(await downloader()(server.url))).rejects.toMatchObject({ reason: 'too_large' })
  })

  it('delivers a body of exactly the size allowed', async () => {
    const server = await httpServer((_request, response) => response.end('x'.repeat(10_000)))
    expect(await bytesOf(await downloader()(server.url))).toHaveLength(10_000)
  })

  it.each([
    ['with a length', 'content-length: 100\r\n\r\nhalf a pic'],
    ['in chunks', 'transfer-encoding: chunked\r\n\r\na\r\nhalf a pic\r\n'],
  ])('fails where a body %s breaks off', async (_name, rest) => {
    const server = await tcpServer((socket) => socket.write(`HTTP/1.1 200 OK\r\n${rest}`, () => socket.destroy()))
    await expect(bytesOf(await downloader()(server.url))).rejects.toMatchObject({ reason: 'stream' })
  })

  it('fails where the body drips slower than the download may take', async () => {
    const server = await tcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
      const drip = setInterval(() => socket.write('x'), 10)
      socket.on('close', () => clearInterval(drip))
    })
    await expect(bytesOf(await downloader()(server.url, { timeoutMs: 80 }))).rejects.toMatchObject({ reason: 'stream' })
  })

  it('tells its failure also to a consumer that comes late', async () => {
    const server = await tcpServer((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf', () => socket.destroy()))
    const downloaded = await downloader()(server.url)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await expect(bytesOf(downloaded)).rejects.toMatchObject({ reason: 'stream' })
  })

  it('closes the connection when it is destroyed', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await tcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx')
      socket.on('close', () => closed.resolve())
    })
    const downloaded = await downloader()(server.url)
    if (downloaded.kind === 'body') downloaded.stream.destroy()
    await closed.promise
    expect(downloaded.kind).toBe('body')
  })
})

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('with status %i is followed, also to another host', async (status) => {
    const target = await httpServer((_request, response) => response.end('image'))
    const server = await httpServer((_request, response) => response.writeHead(status, { location: `${target.url}/b` }).end())
    expect(await bytesOf(await downloader()(server.url))).toBe('image')
  })

  it('is followed three times and not a fourth', async () => {
    const server = await httpServer((request, response) => {
      const hop = Number(request.url?.slice(1))
      if (hop === 0) response.end('image')
      else response.writeHead(302, { location: `/${hop - 1}` }).end()
    })
    const download = downloader()
    expect(await bytesOf(await download(`${server.url}/3`))).toBe('image')
    expect(await download(`${server.url}/4`)).toEqual({ kind: 'failed', reason: 'more than 3 redirects', retryable: false })
    expect(server.heard.map(({ url }) => url)).toEqual(['/3', '/2', '/1', '/0', '/4', '/3', '/2', '/1'])
  })

  it.each([
    'http://169.254.169.254/latest',
    'http://[::ffff:10.0.0.1]/',
    'file:///etc/passwd',
    'http://u:p@127.0.0.1/',
    'http://',
    'http://2130706434/',
  ])('to %s is refused', async (location) => {
    const server = await httpServer((_request, response) => response.writeHead(302, { location }).end())
    expect(await downloader()(server.url)).toHaveProperty('kind', 'refused')
  })

  it('from a trusted provider into the private network is refused', async () => {
    const inside = await httpServer((_request, response) => response.end('secret'))
    const server = await httpServer((_request, response) => response.writeHead(302, { location: inside.url }).end())
    expect(await downloader([], server.url)(server.url, { trustedProvider: 'acme' })).toHaveProperty('kind', 'refused')
    expect(inside.heard).toEqual([])
  })

  it('does not start the clock again', async () => {
    const server = await httpServer((request, response) => {
      if (request.url === '/1') response.writeHead(302, { location: '/2' }).end()
    })
    const times = [0, 0, 4_960]
    const agents = createAgents({ providers: [], allow: parseAllow(['127.0.0.1']) })
    onTestFinished(() => agents.close())
    const download = createDownload({ agents, now: () => times.shift() ?? 5_000 })
    const startedAt = performance.now()
    const downloaded = await download(`${server.url}/1`, { maxBytes: 100, timeoutMs: 5_000 })
    expect(downloaded).toEqual({ kind: 'failed', reason: 'not done in time', retryable: true })
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    expect(server.heard.map(({ url }) => url)).toEqual(['/1', '/2'])
  })
})
