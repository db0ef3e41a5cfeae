import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { GatewayKeyWithSecret } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { ROUTES } from '../http/access/route-table.ts'

useRealSockets()

const folder = mkdtempSync(join(tmpdir(), 'imagegate-late-bodies-'))
const config = join(folder, 'imagegate.yaml')
const FILED = 'secret-of-the-key-in-the-file'
const filed = (scope: 'read' | 'write'): string =>
  `keys: [{ name: filed, scope: ${scope}, key_hash: ${createHash('sha256').update(FILED).digest('hex')} }]\n`

let server: ServerProcess
let boss = ''
beforeAll(async () => {
  writeFileSync(config, '{}\n')
  const environment = { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: config }
  server = await startOverridden(environment, { providers: ['bfl', 'openai', 'runware', 'vtrix'], sandboxTypicalMs: 20 })
}, 60_000)
afterAll(async () => {
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const ask = async (key: string, path: string, method = 'GET', body?: object): Promise<Response> =>
  fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
const make = async (body: object): Promise<GatewayKeyWithSecret> =>
  (await (await ask(boss, '/v1/keys', 'POST', body)).json()) as GatewayKeyWithSecret

async function reload(text: string, status: number): Promise<void> {
  writeFileSync(config, text)
  server.signal('SIGHUP')
  const probe = (): Promise<Response> => ask(FILED, '/v1/generations/gen_x/cancel', 'POST')
  await vi.waitFor(async () => expect((await probe()).status).toBe(status), { timeout: 5_000, interval: 20 })
}

const FORM_END = '--x--\r\n'
const FORM = ['model', 'prompt'].map((name) => `--x\r\ncontent-disposition: form-data; name="${name}"\r\n\r\nflux-2-pro\r\n`).join('')
const image = { model: 'flux-2-pro', prompt: 'late' }
const task = { taskType: 'imageInference', taskUUID: randomUUID(), model: 'bfl:5@1', positivePrompt: 'late', width: 512, height: 512 }
const call = { name: 'generate', arguments: { ...image, max_price_usd: '1' } }
/** What buys, as it is bought; every other route is asked with an empty object. */
const BODIES: Readonly<Record<string, unknown>> = {
  'POST /v1/generations': image,
  'POST /v1/quotes': image,
  'POST /v1/comparisons': image,
  'POST /v1/images/generations': image,
  'POST /v1/images/edits': `${FORM}${FORM_END}`,
  'POST /bfl/v1/:endpoint': { prompt: 'late' },
  'POST /bfl/:endpoint': { prompt: 'late' },
  'POST /runware': [task],
  'POST /runware/v1': [task],
  'POST /mcp': { jsonrpc: '2.0', id: 1, method: 'tools/call', params: call },
}
const TYPES: Readonly<Record<string, string>> = {
  'POST /v1/images/edits': 'multipart/form-data; boundary=x',
  'POST /v1/reconciliations': 'text/csv',
}
const TAKE_BODIES = Object.entries(ROUTES).filter(([route, access]) => route.startsWith('POST ') && access !== 'address')

/** Sends the head of a request and the first bytes of its body. @returns sends the rest; how it was answered */
async function begun(route: string, secret: string | null): Promise<() => Promise<string>> {
  const asked = BODIES[route] ?? {}
  const isForm = typeof asked === 'string'
  const body = isForm ? asked : JSON.stringify(asked)
  const path = (route.split(' ')[1] ?? '').replace(':endpoint', 'flux-2-pro').replaceAll(/:\w+/g, 'x')
  const sent = request(server.url + path, {
    method: 'POST',
    agent: false,
    headers: {
      // The gateway asks for the body only once it knows the caller.
      expect: '100-continue',
      accept: 'application/json, text/event-stream',
      'content-type': TYPES[route] ?? 'application/json',
      'content-length': body.length,
      ...(secret === null ? {} : { authorization: `Bearer ${secret}` }),
    },
  })
  const answered = new Promise<string>((resolve, reject) => {
    sent.once('error', reject).once('response', (reply) => {
      reply.resume()
      resolve(`${route}: ${reply.statusCode}${reply.statusCode === 401 ? ` ${reply.headers['www-authenticate']}` : ''}`)
    })
  })
  sent.flushHeaders()
  await Promise.race([new Promise((resolve) => sent.once('continue', resolve)), answered])
  const firstBytes = isForm ? FORM.length : 1
  sent.write(body.slice(0, firstBytes))
  return () => {
    sent.end(body.slice(firstBytes))
    return answered
  }
}

/** Every route that takes a body is asked; the key ends while the bodies are on their way. */
async function answersAfter(end: () => Promise<unknown>, secret: string | null): Promise<readonly string[]> {
  const rests = await Promise.all(TAKE_BODIES.map(([route]) => begun(route, secret)))
  await end()
  return Promise.all(rests.map((rest) => rest()))
}

const refused = (secret: string | null): readonly string[] =>
  TAKE_BODIES.map(([route]) => `${route}: 401 Bearer realm="imagegate"${secret === null ? '' : ', error="invalid_token"'}`)
const nothingIsBought = async (): Promise<void> => {
  for (const path of ['/v1/generations', '/v1/comparisons']) expect(await (await ask(boss, path)).json()).toMatchObject({ data: [] })
}

test('bodies that are on their way while the first key is made are refused on every route: nobody knows who sends them', async () => {
  expect(TAKE_BODIES.length).toBeGreaterThan(12)
  const first = async (): Promise<void> => {
    boss = (await make({ name: 'boss', scope: 'admin' })).secret
  }
  expect(await answersAfter(first, null)).toEqual(refused(null))
  await nothingIsBought()
})

describe('a body that comes after its key', () => {
  const ends: Readonly<Record<string, (name: string, secret: string) => Promise<unknown>>> = {
    'was revoked': (name) => ask(boss, `/v1/keys/${name}`, 'DELETE'),
    'was rotated without a grace': (name) => ask(boss, `/v1/keys/${name}/rotate`, 'POST', { grace_seconds: 0 }),
    'has expired': (_, secret) =>
      vi.waitFor(async () => expect((await ask(secret, '/v1/key')).status).toBe(401), { timeout: 10_000, interval: 50 }),
  }
  test.each(Object.entries(ends))('%s is refused on every route, and buys nothing', async (how, end) => {
    const name = how.replaceAll(' ', '-')
    const expires = how === 'has expired' ? { expires_at: new Date(Date.now() + 1_500).toISOString() } : {}
    // Without its limits it could buy what it never might.
    const { secret } = await make({ name, scope: 'admin', models: ['flux-1.1-pro'], budget_usd: '0.000001', ...expires })
    expect(await answersAfter(() => end(name, secret), secret)).toEqual(refused(secret))
    await nothingIsBought()
  })

  test('has left the configuration is refused too, and one whose scope was lowered meanwhile may do no more than that', async () => {
    await reload(filed('write'), 404)
    const write = TAKE_BODIES.filter(([, access]) => access === 'write').map(([route]) => route)
    const lowered = await answersAfter(() => reload(filed('read'), 403), FILED)
    expect(lowered).toEqual(expect.arrayContaining(write.map((route) => `${route}: 403`)))
    await nothingIsBought()
    await reload(filed('write'), 404)
    const gone = await answersAfter(() => reload('{}\n', 401), FILED)
    expect(gone).toEqual(expect.arrayContaining(write.map((route) => `${route}: 401 Bearer realm="imagegate", error="invalid_token"`)))
    await nothingIsBought()
  })
})
