import http from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createTransport } from '../../src/transport/index.ts'
import { Secret } from '../../src/transport/secret.ts'
import { hostileUrls } from './hostile-urls.ts'
import { API_KEY, connectProxy, httpServer, lookupOf, providerAt } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

const fetched = { maxBytes: 1_000, silenceMs: 1_000 }
const message = { body: '{}', headers: {}, timeoutMs: 1_000 }

/** As a header holds it: what Node does not send is escaped, as a server would. */
const asLocation = (url: string): string => url.replaceAll(/[^\x20-\x7e]/gu, encodeURIComponent)
/** Without a host of its own, it is a path of the server that redirects. */
const hasHost = (location: string): boolean => /^\s*(?:\/\/|[a-z+]+:(?:\/\/|\\\\|(?!\/?\d)))/i.test(location)

interface Options {
  readonly allow?: readonly string[]
  readonly lookup?: LookupFunction
  readonly proxy?: string
}

function open({ allow = [], lookup = lookupOf(['127.0.0.1']), proxy }: Options = {}) {
  const transport = createTransport({
    providers: [providerAt('https://api.vendor.test')],
    allow,
    lookup,
    ...(proxy === undefined ? {} : { proxy: { url: new Secret(proxy), noProxy: [] } }),
  })
  onTestFinished(() => transport.close())
  return transport
}

/** Listens on this machine, by IPv4 and, where there is such, by IPv6, and counts who comes. */
let visits: string[] = []
const listener = () =>
  http.createServer((request, response) => {
    visits.push(request.url ?? '')
    response.end('inside')
  })
const [byIpv4, byIpv6] = [listener(), listener()]
let port = 0
beforeAll(async () => {
  await new Promise<void>((resolve) => void byIpv4.listen(0, '127.0.0.1', resolve))
  port = (byIpv4.address() as AddressInfo).port
  await new Promise<void>((resolve) => void byIpv6.once('error', () => resolve()).listen(port, '::1', resolve))
})
afterAll(() => [byIpv4, byIpv6].forEach((server) => server.close()))

describe('a URL that leads inside', () => {
  it('comes in more than 300 spellings', () => expect(new Set(hostileUrls(1)).size).toBeGreaterThan(300))

  it.each(['directly', 'through a proxy'])(
    'reaches nobody %s, be it a download, a webhook, a polling URL or a webhook’s check',
    async (way) => {
      visits = []
      const proxy = await connectProxy()
      const { download, post, send, objection } = open(way === 'directly' ? {} : { proxy: proxy.url })
      const reached: string[] = []
      for (const url of hostileUrls(port)) {
        const answers = await Promise.all([
          download(url, fetched),
          download(url, { ...fetched, trustedProvider: 'acme' }),
          post(url, message),
          // A path is below the vendor's own base URL, which is not there.
          url.startsWith('/') ? null : send('acme', { purpose: 'poll', method: 'GET', url }, 500),
        ])
        const isRefused = answers.every((answer) => answer === null || answer.kind === 'refused')
        if (!isRefused || (await objection(url)) === null) reached.push(`${url}: ${JSON.stringify(answers)}`)
      }
      expect(reached).toEqual([])
      expect(visits).toEqual([])
      expect(proxy.asked).toEqual([])
    },
  )

  it('reaches nobody as the next hop of a redirect, at any hop', async () => {
    visits = []
    const reached: string[] = []
    let location = ''
    const server = await httpServer((request, response) => {
      const hop = Number(request.url?.slice(1))
      response.writeHead(302, { location: hop > 0 ? `/${hop - 1}` : location }).end()
    })
    const { download } = open({ allow: [`127.0.0.1:${server.port}`] })
    for (const url of hostileUrls(port).map(asLocation).filter(hasHost)) {
      location = url
      for (const hops of [0, 2]) {
        const answer = await download(`${server.url}/${hops}`, fetched)
        if (answer.kind !== 'refused') reached.push(`${url}: ${JSON.stringify(answer)}`)
      }
    }
    expect(reached).toEqual([])
    expect(visits).toEqual([])
    expect(JSON.stringify(server.heard)).not.toContain(API_KEY)
  })
})

