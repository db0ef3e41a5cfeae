import { describe, expect, it, onTestFinished } from 'vitest'
import { createAgents } from '../../src/transport/agents.ts'
import { createDownload } from '../../src/transport/download.ts'
import { isPublicAddress, parseAllow } from '../../src/transport/guard.ts'
import { httpServer, httpsServer, lookupOf } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'
import { CERTIFICATE } from './certificate.ts'

useRealSockets()

function downloader(allow: readonly string[], lookup = lookupOf(['127.0.0.1']), ca?: string) {
  const agents = createAgents({
    providers: [],
    allow: parseAllow(allow),
    lookup,
    connectTimeoutMs: 200,
    ...(ca === undefined ? {} : { ca }),
  })
  onTestFinished(() => agents.close())
  const download = createDownload({ agents })
  return (url: string) => download(url, { maxBytes: 1_000, silenceMs: 1_000 })
}

describe('an address', () => {
  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '169.254.170.2',
    '169.254.0.23',
    '100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
    '::ffff:168.63.129.16',
    'fd20:ce::254',
    'fd00:42::42',
    '100.64.0.1',
    '192.0.0.8',
    '192.0.2.1',
    '192.88.99.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::808:808',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '',
  ])('%j is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })

  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '::ffff:8.8.8.8', '2606:4700:4700::1111'])('%j is public', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })
})

describe('the guard', () => {
  it.each([
    'http://127.0.0.1',
    'http://127.1',
    'http://2130706433',
    'http://0x7f000001',
    'http://0x7f.0.0.1',
    'http://0177.0.0.1',
    'http://017700000001',
    'http://127.0.0.1.',
    'http://１２７.0.0.1',
    'http://①②⑦.0.0.1',
    'http://0',
    'http://[::1]',
    'http://[::]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]',
    'http://[0:0:0:0:0:ffff:7f00:1]',
    'http://[::127.0.0.1]',
    'http://[64:ff9b::7f00:1]',
    'http://[fe80::1]',
    'http://169.254.169.254/latest/meta-data',
    'http://localhost',
    'http://localhost.',
    'http://anything.test',
    'https://anything.test',
    'https://127.0.0.1',
  ])('refuses %s', async (url) => {
    expect(await downloader([])(url)).toHaveProperty('kind', 'refused')
  })

  it.each([
    'file:///etc/passwd',
    'ftp://8.8.8.8/x',
    'gopher://8.8.8.8',
    'http://user:pass@8.8.8.8/',
    'http://user@8.8.8.8/',
    '/x',
    'x',
    '',
  ])('refuses %j before any connection', async (url) => {
    expect(await downloader(['0.0.0.0/0'])(url)).toHaveProperty('kind', 'refused')
  })

  it('refuses a name with one private address among public ones', async () => {
    const refused = await downloader([], lookupOf(['8.8.8.8', '10.0.0.1']))('http://mixed.test/')
    expect(refused).toEqual({ kind: 'refused', reason: 'mixed.test is not at a public address', mayPass: true })
  })

  it('refuses a name without an address', async () => {
    expect(await downloader([], lookupOf([]))('http://empty.test/')).toHaveProperty('kind', 'refused')
  })

  it('connects to the address it checked, whatever the name answers next', async () => {
    const server = await httpServer((_request, response) => response.end('inside'))
    // The first answer is checked and connected to: nobody is there. The second is never asked for.
    let asked = 0
    const rebinding = lookupOf(['127.0.0.2'], ['127.0.0.1'])
    const download = downloader(['127.0.0.2/32'], (host, options, callback) => {
      asked += 1
      rebinding(host, options, callback)
    })
    expect(await download(`http://rebinding.test:${server.port}/`)).toMatchObject({ kind: 'failed', retryable: true })
    expect(asked).toBe(1)
    expect(await download(`http://rebinding.test:${server.port}/`)).toHaveProperty('kind', 'refused')
    expect(server.heard).toEqual([])
  })

  it.each(['127.0.0.0/8', '127.0.0.1', '0.0.0.0/0', '::ffff:127.0.0.1'])('reaches a private address that %s allows', async (entry) => {
    const server = await httpServer((_request, response) => response.end('inside'))
    const download = downloader([entry])
    expect(await download(server.url)).toHaveProperty('kind', 'body')
    expect(await download(`http://name.test:${server.port}/`)).toHaveProperty('kind', 'body')
  })

  it('reaches an allowed host:port and no other port of it', async () => {
    const [server, other] = [
      await httpServer((_request, response) => response.end('1')),
      await httpServer((_request, response) => response.end('2')),
    ]
    const download = downloader([`minio.test:${server.port}`])
    expect(await download(`http://minio.test:${server.port}/x`)).toHaveProperty('kind', 'body')
    expect(await download(`http://minio.test:${other.port}/x`)).toHaveProperty('kind', 'refused')
    expect(await download(server.url)).toHaveProperty('kind', 'refused')
    expect(other.heard).toEqual([])
  })

  it('guards https as http', async () => {
    const server = await httpsServer((_request, response) => response.end('inside'))
    expect(await downloader([], lookupOf(['127.0.0.1']), CERTIFICATE)(`https://localhost:${server.port}/`)).toHaveProperty(
      'kind',
      'refused',
    )
    expect(await downloader(['127.0.0.1/32'], lookupOf(['127.0.0.1']), CERTIFICATE)(`https://localhost:${server.port}/`)).toHaveProperty(
      'kind',
      'body',
    )
    expect(server.heard).toHaveLength(1)
  })

  it('reaches an allowed address of IPv6 only through IPv6', async () => {
    expect(await downloader(['::/0'])('http://127.0.0.1:9/')).toHaveProperty('kind', 'refused')
  })
})

describe('network.allow', () => {
  it.each([
    '',
    'localhost',
    'minio.internal',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0/8',
    '10.0.0.0/8/8',
    '::/129',
    '::ffff:10.0.0.0/104',
    'http://minio:9000',
    'minio:0',
    'minio:99999',
    'minio:port',
    '*.internal:80',
    'fe80::1%eth0',
    'a b:80',
    '[::1]',
  ])('names the entry %j that is neither a network, an address nor host:port', (entry) => {
    expect(() => parseAllow(['10.0.0.0/8', entry])).toThrow(`network.allow[1]: ${JSON.stringify(entry)} cannot be read; give `)
  })

  it('names every entry that cannot be read, not only the first', () => {
    expect(() => parseAllow(['x', '10.0.0.0/8', 'y'])).toThrow(/^network\.allow\[0\]: "x".*\nnetwork\.allow\[2\]: "y"/)
  })

  it.each([
    '10.0.0.0/8',
    '10.1.2.3',
    'fd00::/8',
    '::1',
    'minio.internal:9000',
    'MinIO:9000',
    '127.0.0.1:9000',
    '[::1]:9000',
    'minio:80',
    'minio:443',
  ])('takes %s', (entry) => {
    const { networks, origins } = parseAllow([entry])
    expect(networks.length + origins.size).toBe(1)
  })
})
