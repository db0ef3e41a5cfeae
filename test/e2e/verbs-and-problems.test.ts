import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import { FAILURES, HTTP_PROBLEMS } from '#contract'
import { json, problem } from './gateway.ts'
import { launchProcess } from './gateway-process.ts'
import type { Gateway } from './gateway.ts'

const PAGE = 'https://app.example.com'
const SECRET = 'a-secret-of-team-a-1234'
const keyed = `keys: [{ name: team-a, key_hash: ${createHash('sha256').update(SECRET).digest('hex')} }]\n`
let gateway: Gateway
let guarded: Gateway
beforeAll(async () => {
  gateway = await launchProcess()
  guarded = await launchProcess({ config: `${keyed}server: { cors: { origins: ["${PAGE}"] } }\n` })
})
afterAll(() => Promise.all([gateway.close(), guarded.close()]))

describe('a known path and a wrong verb', () => {
  test.for([
    ['DELETE', '/v1/generations', 'GET, HEAD, POST, OPTIONS'],
    ['PUT', '/v1/generations/gen_1/cancel', 'POST, OPTIONS'],
    ['GET', '/v1/quotes', 'POST, OPTIONS'],
    ['POST', '/v1/models', 'GET, HEAD, OPTIONS'],
    ['POST', '/v1/models/bfl/flux-2-pro', 'GET, HEAD, OPTIONS'],
    ['PATCH', '/v1/images/edits', 'POST, OPTIONS'],
    ['GET', '/v1/images/generations', 'POST, OPTIONS'],
    ['HEAD', '/v1/images/generations', 'POST, OPTIONS'],
    ['GET', '/v1/images/edits/', 'POST, OPTIONS'],
    ['POST', '/healthz', 'GET, HEAD, OPTIONS'],
    ['POST', '/problems/moderated', 'GET, HEAD, OPTIONS'],
  ] as const)('are a 405 that names the right verbs: %s %s', async ([method, path, allow]) => {
    const reply = await gateway.ask(path, { method })
    expect([reply.status, reply.headers.get('allow')]).toEqual([405, allow])
    if (method !== 'HEAD')
      expect(await problem(reply)).toMatchObject({ code: 'method_not_allowed', detail: expect.stringContaining(`does not take ${method}`) })
  })

  test('are a 405 in the words of the API they are asked of', async () => {
    const bfl = await gateway.ask('/bfl/v1/get_result', { method: 'PUT' })
    expect([bfl.status, bfl.headers.get('allow')]).toEqual([405, expect.stringContaining('GET')])
    expect(await json(bfl)).toEqual({ detail: 'Method Not Allowed' })
    const credits = await gateway.ask('/bfl/v1/credits', { method: 'POST' })
    expect([credits.status, credits.headers.get('allow')]).toEqual([405, expect.stringContaining('GET')])
    expect(await json(credits)).toEqual({ detail: 'Method Not Allowed' })
    const runware = await gateway.ask('/runware/v1', { method: 'PUT' })
    expect([runware.status, runware.headers.get('allow')]).toEqual([405, 'GET, POST, OPTIONS'])
    expect(await json(runware)).toMatchObject({ errors: [{ code: 'methodNotAllowed' }] })
  })

  test('OPTIONS is answered for every known path, without a key, and an unknown path stays unknown', async () => {
    const reply = await guarded.ask('/v1/generations', { method: 'OPTIONS' })
    expect([reply.status, reply.headers.get('allow')]).toEqual([204, 'GET, HEAD, POST, OPTIONS'])
    expect((await gateway.ask('/v1/nothing', { method: 'OPTIONS' })).status).toBe(404)
  })
})

describe('a web page of another origin', () => {
  const preflight = (at: Gateway, path: string, origin: string) =>
    at.ask(path, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type,prefer' },
    })

  test('is let in where server.cors.origins names it, on every route, before any key is asked for', async () => {
    for (const path of [
      '/v1/generations',
      '/v1/images/edits',
      '/bfl/v1/flux-2-pro',
      '/runware/v1',
      '/mcp',
      '/v1/generations/gen_1/events',
    ]) {
      const reply = await preflight(guarded, path, PAGE)
      expect([path, reply.status]).toEqual([path, 204])
      expect(reply.headers.get('access-control-allow-origin')).toBe(PAGE)
      expect(reply.headers.get('access-control-allow-headers')).toBe('authorization,content-type,prefer')
      expect(reply.headers.get('access-control-allow-methods')).toContain('DELETE')
    }
    const answer = await guarded.ask('/v1/models', { headers: { origin: PAGE, authorization: `Bearer ${SECRET}` } })
    expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE)
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id')
    expect(answer.headers.get('vary')?.toLowerCase()).toContain('origin')
  })

  test('uses MCP from a browser: the headers of its clients pass the preflight, and its answers can be read, session header included', async () => {
    const asked = 'authorization,content-type,last-event-id,mcp-protocol-version,mcp-session-id'
    const allowed = await guarded.ask('/mcp', {
      method: 'OPTIONS',
      headers: { origin: PAGE, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
    })
    expect([allowed.status, allowed.headers.get('access-control-allow-headers')]).toEqual([204, asked])
    const headers = { origin: PAGE, authorization: `Bearer ${SECRET}`, accept: 'application/json, text/event-stream' }
    const clientInfo = { name: 'page', version: '1' }
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }
    const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params }
    const sent = { body: JSON.stringify(initialize), headers: { ...headers, 'content-type': 'application/json' } }
    for (const [method, status] of [
      ['POST', 200],
      ['GET', 405],
      ['DELETE', 405],
    ] as const) {
      const reply = await guarded.ask('/mcp', { method, headers, ...(method === 'POST' ? sent : {}) })
      expect([method, reply.status, reply.headers.get('access-control-allow-origin')]).toEqual([method, status, PAGE])
      expect(reply.headers.get('access-control-expose-headers')).toContain('mcp-session-id')
      expect(reply.headers.get('x-request-id')).not.toBeNull()
      await reply.text()
    }
    const other = await guarded.ask('/mcp', { ...sent, method: 'POST', headers: { ...sent.headers, origin: 'https://evil.example' } })
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null])
  })

  test('may read an error too', async () => {
    const reply = await guarded.ask('/v1/models', { headers: { origin: PAGE } })
    expect([reply.status, reply.headers.get('access-control-allow-origin')]).toEqual([401, PAGE])
  })

  test('is shown nothing where it is not named, and by default none is', async () => {
    for (const [at, origin] of [
      [guarded, 'https://evil.example'],
      [guarded, 'null'],
      [gateway, PAGE],
    ] as const) {
      expect((await preflight(at, '/v1/generations', origin)).headers.get('access-control-allow-origin')).toBeNull()
    }
  })
})

