import type { ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTransport, SettingsRefused, type TransportConfig } from '../../src/transport/index.ts'
import { Secret } from '../../src/transport/secret.ts'
import { API_KEY, httpServer, providerAt, tcpServer } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

const poll = { purpose: 'poll', method: 'GET', url: '/v1/x' } as const

function open(config: TransportConfig) {
  const transport = createTransport(config)
  onTestFinished(() => transport.close())
  return transport
}

/** Answers only when the test lets it; `asked` resolves to the open response. */
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
    const downloading = transport.download(server.url, { maxBytes: 100, silenceMs: 1_000 })
    const response = await server.asked
    transport.update({ providers: [], allow: [] })
    expect(await transport.download(server.url, { maxBytes: 100, silenceMs: 1_000 })).toHaveProperty('kind', 'refused')
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
    expect(() => transport.update({ providers: [], allow: ['nonsense'] })).toThrow('network.allow[0]: "nonsense"')
    expect(() => transport.update({ providers: [providerAt('nonsense')], allow: [] })).toThrow('providers.acme.base_url')
    expect(await transport.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 1 } })
  })
})

describe('prepared settings', () => {
  it('change nothing until they are applied', async () => {
    const [before, after] = [await httpServer((_q, response) => response.end('1')), await httpServer((_q, response) => response.end('2'))]
    const transport = open({ providers: [providerAt(before.url)], allow: [] })
    const prepared = transport.prepare({ providers: [providerAt(after.url)], allow: [] })
    expect(await transport.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 1 } })
    if (prepared.kind === 'prepared') prepared.apply()
    expect(await transport.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 2 } })
  })

  it('are refused with all that is wrong at once, as data, and nothing of a secret', () => {
    const transport = open({ providers: [], allow: [] })
    const wrong = { providers: [providerAt('ftp://user:hush@x.test'), { ...providerAt('nonsense'), id: 'other' }], allow: ['a b', 'c d'] }
    const prepared = transport.prepare(wrong)
    expect(prepared).toMatchObject({
      kind: 'refused',
      problems: [
        { path: 'providers.acme.base_url' },
        { path: 'providers.other.base_url' },
        { path: 'network.allow[0]' },
        { path: 'network.allow[1]' },
      ],
    })
    expect(JSON.stringify(prepared)).not.toMatch(/hush|canary/)
    expect(() => createTransport(wrong)).toThrow(SettingsRefused)
  })

  it('that are the settings in force keep the connections there are', async () => {
    const server = await tcpServer((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'))
    const transport = open({ providers: [providerAt(server.url)], allow: ['10.0.0.0/8'] })
    await transport.send('acme', poll, 1_000)
    const same = { providers: [{ ...providerAt(server.url), apiKey: new Secret(API_KEY) }], allow: ['10.0.0.0/8'] }
    expect(transport.prepare(same)).toMatchObject({ kind: 'prepared', isChange: false })
    transport.update(same)
    await new Promise((resolve) => setImmediate(resolve))
    await transport.send('acme', poll, 1_000)
    expect(server.connections()).toBe(1)
    const otherKey = { ...same, providers: [{ ...providerAt(server.url), apiKey: new Secret('other-key') }] }
    expect(transport.prepare(otherKey)).toMatchObject({ isChange: true })
  })
})

describe('a lease', () => {
  it('sends with the key and to the base URL of the moment it was taken, whatever is changed or removed', async () => {
    const [before, after] = [await httpServer((_q, response) => response.end('1')), await httpServer((_q, response) => response.end('2'))]
    const transport = open({ providers: [providerAt(before.url)], allow: [] })
    const lease = transport.lease()
    transport.update({ providers: [{ ...providerAt(after.url), apiKey: new Secret('new-key') }], allow: [] })
    transport.update({ providers: [], allow: [] })
    expect(await lease.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 1 } })
    expect(await lease.send('acme', poll, 1_000)).toMatchObject({ reply: { body: 1 } })
    expect(before.heard.map(({ headers }) => headers['x-key'])).toEqual([API_KEY, API_KEY])
    expect(after.heard).toEqual([])
  })

  it('downloads by the allow list and from the base URL of that moment', async () => {
    const server = await httpServer((_request, response) => response.end('image'))
    const transport = open({ providers: [providerAt(server.url)], allow: [] })
    const lease = transport.lease()
    transport.update({ providers: [], allow: [] })
    const options = { maxBytes: 100, silenceMs: 1_000, trustedProvider: 'acme' }
    expect(await transport.download(server.url, options)).toHaveProperty('kind', 'refused')
    expect(await lease.download(server.url, options)).toHaveProperty('kind', 'body')
  })

  it('keeps its connections open until the last lease of the same settings is released, and not a moment longer', async () => {
    const closed = Promise.withResolvers<string>()
    const server = await tcpServer(
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'),
      (socket) => socket.on('close', () => closed.resolve('closed')),
    )
    const transport = open({ providers: [providerAt(server.url)], allow: [] })
    const [one, other] = [transport.lease(), transport.lease()]
    await one.send('acme', poll, 1_000)
    transport.update({ providers: [], allow: [] })
    one.release()
    one.release()
    const waited = new Promise((resolve) => setTimeout(resolve, 50, 'open'))
    expect(await Promise.race([closed.promise, waited])).toBe('open')
    expect(await other.send('acme', poll, 1_000)).toHaveProperty('kind', 'reply')
    expect(server.connections()).toBe(1)
    await new Promise((resolve) => setImmediate(resolve))
    other.release()
    expect(await closed.promise).toBe('closed')
  })

  it('does not hold up the end of the transport, and sends nothing afterwards', async () => {
    const server = await httpServer((_request, response) => response.end('1'))
    const transport = createTransport({ providers: [providerAt(server.url)], allow: [] })
    const [old, current] = [
      transport.lease(),
      (transport.update({ providers: [providerAt(server.url)], allow: ['::1'] }), transport.lease()),
    ]
    await transport.close()
    for (const lease of [old, current]) expect(await lease.send('acme', poll, 1_000)).toHaveProperty('kind', 'unsent')
    expect(server.heard).toEqual([])
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
