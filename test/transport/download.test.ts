import { randomBytes } from 'node:crypto'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Downloaded } from '../../src/core/ports.ts'
import { createAgents } from '../../src/transport/agents.ts'
import { createDownload } from '../../src/transport/download.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { createRedactor } from '../../src/transport/redactor.ts'
import { Secret } from '../../src/transport/secret.ts'
import { API_KEY, closedPort, httpServer, lookupOf, providerAt, tcpServer } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

function downloader(allow: readonly string[] = ['127.0.0.1/32'], baseUrl = 'http://127.0.0.1:1') {
  const agents = createAgents({ providers: [providerAt(baseUrl)], allow: parseAllow(allow), lookup: lookupOf(['127.0.0.1']) })
  onTestFinished(() => agents.close())
  const download = createDownload({ agents })
  return (url: string, options: Partial<Parameters<typeof download>[1]> = {}) =>
    download(url, { maxBytes: 10_000, silenceMs: 2_000, ...options })
}

async function bytesOf(downloaded: Downloaded): Promise<string> {
  if (downloaded.kind !== 'body') throw new Error(`no body but ${JSON.stringify(downloaded)}`)
  return Buffer.concat(await downloaded.stream.toArray()).toString()
}

/** How a download fails, be it at once or on its way. */
async function failureOf(downloaded: Downloaded): Promise<unknown> {
  if (downloaded.kind === 'failed') return downloaded.retryable ? 'stream' : 'too_large'
  return bytesOf(downloaded).then(
    () => 'not at all',
    (error: { readonly reason?: unknown }) => error.reason,
  )
}

