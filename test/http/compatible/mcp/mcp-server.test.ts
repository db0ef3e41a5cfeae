import { request as httpRequest } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify from 'fastify'
import { pino } from 'pino'
import type { FastifyBaseLogger } from 'fastify'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { hashOfKey, installAccess } from '../../../../src/http/access.ts'
import { rememberRoutes } from '../../../../src/http/known-routes.ts'
import { mcpApi } from '../../../../src/http/compatible/mcp/mcp-server.ts'
import type { McpDependencies } from '../../../../src/http/compatible/mcp/mcp-server.ts'
import { startGateway } from '../../../../src/gateway/start.ts'
import { FIXTURE_PROVIDERS, json, launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'
import { CLIENTS, connect } from './clients.ts'
import { plainLinks } from '../../../../src/core/present/image-link.ts'

const good = { model: 'flux-2-pro', prompt: 'a lighthouse', max_price_usd: '0.10' }
const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }
const MESSAGE = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

/** A message with headers that fetch does not let a program choose. */
function post(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/mcp`, { method: 'POST', headers: { ...MESSAGE, ...headers } }, (reply) => {
      reply.resume()
      reply.on('end', () => resolve(reply.statusCode ?? 0))
    })
    request.on('error', reject)
    request.end(JSON.stringify(LIST))
  })
}

describe('a gateway with keys', () => {
  let gateway: Gateway
  beforeAll(async () => {
    const key = (name: string) => `{ name: ${name}, key_hash: "${hashOfKey(`${name}-key`)}" }`
    const slow = `{ name: slow, key_hash: "${hashOfKey('slow-key')}", rate: { per_minute: 3 } }`
    gateway = await launchGateway({ config: `keys: [${key('one')}, ${key('two')}, ${slow}]` })
  })
  afterAll(() => gateway.close())

  test.each(CLIENTS)('%s without a key, or with a wrong one, is refused', async (_, connectAs) => {
    await expect(connectAs(gateway.url)).rejects.toThrow(/401|unauthorized/i)
    await expect(connectAs(gateway.url, 'no-such-key')).rejects.toThrow(/401|unauthorized/i)
  })

  test.each(CLIENTS)('%s with a key makes an image in that key’s name', async (_, connectAs) => {
    const agent = await connectAs(gateway.url, 'one-key')
    const made = await agent.call('generate', good)
    expect(made).toMatchObject({ isError: false, facts: { status: 'succeeded' } })
    const id = String(made.facts?.['id'])
    expect((await gateway.ask(`/v1/generations/${id}`, { headers: { authorization: 'Bearer one-key' } })).status).toBe(200)
    expect((await gateway.ask(`/v1/generations/${id}`, { headers: { authorization: 'Bearer two-key' } })).status).toBe(404)
    await agent.close()
  })

  test('another key’s generation is as if it were not there, and its costs are not counted', async () => {
    const [one, two] = await Promise.all([connect(gateway.url, 'one-key'), connect(gateway.url, 'two-key')])
    const id = (await one.call('generate', good)).facts?.['id']
    const seen = await two.call('get_generation', { id })
    expect(seen).toMatchObject({ isError: true, facts: undefined })
    expect(seen.text).toMatch(/^not_found: /)
    expect(await two.call('costs')).toMatchObject({ facts: { key: 'two', total: { spend: '0' } } })
    await Promise.all([one.close(), two.close()])
  })

  test('a batch of more than ten messages is refused in words, and nothing of it is done', async () => {
    const calls = Array.from({ length: 11 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'tools/list', params: {} }))
    const reply = await gateway.ask('/mcp', {
      method: 'POST',
      headers: { ...MESSAGE, authorization: 'Bearer one-key' },
      body: JSON.stringify(calls),
    })
    expect(reply.status).toBe(400)
    expect(await reply.json()).toMatchObject({
      id: null,
      error: { message: expect.stringContaining('batch has at most 10 messages; send the others in another one') },
    })
  })

  test('each call of a batch is a request of its key, and what is over the rate is an error of its own and not bought', async () => {
    const authorization = 'Bearer slow-key'
    const calls = Array.from({ length: 5 }, (_, id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'generate', arguments: { ...good, width: 256, height: 256 } },
    }))
    const send = () =>
      gateway.ask('/mcp', {
        method: 'POST',
        headers: { ...MESSAGE, authorization, 'mcp-protocol-version': '2025-03-26' },
        body: JSON.stringify(calls),
      })
    const reply = await send()
    expect(reply.status).toBe(200)
    const lines = (await reply.text()).split('\n').filter((line) => line.startsWith('data: {'))
    const answers = lines.map(
      (line) => JSON.parse(line.slice(6)) as { id: number; result?: { structuredContent?: { status: string } }; error?: object },
    )
    const byId = answers.toSorted((a, b) => a.id - b.id)
    expect(byId.map(({ result }) => result?.structuredContent?.status)).toEqual([
      ...Array.from({ length: 3 }, () => 'succeeded'),
      undefined,
      undefined,
    ])
    const error = { code: -32_000, message: expect.stringContaining('3 requests a minute'), data: { code: 'rate_limited', status: 429 } }
    expect(byId.slice(3)).toMatchObject([
      { id: 3, error },
      { id: 4, error },
    ])
    expect((await send()).status).toBe(429)
  })

  test('the gateway may go by any name, and a page of another site may not ask', async () => {
    const authorization = 'Bearer one-key'
    expect(await post(gateway.url, { authorization, host: 'img.example.com' })).toBe(200)
    expect(await post(gateway.url, { authorization, host: 'img.example.com', origin: 'https://img.example.com' })).toBe(200)
    expect(await post(gateway.url, { authorization, host: 'img.example.com', origin: 'https://evil.example.com' })).toBe(403)
  })
})

describe('a gateway without keys', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await launchGateway({ config: 'server: { public_url: "https://img.example.com", body_limit_bytes: 200000 }' })
  })
  afterAll(() => gateway.close())

  test.each([
    ['a local name', { host: 'localhost:8080' }, 200],
    ['the name of the public URL', { host: 'img.example.com' }, 200],
    ['a page of another port of this machine', { origin: 'http://localhost:3000' }, 403],
    ['a name that was rebound to this machine', { host: 'evil.example.com' }, 403],
    ['a page of another site', { origin: 'https://evil.example.com' }, 403],
    ['a page of a rebound name', { host: 'evil.example.com', origin: 'http://evil.example.com' }, 403],
    ['a page without an origin of its own', { origin: 'null' }, 403],
  ])('%s is answered %j with %i', async (_, headers, status) => {
    expect(await post(gateway.url, headers)).toBe(status)
  })

  test('a client that closes its connection behind the answer sees it closed', async () => {
    const { hostname, port } = new URL(gateway.url)
    const body = JSON.stringify(LIST)
    const head = ['POST /mcp HTTP/1.1', `host: ${hostname}:${port}`, 'content-type: application/json', `accept: ${MESSAGE.accept}`]
    const socket = connectTo(Number(port), hostname)
    socket.write([...head, `content-length: ${body.length}`, 'connection: close', '', body].join('\r\n'))
    const text = (await socket.toArray()).join('')
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).toMatch(/^connection: close\r$/im)
    expect(text).toContain('text/event-stream')
  })

  test('there is no session to listen to or to end', async () => {
    const listening = await gateway.ask('/mcp', { headers: { accept: 'text/event-stream' } })
    expect(listening.status).toBe(405)
    expect((await gateway.ask('/mcp', { method: 'DELETE' })).status).toBe(405)
    const initialize = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
    const opened = await gateway.post('/mcp', { jsonrpc: '2.0', id: 1, method: 'initialize', params: initialize }, MESSAGE)
    expect([opened.status, opened.headers.get('mcp-session-id')]).toEqual([200, null])
  })

  test('a body that is no JSON, no message, or too large is an HTTP error', async () => {
    expect((await gateway.post('/mcp', '{', MESSAGE)).status).toBe(400)
    expect((await gateway.post('/mcp', { hello: 'world' }, MESSAGE)).status).toBe(400)
    expect((await gateway.post('/mcp', { ...LIST, params: { padding: 'x'.repeat(300_000) } }, MESSAGE)).status).toBe(413)
    expect((await gateway.post('/mcp', 'x', { ...MESSAGE, 'content-type': 'text/plain' })).status).toBe(415)
  })

  test('a tool there is not is reported as one', async () => {
    const agent = await connect(gateway.url)
    await expect(agent.call('paint')).rejects.toThrow(/paint/)
    await agent.close()
  })

  test('links are those of the public URL, and the page of routes shows the API', async () => {
    const agent = await connect(gateway.url)
    expect(await agent.call('generate', good)).toMatchObject({
      facts: { images: [{ url: expect.stringMatching(/^https:\/\/img\.example\.com\//) }] },
    })
    await agent.close()
    const page = await json<{ readonly paths: Record<string, Record<string, unknown>> }>(await gateway.ask('/openapi.json'))
    expect(Object.keys(page.paths['/mcp'] ?? {})).toEqual(['post'])
  })
})

test.each(CLIENTS)('%s goes on after the gateway was restarted', async (_, connectAs) => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-mcp-'))
  const start = (port: number) =>
    startGateway({ env: {}, overrides: { port, dataDirectory, quiet: true, sandboxTypicalMs: 30, providers: FIXTURE_PROVIDERS } })
  const before = await start(0)
  const agent = await connectAs(before.url)
  const id = (await agent.call('generate', good)).facts?.['id']
  await before.close()
  const after = await start(Number(new URL(before.url).port))
  try {
    expect(await agent.call('get_generation', { id })).toMatchObject({ isError: false, facts: { id, status: 'succeeded' } })
    await agent.close()
  } finally {
    await after.close()
    rmSync(dataDirectory, { recursive: true, force: true })
  }
})

describe('the API by itself', () => {
  const logged: string[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) }) as FastifyBaseLogger
  const app = fastify()
  afterEach(() => app.close())

  test('lists no tool it has nothing behind, and reports an unexpected error without its text', async () => {
    const broken = () => {
      throw new Error('the secret of the owner')
    }
    app.setSerializerCompiler(() => (data) => JSON.stringify(data))
    const keys = { isOn: () => false, identify: () => null, overRate: async () => undefined, whileValid: () => () => {} }
    const origins = { publicUrl: () => '', corsOrigins: () => [], isLoopback: () => true }
    rememberRoutes(app)
    installAccess(app, { keys, keyHeaders: [], origins })
    app.setSerializerCompiler(() => (data) => JSON.stringify(data))
    const parts: Partial<McpDependencies> = {
      models: { list: broken, find: broken, suggest: broken },
      links: plainLinks(''),
      version: '0.0.0',
      keys,
      log,
    }
    await app.register(mcpApi, parts as McpDependencies)
    const agent = await connect(await app.listen({ port: 0 }))
    expect((await agent.list()).map(({ name }) => name)).toEqual(['list_models', 'quote', 'generate', 'get_generation'])
    const failed = await agent.call('list_models')
    expect(failed.isError).toBe(true)
    expect(failed.text).toMatch(/^internal: .*\nRemedy: /)
    expect(failed.text).not.toContain('secret')
    expect(logged.join('')).toContain('the secret of the owner')
    await agent.close()
  })
})
