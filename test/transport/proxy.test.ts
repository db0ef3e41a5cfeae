import { describe, expect, it, onTestFinished } from 'vitest'
import { createAgents } from '../../src/transport/agents.ts'
import { createCredentials } from '../../src/transport/credentials.ts'
import { createDownload } from '../../src/transport/download.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { createTransport } from '../../src/transport/index.ts'
import { createProxy } from '../../src/transport/proxy.ts'
import { Secret } from '../../src/transport/secret.ts'
import { createSend } from '../../src/transport/send.ts'
import { CERTIFICATE } from './certificate.ts'
import { API_KEY, closedPort, connectProxy, httpServer, httpsServer, lookupOf, providerAt, tcpServer } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

const poll = { purpose: 'poll', method: 'GET', url: '/v1/x' } as const
const fetched = { maxBytes: 1_000, silenceMs: 1_000 }

interface Options {
  readonly proxy: string
  readonly baseUrl?: string
  readonly noProxy?: readonly string[]
  readonly allow?: readonly string[]
  readonly lookup?: ReturnType<typeof lookupOf>
}

/** Nothing resolves but what `lookup` says. */
const NO_NAMES: ReturnType<typeof lookupOf> = (_host, _options, callback) =>
  callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '', 0)

function open({ proxy, baseUrl = 'http://127.0.0.1:1', noProxy = [], allow = [], lookup = NO_NAMES }: Options) {
  const lines: object[] = []
  const transport = createTransport({
    providers: [providerAt(baseUrl)],
    allow,
    proxy: { url: new Secret(proxy), noProxy },
    lookup,
    log: { info: (fields) => lines.push(fields), debug: (fields) => lines.push(fields) },
  })
  onTestFinished(() => transport.close())
  return { ...transport, lines }
}