describe('a problem', () => {
  test('has a type that is a page here: for a browser, for a program, and as text', async () => {
    const { type } = await problem(await gateway.ask('/v1/nothing'))
    expect(type).toBe(`${gateway.url}/problems/not_found`)
    const page = await fetch(type, { headers: { accept: 'text/html,application/xhtml+xml' } })
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const csp = page.headers.get('content-security-policy') ?? ''
    const html = await page.text()
    expect(csp).toMatch(/^default-src 'none'; style-src 'sha256-/)
    const style = /<style>(.*)<\/style>/.exec(html)?.[1] ?? ''
    expect(csp).toContain(createHash('sha256').update(style).digest('base64'))
    expect(html).not.toContain('<script')
    expect(await json(await fetch(type, { headers: { accept: 'application/json' } }))).toMatchObject({
      code: 'not_found',
      http_status: 404,
    })
    expect((await fetch(type)).headers.get('content-type')).toContain('text/markdown')
    expect((await gateway.ask('/problems/nothing')).status).toBe(404)
  })

  test('of every code has a page that says what it means and what to do, without a key', async () => {
    for (const [code, row] of Object.entries({ ...FAILURES, ...HTTP_PROBLEMS })) {
      const reply = await guarded.ask(`/problems/${code}`)
      expect([code, reply.status]).toEqual([code, 200])
      const text = await reply.text()
      for (const part of [row.meaning, row.remedy, String(row.http)]) expect(text).toContain(part)
    }
  })

  test('below /v1 carries the error object that OpenAI’s clients read, whatever the error is', async () => {
    const noKey = await guarded.ask('/v1/models')
    expect(await json(noKey)).toMatchObject({
      code: 'unauthorized',
      error: { code: 'invalid_api_key', message: expect.stringContaining('none came') },
    })
    const wrongKey = await guarded.ask('/v1/models', { headers: { authorization: 'Bearer wrong' } })
    expect(await json(wrongKey)).toMatchObject({ code: 'unauthorized', error: { code: 'invalid_api_key', type: 'invalid_request_error' } })
    expect(await json(await gateway.ask('/v1/nothing'))).toMatchObject({
      error: { code: 'not_found', message: expect.stringContaining('/v1/nothing') },
    })
    expect(await json(await gateway.ask('/v1/quotes'))).toMatchObject({ error: { code: 'method_not_allowed' } })
    const bad = await gateway.post('/v1/generations', { model: 'flux-2-pro', prompt: 'x', widht: 3 })
    expect(await json(bad)).toMatchObject({ detail: 'widht is an unknown field; did you mean "width"?', error: { param: 'widht' } })
    const misspelt = await gateway.post('/v1/generations', { modl: 'flux-2-pro', shade: 'x', promt: 'x', prompt: 'x', n: 99 })
    expect(await json(misspelt)).toMatchObject({
      detail: 'model is missing; modl is an unknown field; did you mean "model"? (and 3 more)',
      errors: [{ path: 'model' }, { path: 'n' }, { path: 'modl' }, { path: 'shade' }, { path: 'promt' }],
      error: { param: 'model' },
    })
    const missing = await gateway.post('/v1/generations', { model: 'flux-2-pro' })
    expect(await json(missing)).toMatchObject({ detail: 'prompt is missing', errors: [{ path: 'prompt' }] })
  })
})

test('a POST that needs no body takes an empty one of any type', async () => {
  const { id } = await gateway.generate({})
  for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
    const reply = await gateway.ask(`/v1/generations/${id}/cancel`, { method: 'POST', headers: { 'content-type': type }, body: '' })
    expect([type, reply.status]).toEqual([type, 200])
  }
  const chunked = new ReadableStream({ start: (stream) => stream.close() })
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: chunked, duplex: 'half' } as RequestInit
  expect((await gateway.ask(`/v1/generations/${id}/cancel`, init)).status).toBe(200)
  expect((await gateway.ask('/v1/generations', { method: 'POST', headers: { 'content-type': 'application/json' } })).status).toBe(400)
})
