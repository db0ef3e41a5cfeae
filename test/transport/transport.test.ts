import type { ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTransport, type TransportConfig } from '../../src/transport/index.ts'
import { Secret } from '../../src/transport/secret.ts'
import { API_KEY, httpServer, providerAt, tcpServer } from './loopback.ts'
import './real-sockets.ts'

const poll = { purpose: 'poll', method: 'GET', url: '/v1/x' } as const

function open(config: TransportConfig) {
  const transport = createTransport(config)
  onTestFinished(() => transport.close())
  return transport
}

/** Answers only when told to; `asked` resolves to the open response. */
async function patientServer() {
  const asked = Promise.withResolvers<ServerResponse>()
  const { url } = await httpServer((_request, response) => asked.resolve(response))
  return { url, asked: asked.promise }
}

describe('a transport that is updated', () => {
  it('calls with the new settings at once', async () => {
    const [before, after] = [await httpServer((_q, response) => response.end('1')), await httpServer((_q, response) => response.end('2'))]
    const transport = open({ providers: [providerAt(before.url)], allow: [] })
    expect(await transport.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 1 } })
    transport.update({ providers: [{ ...providerAt(after.url), apiKey: new Secret('new-key') }], allow: [] })
    expect(await transport.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 2 } })
    expect(after.heard[0]?.headers).toHaveProperty('x-key', 'new-key')
    expect(before.heard[0]?.headers).toHaveProperty('x-key', API_KEY)
  })

  it('lets a call in flight finish', async () => {
    const server = await patientServer()
    const transport = open({ providers: [providerAt(server.url)], allow: [] })
    const sent = transport.send('acme', poll, 1_000)
    const response = await server.asked
    transport.update({ providers: [], allow: [] })
    expect(await transport.send('acme', poll, 1_000)).toHaveProperty('kind', 'refused')
    response.end('{"done":true}')
    expect(await sent).toMatchObject({ kind: 'reply', reply: { body: { done: true } } })
  })

  it('lets a download finish that is between two hops, by the old rules', async () => {
    const target = await httpServer((_request, response) => response.end('image'))
    const server = await patientServer()
    const transport = open({ providers: [], allow: ['127.0.0.1'] })
    const downloading = transport.download(server.url, { maxBytes: 100, timeoutMs: 1_000 })
    const response = await server.asked
    transport.update({ providers: [], allow: [] })
    expect(await transport.download(server.url, { maxBytes: 100, timeoutMs: 1_000 })).toHaveProperty('kind', 'refused')
    response.writeHead(302, { location: target.url }).end()
    const downloaded = await downloading
    expect(downloaded.kind === 'body' && String(await downloaded.stream.toArray())).toBe('image')
  })

  it('closes the old connections when they are idle', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await tcpServer(
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'),
      (socket) => socket.on('close', () => closed.resolve()),
    )
    const transport = open({ providers: [providerAt(server.url)], allow: [] })
    expect(await transport.send('acme', poll, 1_000)).toHaveProperty('kind', 'reply')
    transport.update({ providers: [], allow: [] })
    await closed.promise
  })

  it('keeps the old settings where the new ones are wrong', async () => {
    const server = await httpServer((_request, response) => response.end('1'))
    const transport = open({ providers: [providerAt(server.url)], allow: [] })
    expect(() => transport.update({ providers: [], allow: ['nonsense'] })).toThrow('network.allow[0] "nonsense"')
    expect(() => transport.update({ providers: [providerAt('nonsense')], allow: [] })).toThrow('providers.acme.base_url')
    expect(await transport.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 1 } })
  })
})

describe('a transport that is closed', () => {
  it('waits for the call in flight and says that later ones are unsent', async () => {
    const server = await patientServer()
    const transport = open({ providers: [providerAt(server.url)], allow: [] })
    const sent = transport.send('acme', poll, 1_000)
    const response = await server.asked
    let isClosed = false
    const closing = transport.close().then(() => (isClosed = true))
    expect(await transport.send('acme', poll, 1_000)).toHaveProperty('kind', 'unsent')
    expect(isClosed).toBe(false)
    response.end('{}')
    expect(await sent).toHaveProperty('kind', 'reply')
    await closing
    expect(isClosed).toBe(true)
  })
})