describe('a download', () => {
  it('streams the body and says its type', async () => {
    const server = await httpServer((_request, response) => response.setHeader('content-type', 'image/png').end('image'))
    const downloaded = await downloader()(`${server.url}/a.png?sig=1`)
    expect(downloaded).toMatchObject({ kind: 'body', contentType: 'image/png' })
    expect(await bytesOf(downloaded)).toBe('image')
    expect(server.heard[0]).toMatchObject({ method: 'GET', url: '/a.png?sig=1' })
  })

  it('says of a server that speaks no TLS what is wrong, without an address in the memory of this process and a line of a library', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    const downloaded = await downloader()(server.url.replace('http:', 'https:'))
    expect(downloaded).toMatchObject({ kind: 'failed', reason: 'ERR_SSL_WRONG_VERSION_NUMBER: wrong version number' })
  })

  it('says how long the server stated the body to be, unless it stated nothing or coded the body', async () => {
    const server = await httpServer((request, response) => {
      if (request.url === '/stated') response.setHeader('content-length', 5).end('image')
      else if (request.url === '/coded') response.setHeader('content-encoding', 'gzip').end(gzipSync('image'))
      else {
        response.write('im')
        response.end('age')
      }
    })
    for (const [path, statedBytes] of [
      ['/stated', 5],
      ['/coded', null],
      ['/chunked', null],
    ] as const) {
      const downloaded = await downloader()(server.url + path)
      expect([path, downloaded]).toEqual([path, expect.objectContaining({ kind: 'body', statedBytes })])
      expect(await bytesOf(downloaded)).toBe('image')
    }
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

  it('says nothing of the provider’s key that a redirect holds, as a scheme, a host or a user name', async () => {
    const key = 'Vendor-Key-0123456789'
    const targets: Readonly<Record<string, string>> = {
      '/scheme': `${key}://x`,
      '/host': `http://${key}.internal/`,
      '/user': `http://${key}@x/`,
      // Long enough that what is said of it ends within the key.
      '/long': `http://${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(59)}.${key}.internal/`,
    }
    const server = await httpServer((request, response) => response.writeHead(302, { location: targets[request.url ?? ''] ?? '/' }).end())
    const agents = createAgents({ providers: [providerAt(server.url)], allow: parseAllow([]), lookup: lookupOf(['10.0.0.1']) })
    onTestFinished(() => agents.close())
    const download = createDownload({ agents, redactors: new Map([['acme', createRedactor(new Secret(key))]]) })
    for (const path of Object.keys(targets)) {
      const said = await download(server.url + path, { maxBytes: 10_000, silenceMs: 2_000, trustedProvider: 'acme' })
      expect(JSON.stringify(said)).toMatch(/\[redacted|a user name/)
      expect(JSON.stringify(said)).not.toMatch(/vendor-k/i)
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

  it.each([401, 403, 404, 410, 451])('is expired at %i', async (status) => {
    const server = await httpServer((_request, response) => response.writeHead(status).end('gone'))
    expect(await downloader()(server.url)).toEqual({ kind: 'expired', status })
  })

  it.each([
    [500, true],
    [503, true],
    [429, true],
    [408, true],
    [400, true],
    [416, true],
    [204, true],
    [304, true],
    [302, true],
  ])('with status %i fails and may be tried again: %s', async (status, retryable) => {
    const server = await httpServer((_request, response) => response.writeHead(status).end())
    expect(await downloader()(server.url)).toEqual({ kind: 'failed', reason: `the server answered ${status}`, retryable })
  })

  it.each([
    ['bytes 0-99/100', 'body'],
    ['BYTES 0-99/100', 'body'],
    ['bytes 0-98/100', 'failed'],
    ['bytes 1-99/100', 'failed'],
    ['bytes 0-99/*', 'failed'],
    ['', 'failed'],
  ])('with status 206 and the range %j is a %s', async (range, kind) => {
    const server = await httpServer((_request, response) => response.writeHead(206, { 'content-range': range }).end('x'.repeat(100)))
    expect(await downloader()(server.url)).toMatchObject(kind === 'failed' ? { kind, retryable: true } : { kind })
  })

  it.each([
    ['nothing', '', 'an empty body'],
    ['a page', ' \n<!DOCTYPE html><title>busy</title>', 'an HTML page'],
    ['a page behind a byte order mark', '\uFEFF<html><body>busy</body></html>', 'an HTML page'],
    ['an XML document', '<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>', 'an XML or SVG document'],
    ['a JSON document', '{"status":"pending"}', 'a JSON document'],
  ])('that is answered with %s fails, to be tried again, and says what came', async (_name, text, what) => {
    const server = await httpServer((_request, response) => response.setHeader('content-type', 'image/png').end(text))
    expect(await downloader()(server.url)).toEqual({
      kind: 'failed',
      reason: `the server sent ${what} instead of an image`,
      retryable: true,
    })
  })

  it.each([
    ['a space before and after', (url: string) => ` ${url}/a.png `, '/a.png'],
    ['a line break in the middle', (url: string) => `${url}/a\n.png`, '/a.png'],
    ['a space in its path', (url: string) => `${url}/a b.png`, '/a%20b.png'],
    ['its scheme in upper case', (url: string) => `${url.replace('http:', 'HTTP:')}/a.png`, '/a.png'],
    ['backslashes', (url: string) => url.replace('//', '\\\\') + '\\a.png', '/a.png'],
  ])('of a URL with %s is one of the URL a browser makes of it', async (_name, spell, path) => {
    const server = await httpServer((_request, response) => response.end('image'))
    expect(await bytesOf(await downloader()(spell(server.url)))).toBe('image')
    expect(server.heard[0]?.url).toBe(path)
  })

  const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from('image>?')])
  const base64 = png.toString('base64')
  const escaped = `%89PNG%0D%0A%1A%0Aimage%3E?`

  it.each([
    `data:image/png;base64,${base64}`,
    `DATA:IMAGE/JPG;BASE64,${base64}`,
    ` data:;name=a.png; base64 ,${base64.slice(0, 5)}\n ${base64.slice(5)}`,
    `data:application/octet-stream;base64,${png.toString('base64url')}`,
    `data:image/png;base64,${encodeURIComponent(base64)}`,
    `data:image/png,${escaped}#fragment`,
  ])('of %j is the bytes in it', async (url) => {
    const downloaded = await downloader([])(url)
    expect(downloaded.kind === 'body' && Buffer.concat(await downloaded.stream.toArray()).equals(png)).toBe(true)
  })

  it.each([
    ['data:image/png;base64', 'without a comma'],
    ['data:image/png;base64,aW1*Z2U=', 'is not base64'],
    ['data:text/html,<html>a page</html>', 'holds an HTML page'],
  ])('of %j fails for good, and says why', async (url, reason) => {
    expect(await downloader([])(url)).toMatchObject({ kind: 'failed', retryable: false, reason: expect.stringContaining(reason) })
  })

  it('of a data: URL that is too large fails for good', async () => {
    expect(await downloader([])(`data:,${escaped}${'x'.repeat(10_001)}`)).toEqual({
      kind: 'failed',
      reason: 'the body is larger than 10000 bytes',
      retryable: false,
    })
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
    expect(await downloader()(server.url, { silenceMs: 60 })).toMatchObject({ kind: 'failed', retryable: true })
  })

  it('fails at once where the body says that it is too large', async () => {
    const server = await httpServer((_request, response) => response.writeHead(200, { 'content-length': 10_001 }).flushHeaders())
    expect(await downloader()(server.url)).toEqual({ kind: 'failed', reason: 'the body is larger than 10000 bytes', retryable: false })
  })

  it('asks for a body without any coding', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    await downloader()(server.url)
    expect(server.heard[0]?.headers['accept-encoding']).toBe('identity')
  })
})

describe('a coded body', () => {
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  const image = Buffer.concat([signature, Buffer.alloc(2_000, 'image')])
  /** What no coding makes smaller. */
  const noise = (bytes: number): Buffer => Buffer.concat([signature, randomBytes(bytes)])

  it.each<readonly [string, Buffer]>([
    ['gzip', gzipSync(image)],
    ['x-gzip', gzipSync(image)],
    ['br', brotliCompressSync(image)],
    ['deflate', deflateSync(image)],
    ['deflate', deflateRawSync(image)],
    ['zstd', zstdCompressSync(image)],
    ['identity, GZIP', gzipSync(image)],
    ['gzip, br', brotliCompressSync(gzipSync(image))],
    ['aws-chunked, gzip', gzipSync(image)],
  ])('of %s is decoded', async (coding, bytes) => {
    const server = await httpServer((_request, response) => response.setHeader('content-encoding', coding).end(bytes))
    expect(await bytesOf(await downloader()(server.url))).toBe(String(image))
  })

  it.each(['aws-chunked', 'identity, aws-chunked', 'secret-sauce', 'gzip', 'br', 'deflate', 'zstd', ''])(
    'that is an image although it says %j is passed through',
    async (coding) => {
      const server = await httpServer((_request, response) => response.setHeader('content-encoding', coding).end(image))
      expect(await bytesOf(await downloader()(server.url))).toBe(String(image))
    },
  )

  it.each<readonly [string, (bytes: Buffer) => Buffer]>([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ])('of %s that unfolds beyond the limit fails as too large', async (coding, compress) => {
    const bomb = compress(Buffer.alloc(5_000_000))
    expect(bomb.length).toBeLessThan(10_000)
    const server = await httpServer((_request, response) => response.setHeader('content-encoding', coding).end(bomb))
    expect(await failureOf(await downloader()(server.url))).toBe('too_large')
    expect(await failureOf(await downloader()(server.url, { maxBytes: 500_000 }))).toBe('too_large')
  })

  it('whose coded bytes alone are beyond the limit fails for good', async () => {
    const bytes = gzipSync(noise(12_000))
    const server = await httpServer((_request, response) => response.setHeader('content-encoding', 'gzip').end(bytes))
    expect(await downloader()(server.url)).toMatchObject({ kind: 'failed', retryable: false })
  })

  it('that breaks off, or is damaged, fails to be tried again', async () => {
    const whole = gzipSync(noise(5_000))
    for (const bytes of [whole.subarray(0, 3_000), Buffer.concat([whole.subarray(0, 3_000), Buffer.alloc(3_000)])]) {
      const server = await httpServer((_request, response) => response.setHeader('content-encoding', 'gzip').end(bytes))
      expect(await failureOf(await downloader()(server.url))).toBe('stream')
    }
  })

  it('closes the connection when it is destroyed', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await httpServer((_request, response) => {
      response.on('close', () => closed.resolve())
      response.setHeader('content-encoding', 'gzip').write(gzipSync(noise(5_000)).subarray(0, 4_000))
    })
    const downloaded = await downloader()(server.url)
    if (downloaded.kind === 'body') downloaded.stream.destroy()
    await closed.promise
    expect(downloaded.kind).toBe('body')
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
    ['with a length', `content-length: 200\r\n\r\n${'x'.repeat(100)}`],
    ['in chunks', `transfer-encoding: chunked\r\n\r\n64\r\n${'x'.repeat(100)}\r\n`],
  ])('fails where a body %s breaks off', async (_name, rest) => {
    const server = await tcpServer((socket) => socket.write(`HTTP/1.1 200 OK\r\n${rest}`, () => socket.destroy()))
    await expect(bytesOf(await downloader()(server.url))).rejects.toMatchObject({ reason: 'stream' })
  })

  /** Sends 100 bytes at once and then one at a time. */
  const drippingServer = (bytes: number) =>
    tcpServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes}\r\n\r\n${'x'.repeat(100)}`)
      const drip = setInterval(() => socket.write('x'), 10)
      socket.on('close', () => clearInterval(drip))
    })

  it('never ends a body that drips on, however long it takes altogether', async () => {
    const server = await drippingServer(160)
    const startedAt = performance.now()
    expect(await bytesOf(await downloader()(server.url, { silenceMs: 150 }))).toHaveLength(160)
    expect(performance.now() - startedAt).toBeGreaterThan(450)
  })

  it('fails where the body drips slower than the whole may take, where the whole has a limit', async () => {
    const server = await drippingServer(1_000)
    await expect(bytesOf(await downloader()(server.url, { timeoutMs: 80 }))).rejects.toMatchObject({ reason: 'stream' })
  })

  it('fails where no byte comes for the longest silence', async () => {
    const server = await tcpServer((socket) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n${'x'.repeat(100)}`))
    const failing = bytesOf(await downloader()(server.url, { silenceMs: 80 }))
    await expect(failing).rejects.toMatchObject({ reason: 'stream', message: 'no byte came for 80 ms' })
  })

  it('does not take a consumer that pauses for a silent server', async () => {
    const size = 2 * 1_024 * 1_024
    const server = await httpServer((_request, response) => response.end(Buffer.alloc(size, 1)))
    const downloaded = await downloader()(server.url, { maxBytes: size, silenceMs: 60 })
    if (downloaded.kind !== 'body') throw new Error('no body')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await bytesOf(downloaded)).toHaveLength(size)
  })

  it('gives its failure also to a consumer that comes late', async () => {
    const half = `HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n${'x'.repeat(100)}`
    const server = await tcpServer((socket) => socket.write(half, () => socket.destroy()))
    const downloaded = await downloader()(server.url)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await expect(bytesOf(downloaded)).rejects.toMatchObject({ reason: 'stream' })
  })

  it('closes the connection when it is destroyed', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await tcpServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${'x'.repeat(100)}`)
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
    expect(await download(`${server.url}/4`)).toEqual({ kind: 'failed', reason: 'more than 3 redirects', retryable: true })
    expect(server.heard.map(({ url }) => url)).toEqual(['/3', '/2', '/1', '/0', '/4', '/3', '/2', '/1'])
  })

  it.each([
    'http://169.254.169.254/latest',
    'http://[::ffff:10.0.0.1]/',
    'file:///etc/passwd',
    'data:,image',
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
    const downloaded = await download(`${server.url}/1`, { maxBytes: 100, silenceMs: 5_000, timeoutMs: 5_000 })
    expect(downloaded).toEqual({ kind: 'failed', reason: 'not done in time', retryable: true })
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    expect(server.heard.map(({ url }) => url)).toEqual(['/1', '/2'])
  })
})