describe('a call to a vendor behind a proxy', () => {
  it('asks the proxy for the base URL’s host by name, over one tunnel, and only the vendor gets the key', async () => {
    const vendor = await httpServer((_request, response) => response.end('{"id":1}'))
    const proxy = await connectProxy({ names: { 'vendor.internal': vendor.port } })
    const { send } = open({ proxy: proxy.url, baseUrl: 'http://vendor.internal:8080' })
    for (let i = 0; i < 2; i += 1) {
      expect(await send('acme', poll, 1_000)).toMatchObject({ kind: 'reply', reply: { body: { id: 1 } } })
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(proxy.asked).toEqual(['vendor.internal:8080'])
    expect(proxy.heard).toEqual([])
    expect(vendor.heard).toMatchObject([{ headers: { host: 'vendor.internal:8080', 'x-key': API_KEY } }, {}])
  })

  it.each([false, true])('speaks TLS to the vendor through the tunnel, the proxy by https too: %s', async (secure) => {
    const vendor = await httpsServer((_request, response) => response.end('{"id":1}'))
    const proxy = await connectProxy({ secure })
    const provider = providerAt(`https://localhost:${vendor.port}`)
    const agents = createAgents({
      providers: [provider],
      allow: parseAllow([]),
      ca: CERTIFICATE,
      proxy: createProxy({ url: new Secret(proxy.url), noProxy: [] }, CERTIFICATE),
    })
    onTestFinished(() => agents.close())
    const send = createSend({ credentials: createCredentials([{ provider: 'acme', ...provider }]), agents })
    expect(await send('acme', poll, 2_000)).toMatchObject({ kind: 'reply', reply: { body: { id: 1 } } })
    expect(proxy.asked).toEqual([`localhost:${vendor.port}`])
  })

  it('asks for the manifest’s hosts by name, and judges no other', async () => {
    const proxy = await connectProxy({ names: { 'eu.vendor.test': 1 } })
    const { send } = open({ proxy: proxy.url, baseUrl: 'https://api.vendor.test' })
    await send('acme', { ...poll, url: 'https://eu.vendor.test/v1/x' }, 1_000)
    expect(proxy.asked).toEqual(['eu.vendor.test:443'])
  })

  it('is unsent where the proxy is not there, refuses, or never answers', async () => {
    const silent = await tcpServer(() => {})
    const refusing = await tcpServer((socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'))
    for (const [url, reason] of [
      [`http://127.0.0.1:${await closedPort()}`, 'the proxy cannot be used: connect ECONNREFUSED'],
      [refusing.url, 'the proxy answered 403 when it was asked for vendor.internal:80'],
      [silent.url, 'no connection within 100 ms'],
    ] as const) {
      const sent = await open({ proxy: url, baseUrl: 'http://vendor.internal' }).send('acme', poll, 100)
      expect(sent).toEqual({ kind: 'unsent', reason: expect.stringContaining(reason) })
    }
  })

  it.each(['vendor.internal', '.vendor.internal', '*', '127.0.0.0/8 VENDOR.internal'])(
    'goes directly where NO_PROXY is %j',
    async (noProxy) => {
      const vendor = await httpServer((_request, response) => response.end('{"id":1}'))
      const proxy = await connectProxy()
      const baseUrl = `http://eu.vendor.internal:${vendor.port}`
      const { send } = open({ proxy: proxy.url, baseUrl, noProxy: noProxy.split(' '), lookup: lookupOf(['127.0.0.1']) })
      expect(await send('acme', poll, 1_000)).toHaveProperty('kind', 'reply')
      expect(proxy.asked).toEqual([])
    },
  )
})

describe('a proxy that asks for a user name and password', () => {
  const authorization = `Basic ${Buffer.from('user:p@ss word').toString('base64')}`

  it('gets them from its URL, and no vendor does', async () => {
    const vendor = await httpServer((_request, response) => response.end('{"id":1}'))
    const proxy = await connectProxy({ names: { 'vendor.internal': vendor.port }, authorization })
    const url = proxy.url.replace('//', '//user:p%40ss%20word@')
    const { send } = open({ proxy: url, baseUrl: 'http://vendor.internal' })
    expect(await send('acme', poll, 1_000)).toHaveProperty('kind', 'reply')
    expect(JSON.stringify(vendor.heard)).not.toContain(authorization)
    expect(vendor.heard[0]?.headers).not.toHaveProperty('proxy-authorization')
  })

  it('and gets wrong ones refuses, and neither a reply, a log line nor a problem repeats them', async () => {
    const proxy = await connectProxy({ authorization })
    const transport = open({ proxy: proxy.url.replace('//', '//canary-user:canary-word@'), baseUrl: 'http://vendor.internal' })
    const sent = await transport.send('acme', poll, 1_000)
    expect(sent).toMatchObject({ kind: 'unsent', reason: expect.stringContaining('check the user name and password in network.proxy') })
    const downloaded = await transport.download('https://9.9.9.9/', fetched)
    expect(downloaded).toMatchObject({ kind: 'failed', retryable: true })
    const wrong = transport.prepare({
      providers: [],
      allow: [],
      proxy: { url: new Secret('socks5://canary-user:canary-word@x'), noProxy: [] },
    })
    expect(wrong).toMatchObject({ kind: 'refused', problems: [{ path: 'network.proxy' }] })
    expect(JSON.stringify([sent, downloaded, wrong, transport.lines, transport])).not.toMatch(/canary-(user|word)|Y2FuYXJ5/)
  })
})

describe('a download behind a proxy', () => {
  it('asks the proxy for the address that was judged, not for the name', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    const proxy = await connectProxy()
    const { download } = open({ proxy: proxy.url, allow: ['127.0.0.1'], lookup: lookupOf(['127.0.0.1'], ['10.0.0.7']) })
    expect(await download(`http://images.test:${server.port}/a.png`, fetched)).toHaveProperty('kind', 'body')
    expect(proxy.asked).toEqual([`127.0.0.1:${server.port}`])
    expect(server.heard[0]?.headers['host']).toBe(`images.test:${server.port}`)
  })

  it.each(['http://10.0.0.7/', 'http://[::ffff:10.0.0.7]/', 'http://localhost/', 'https://private.test/', 'http://169.254.169.254/latest'])(
    'of %s is refused before the proxy is asked',
    async (url) => {
      const proxy = await connectProxy()
      const { download, objection } = open({ proxy: proxy.url, lookup: lookupOf(['10.0.0.7']) })
      expect(await download(url, fetched)).toHaveProperty('kind', 'refused')
      expect(await download(url, { ...fetched, trustedProvider: 'acme' })).toHaveProperty('kind', 'refused')
      expect(await objection(url)).not.toBeNull()
      expect(proxy.asked).toEqual([])
    },
  )

  it('of a name that does not resolve here is not asked of the proxy, and says how it can be', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    const proxy = await connectProxy({ names: { 'only.proxy': server.port } })
    const { download } = open({ proxy: proxy.url })
    expect(await download('http://only.proxy/', fetched)).toMatchObject({
      kind: 'failed',
      retryable: true,
      reason: expect.stringContaining('the operator can allow only.proxy with its port under network.allow'),
    })
    expect(proxy.asked).toEqual([])
    const allowed = open({ proxy: proxy.url, allow: ['only.proxy:80'] })
    expect(await allowed.download('http://only.proxy/', fetched)).toHaveProperty('kind', 'body')
    expect(proxy.asked).toEqual(['only.proxy:80'])
  })

  it('is judged again at every hop of a redirect', async () => {
    const server = await httpServer((_request, response) => response.writeHead(302, { location: 'http://10.0.0.7/' }).end())
    const proxy = await connectProxy()
    const { download } = open({ proxy: proxy.url, allow: ['127.0.0.1'] })
    expect(await download(server.url, fetched)).toHaveProperty('kind', 'refused')
    expect(proxy.asked).toEqual([`127.0.0.1:${server.port}`])
  })

  it('goes directly where NO_PROXY names its host, and is guarded as ever', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    const proxy = await connectProxy()
    const settings = { proxy: proxy.url, noProxy: ['127.0.0.1', '10.0.0.0/8'] }
    expect(await open({ ...settings, allow: ['127.0.0.1'] }).download(server.url, fetched)).toHaveProperty('kind', 'body')
    expect(await open(settings).download(server.url, fetched)).toHaveProperty('kind', 'refused')
    expect(proxy.asked).toEqual([])
  })

  it('and a webhook go the same way', async () => {
    const server = await httpServer((_request, response) => response.writeHead(204).end())
    const proxy = await connectProxy()
    const { post } = open({ proxy: proxy.url, allow: ['127.0.0.1'] })
    expect(await post(server.url, { body: '{}', headers: {}, timeoutMs: 1_000 })).toMatchObject({ kind: 'status', status: 204 })
    expect(proxy.asked).toEqual([`127.0.0.1:${server.port}`])
  })

  it('takes an address of IPv4 where a name has both kinds', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    const proxy = await connectProxy()
    const agents = createAgents({
      providers: [],
      allow: parseAllow(['127.0.0.1', '::1']),
      lookup: lookupOf(['::1', '127.0.0.1']),
      proxy: createProxy({ url: new Secret(proxy.url), noProxy: [] }),
    })
    onTestFinished(() => agents.close())
    expect(await createDownload({ agents })(`http://both.test:${server.port}/`, fetched)).toHaveProperty('kind', 'body')
    expect(proxy.asked).toEqual([`127.0.0.1:${server.port}`])
  })
})