describe('a name', () => {
  /** Answers of a resolver, one after another; the last one for ever. */
  const REBINDING: Readonly<Record<string, readonly (readonly string[])[]>> = {
    'that is public first and private then': [['127.0.0.2'], ['127.0.0.1']],
    'that is public and private at once': [['127.0.0.2', '127.0.0.1']],
    'that is private as IPv4 and public as IPv6': [['127.0.0.1', '2606:4700:4700::1111']],
    'that is public as IPv4 and mapped as IPv6': [['127.0.0.2', '::ffff:127.0.0.1']],
    'that is reached by NAT64': [['64:ff9b::7f00:1']],
    'that is reached by 6to4': [['2002:7f00:1::1']],
    'that is reached by Teredo': [['2001:0:53aa:64c::80ff:fffe']],
    'that is local to a link': [['fe80::1%lo']],
    'that is nothing': [['']],
  }

  // 127.0.0.2 stands for a public address, at which nobody is.
  it.each(Object.entries(REBINDING))('%s reaches nobody inside, however often it is tried', async (_, answers) => {
    visits = []
    const proxy = await connectProxy()
    for (const way of [{}, { proxy: proxy.url }]) {
      const { download, post } = open({ allow: ['127.0.0.2/32'], lookup: lookupOf(...answers), ...way })
      for (let tries = 0; tries < 3; tries++) {
        expect(await download(`http://rebinding.test:${port}/`, fetched)).not.toHaveProperty('kind', 'body')
        expect(await post(`http://rebinding.test:${port}/`, message)).not.toHaveProperty('kind', 'status')
      }
    }
    expect(visits).toEqual([])
    expect(proxy.asked.filter((authority) => authority.startsWith('127.0.0.1') || authority.startsWith('['))).toEqual([])
  })

  it('that a vendor’s manifest vouches for is judged by its address, and gets no key where that is private', async () => {
    visits = []
    const { send } = open()
    const sent = await send('acme', { purpose: 'poll', method: 'GET', url: 'https://eu.vendor.test/v1/x' }, 1_000)
    expect(sent).toEqual({ kind: 'refused', reason: 'eu.vendor.test is not at a public address', mayPass: true })
    expect(visits).toEqual([])
  })

  it('with its port that network.allow names is reached, and no other port or name of the same address', async () => {
    const [server, other] = [
      await httpServer((_request, response) => response.end('image')),
      await httpServer((_request, response) => response.end('no')),
    ]
    for (const way of [{}, { proxy: (await connectProxy({ names: { 'minio.test': server.port } })).url }]) {
      const { download, post } = open({ allow: [`minio.test:${server.port}`], ...way })
      expect(await download(`http://minio.test:${server.port}/a.png`, fetched)).toHaveProperty('kind', 'body')
      expect(await post(`http://minio.test:${server.port}/hook`, message)).toHaveProperty('kind', 'status')
      for (const url of [
        `http://minio.test:${other.port}/`,
        `http://other.test:${server.port}/`,
        `http://127.0.0.1:${server.port}/`,
        `http://minio.test.:${server.port}/`,
      ])
        expect(await download(url, fetched)).toHaveProperty('kind', 'refused')
    }
    expect(other.heard).toEqual([])
  })

  it('that network.allow names cannot send a download on to what it does not name', async () => {
    visits = []
    const server = await httpServer((_request, response) => response.writeHead(307, { location: `http://minio.test:${port}/` }).end())
    const { download } = open({ allow: [`minio.test:${server.port}`] })
    expect(await download(`http://minio.test:${server.port}/`, fetched)).toHaveProperty('kind', 'refused')
    expect(visits).toEqual([])
  })
})
