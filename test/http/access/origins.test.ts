import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json } from '../../e2e/gateway.ts'
import { launchProcess } from '../../e2e/gateway-process.ts'
import type { Gateway } from '../../e2e/gateway.ts'

let gateway: Gateway
let port = ''
beforeAll(async () => {
  gateway = await launchProcess({
    config: 'server: { public_url: "https://img.example.com", cors: { origins: ["https://app.example.com"] } }',
  })
  port = new URL(gateway.url).port
})
afterAll(() => gateway.close())

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers: Record<string, string>
  readonly body?: string
}

/** Sends what no client of ours would: any host, any origin. */
function ask({ method = 'GET', path = '/v1/models', headers, body = '' }: Asked): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const lines = Object.entries({ ...headers, connection: 'close', 'content-length': body.length }).map(
      ([name, value]) => `${name}: ${value}`,
    )
    const socket = connect(Number(port), '127.0.0.1', () => socket.write([`${method} ${path} HTTP/1.1`, ...lines, '', body].join('\r\n')))
    let all = ''
    socket.on('data', (data: Buffer) => void (all += data.toString()))
    socket.on('end', () => {
      const [head = '', ...rest] = all.split('\r\n\r\n')
      resolve({ status: Number(head.split(' ')[1]), text: rest.join('\r\n\r\n') })
    })
    socket.on('error', reject)
  })
}

/** The status of the answer to an upgrade. */
function upgrade(headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      const all = {
        host: `127.0.0.1:${port}`,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
      }
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`GET /runware/v1 HTTP/1.1\r\n${lines.join('')}\r\n`)
    })
    socket.once('data', (data: Buffer) => {
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(data.toString())?.[1]))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

const spent = async (): Promise<number> => (await json<{ data: unknown[] }>(await gateway.ask('/v1/generations'))).data.length

describe('a gateway without keys', () => {
  test.each([
    ['127.0.0.1', 200],
    ['localhost', 200],
    ['LOCALHOST', 200],
    ['localhost.', 200],
    ['[::1]', 200],
    ['127.8.9.1', 200],
    ['img.example.com', 200],
    ['IMG.Example.com.', 200],
    ['evil.example', 403],
    ['evil.example.', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['img.example.com.evil.example', 403],
    ['192.168.1.5', 403],
    ['[2001:db8::1]', 403],
  ])('asked by the host name %j answers %i', async (host, status) => {
    expect((await ask({ headers: { host: `${host}:${port}` } })).status).toBe(status)
  })

  test.each([
    ['a page of its own', () => `http://127.0.0.1:${port}`, 200],
    ['a page of the public URL', () => 'https://img.example.com', 200],
    ['a listed page', () => 'https://app.example.com', 200],
    ['a page of another site', () => 'https://evil.example', 403],
    ['a page of another port of this machine', () => 'http://127.0.0.1:3000', 403],
    ['a page of another name of this machine', () => `http://localhost:${port}`, 403],
    ['a page of another scheme', () => `https://127.0.0.1:${port}`, 403],
    ['a page without an origin of its own', () => 'null', 403],
    ['an empty origin', () => '', 403],
  ])('asked by %s answers %3$i', async (_, origin, status) => {
    const headers = { host: `127.0.0.1:${port}`, origin: origin() }
    expect((await ask({ headers })).status).toBe(status)
    expect(await upgrade({ origin: origin() })).toBe(status === 200 ? 101 : 403)
  })

  const foreign = (mode: string, kind: string, site = 'cross-site') => ({
    'sec-fetch-site': site,
    'sec-fetch-mode': mode,
    'sec-fetch-dest': kind,
  })
  test.each([
    ['a fetch without CORS', '/v1/generations?q=fox', foreign('no-cors', 'empty'), 403],
    ['one of another port of this machine', '/v1/generations?q=fox', foreign('no-cors', 'empty', 'same-site'), 403],
    ['a frame', '/v1/costs', foreign('navigate', 'iframe'), 403],
    ['an object', '/v1/models/flux-2-pro', foreign('no-cors', 'object'), 403],
    ['a script', '/metrics', foreign('no-cors', 'script'), 403],
    ['an image that is none', '/v1/providers', foreign('no-cors', 'image'), 403],
    ['an image', '/v1/images/img_00000000000000000000000000000000.png', foreign('no-cors', 'image'), 404],
    ['a link that somebody opens', '/v1/models', foreign('navigate', 'document'), 200],
    ['a page of its own', '/v1/models', foreign('cors', 'empty', 'same-origin'), 200],
    ['an address that somebody types', '/v1/models', foreign('navigate', 'document', 'none'), 200],
  ])('asked without an origin by %s answers %4$i', async (_, path, headers, status) => {
    expect((await ask({ path, headers: { host: `127.0.0.1:${port}`, ...headers } })).status).toBe(status)
  })

  test('sells nothing to a form, a fetch or a rebound name, on any path', async () => {
    const before = await spent()
    const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a stolen image' })
    const foreign = { host: `127.0.0.1:${port}`, origin: 'https://evil.example' }
    const rebound = { host: 'evil.example' }
    const types = ['text/plain', 'application/json', 'multipart/form-data; boundary=x']
    const paths = ['/v1/generations', '/v1/images/generations', '/v1/images/edits', '/bfl/v1/flux-2-pro', '/runware/v1', '/mcp', '/x']
    const tries = [foreign, rebound].flatMap((headers) => types.flatMap((type) => paths.map((path) => ({ headers, type, path }))))
    const statuses = await Promise.all(
      tries.map(async ({ headers, type, path }) => {
        const { status } = await ask({ method: 'POST', path, headers: { ...headers, 'content-type': type }, body })
        return [path, type, status]
      }),
    )
    expect(statuses.filter(([, , status]) => status !== 403)).toEqual([])
    expect(await spent()).toBe(before)
  })

  test('lets no other page read an image from the cache of a browser that has shown it', async () => {
    const made = await json<Generation>(
      await gateway.ask('/v1/generations', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a fox' }),
      }),
    )
    const { pathname } = new URL(made.images[0]?.url ?? '')
    for (const path of [pathname, `${pathname}?w=64`]) {
      const shown = await gateway.ask(path)
      expect([shown.status, shown.headers.get('access-control-allow-origin')]).toEqual([200, null])
    }
  })

  test('says what to do, below a compatible API in its shape', async () => {
    const host = 'evil.example'
    expect(JSON.parse((await ask({ headers: { host } })).text)).toMatchObject({
      status: 403,
      code: 'unauthorized',
      detail: expect.stringContaining('public_url'),
    })
    expect(JSON.parse((await ask({ path: '/bfl/v1/credits', headers: { host } })).text)).toEqual({ detail: expect.any(String) })
    expect(JSON.parse((await ask({ path: '/runware/x', headers: { host } })).text)).toMatchObject({ errors: [{ code: 'forbidden' }] })
  })

  test('lets pages of listed origins call from a browser, preflight included, and no other', async () => {
    const preflight = (origin: string) =>
      gateway.ask('/v1/generations', {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' },
      })
    const listed = await preflight('https://app.example.com')
    expect([listed.status, listed.headers.get('access-control-allow-origin')]).toEqual([204, 'https://app.example.com'])
    expect(listed.headers.get('access-control-allow-headers')).toContain('authorization')
    const other = await preflight('https://evil.example')
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })
})