describe('a proxy', () => {
  it.each([
    ['example.com', 'https://example.com', true],
    ['example.com', 'https://a.b.example.com', true],
    ['example.com', 'https://notexample.com', false],
    ['.example.com', 'https://a.example.com', true],
    ['*.example.com', 'https://a.example.com', true],
    ['Example.COM', 'https://example.com', true],
    ['example.com:8443', 'https://example.com:8443', true],
    ['example.com:8443', 'https://example.com', false],
    ['example.com:443', 'https://example.com', true],
    ['vendor.test.', 'https://eu.vendor.test', true],
    ['vendor.test', 'https://vendor.test.', true],
    ['10.1.2.3', 'http://10.1.2.3', true],
    ['10.1.2.3:80', 'http://10.1.2.3', true],
    ['10.1.2.3', 'http://10.1.2.30', false],
    ['10.0.0.0/8', 'http://10.200.3.4', true],
    ['10.0.0.0/8', 'http://11.0.0.1', false],
    ['fd00::/8', 'http://[fd00::7]', true],
    ['[fd00::7]:80', 'http://[fd00::7]', true],
    ['::1', 'http://[::1]', true],
    ['*', 'https://anything.test', true],
    ['', 'https://example.com', false],
    ['3.4', 'http://1.2.3.4', false],
  ])('with NO_PROXY %j leaves %s alone: %s', (entry, url, isDirect) => {
    const proxy = createProxy({ url: new Secret('http://proxy.test:3128'), noProxy: [entry] })
    expect(proxy.covers(new URL(url))).toBe(!isDirect && !url.includes('[::1]'))
  })

  it('elsewhere is never asked for this machine, and one on this machine is', () => {
    const [elsewhere, here] = ['http://proxy.test:3128', 'http://localhost:3128'].map((url) =>
      createProxy({ url: new Secret(url), noProxy: [] }),
    )
    for (const url of ['http://127.0.0.1:8080', 'http://127.9.9.9', 'http://localhost', 'http://a.localhost.', 'http://[::1]']) {
      expect(elsewhere?.covers(new URL(url))).toBe(false)
      expect(here?.covers(new URL(url))).toBe(true)
    }
  })

  it.each(['socks5://x:1080', 'proxy.test', 'ftp://x', ''])('given as %j is refused', (url) => {
    expect(() => createProxy({ url: new Secret(url), noProxy: [] })).toThrow(/^network\.proxy: give http:/)
  })
})
