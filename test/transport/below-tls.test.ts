import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { expect, it, onTestFinished } from 'vitest'
import { createAgents } from '../../src/transport/agents.ts'
import { createDownload } from '../../src/transport/download.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { CERTIFICATE, KEY } from './certificate.ts'
import { httpsServer, lookupOf, tcpServer } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

function downloader() {
  const agents = createAgents({ providers: [], allow: parseAllow(['127.0.0.0/8']), lookup: lookupOf(['127.0.0.1']), ca: CERTIFICATE })
  onTestFinished(() => agents.close())
  const download = createDownload({ agents })
  return (url: string, silenceMs = 5_000) => download(url, { maxBytes: 20_000_000, silenceMs })
}

/** One in 256 would begin like a document where no byte of it were given, and be refused as one. */
const BYTES = Buffer.concat([Buffer.from([0x89]), randomBytes(8_000_000)])

it('brings large bodies whole from a server that nobody vouches for, and its connections serve again', async () => {
  const sockets = new Set<object>()
  const server = await httpsServer((request, response) => {
    sockets.add(request.socket)
    response.end(BYTES)
  })
  const download = downloader()
  for (let count = 0; count < 3; count += 1) {
    const downloaded = await download(`https://localhost:${server.port}/`)
    if (downloaded.kind !== 'body') throw new Error(JSON.stringify(downloaded))
    expect(Buffer.concat(await downloaded.stream.toArray()).equals(BYTES)).toBe(true)
  }
  expect(sockets.size).toBeLessThan(3)
})

it('a body is whole from a server that ends the connection behind it, however slowly it is read', async () => {
  for (const size of [100_000, 2_000_000]) {
    const bytes = BYTES.subarray(0, size)
    const server = await httpsServer((_request, response) => response.setHeader('connection', 'close').end(bytes))
    const downloaded = await downloader()(`https://localhost:${server.port}/`)
    if (downloaded.kind !== 'body') throw new Error(JSON.stringify(downloaded))
    // The server has ended by then.
    await sleep(100)
    expect(Buffer.concat(await downloaded.stream.toArray()).equals(bytes)).toBe(true)
  }
})

it('a body that breaks off under TLS, in order or not, fails', async () => {
  const server = await httpsServer((request, response) => {
    response.writeHead(200, { 'content-length': BYTES.length })
    response.write(BYTES.subarray(0, 300_000), () => (request.url === '/gone' ? request.socket.destroy() : request.socket.end()))
  })
  const download = downloader()
  for (const path of ['/end', '/gone']) {
    const downloaded = await download(`https://localhost:${server.port}${path}`)
    if (downloaded.kind === 'body') await expect(downloaded.stream.toArray()).rejects.toThrow(/./)
    else expect(downloaded.kind).toBe('failed')
  }
})

it('a wrong name is refused on a connection that nobody vouches for', async () => {
  const server = await httpsServer((_request, response) => response.end('inside'))
  expect(await downloader()(`https://elsewhere.test:${server.port}/`)).toMatchObject({ kind: 'failed' })
})

it('a server that goes on and on before TLS is agreed on is left', async () => {
  const record = Buffer.alloc(16_389)
  record.write('1603034000', 'hex')
  record.write('02003ffc0303', 5, 'hex')
  const server = await tcpServer((socket) => void socket.write(record))
  const downloaded = await downloader()(`https://localhost:${server.port}/`)
  expect(downloaded).toMatchObject({ kind: 'failed', reason: expect.stringContaining('before TLS was agreed on') as string })
})

it('TLS is agreed on once: a server that wants to agree again, as often as it likes and with other certificates, is left', async () => {
  const server = tls.createServer({ key: KEY, cert: CERTIFICATE, maxVersion: 'TLSv1.2' }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.renegotiate({ rejectUnauthorized: false }, () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nagain')),
    )
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  expect(await downloader()(`https://localhost:${(server.address() as AddressInfo).port}/`, 500)).toMatchObject({ kind: 'failed' })
})
