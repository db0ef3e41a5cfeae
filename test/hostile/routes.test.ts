import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { ROUTES } from '../http/access/route-table.ts'
import { closeClient, send } from './client.ts'
import type { Received } from './client.ts'

useRealSockets()

const SCOPES = ['read', 'write', 'admin'] as const
const keyOf = (scope: string): string => `the-${scope}-key-of-the-routes`
/** Stand in what the gateway is configured with, and in nothing that is open. */
const NAMES = ['canary-key-name', 'canary-alias', 'canary-relay.example']
const folder = mkdtempSync(join(tmpdir(), 'imagegate-routes-'))
let server: ServerProcess
beforeAll(async () => {
  const keys = SCOPES.map((scope) => {
    const keyHash = createHash('sha256').update(keyOf(scope)).digest('hex')
    return `{ name: canary-key-name-${scope}, scope: ${scope}, key_hash: ${keyHash} }`
  })
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `keys: [${keys.join(', ')}]
models: { canary-alias: { model: flux-2-pro } }
server: { cors: { origins: ["https://canary-relay.example"] } }
`,
  )
  const environment = { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') }
  server = await startOverridden(environment, { providers: ['bfl', 'runware', 'vtrix'] })
}, 60_000)
afterAll(async () => {
  closeClient()
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function ask(route: string, key: string | null): Promise<Received> {
  const [method = '', pattern = ''] = route.split(' ')
  const path = pattern.replace('*', '/x').replaceAll(/:\w+/g, 'x')
  const isPost = method === 'POST'
  const headers = [...(key === null ? [] : ['authorization', `Bearer ${key}`]), ...(isPost ? ['content-type', 'application/json'] : [])]
  return send(server.url, { method, path, headers, body: isPost ? Buffer.from('{}') : null })
}

/** Which of nobody, an unknown key, and keys of each scope are let in by a declared access. */
const LET_IN: Readonly<Record<string, readonly boolean[]>> = {
  open: [true, true, true, true, true],
  any: [false, false, true, true, true],
  read: [false, false, true, true, true],
  write: [false, false, false, true, true],
  admin: [false, false, false, false, true],
}
/** Of nobody, and of an unknown key. */
const CHALLENGES = ['Bearer realm="imagegate"', 'Bearer realm="imagegate", error="invalid_token"']
const CALLERS = [null, 'a-key-of-nobody', ...SCOPES.map(keyOf)]

test('every route lets in whom its access says and nobody else, with 401 and its challenge for strangers and 403 for a scope that is too small', async () => {
  const declared = Object.entries(ROUTES).filter(([, access]) => access !== 'address')
  expect(declared.length).toBeGreaterThan(50)
  const wrong: string[] = []
  for (const [route, access] of declared) {
    const answers = await Promise.all(CALLERS.map((key) => ask(route, key)))
    const statuses = answers.map(({ status }) => status)
    const unchallenged = answers.filter(({ status, headers }, index) => status === 401 && headers['www-authenticate'] !== CHALLENGES[index])
    if (unchallenged.length > 0) wrong.push(`${route}: ${unchallenged.map(({ headers }) => headers['www-authenticate']).join(' ')}`)
    const expected = LET_IN[access] ?? []
    const isRight = statuses.every((status, index) =>
      expected[index] === true ? status !== 401 && status !== 403 : status === (index < 2 ? 401 : 403),
    )
    if (!isRight || statuses.some((status) => status >= 500)) wrong.push(`${route} (${access}): ${statuses.join(' ')}`)
  }
  expect(wrong).toEqual([])
})

/** What is the same for everybody says itself how long it may be kept; an image is kept for who may see it. */
const KEPT = /^GET \/(?:$|generations$|generations\/:id$|costs$|providers$|assets\/|theme|favicon|problems|docs)/

test('an answer to a key is kept by no cache on the way: every route says no-store, in refusals too', async () => {
  const routes = Object.keys(ROUTES).filter((route) => !KEPT.test(route) && !route.startsWith('HEAD '))
  expect(routes.length).toBeGreaterThan(40)
  const wrong: string[] = []
  for (const route of [...routes, 'GET /v1/nothing', 'DELETE /v1/models', 'GET /bfl/v1/nothing']) {
    const answers = await Promise.all([null, 'a-key-of-nobody', keyOf('admin')].map((key) => ask(route, key)))
    for (const { status, headers } of answers)
      if (!/\bno-store\b/.test(String(headers['cache-control']))) wrong.push(`${route} ${status} ${headers['cache-control']}`)
  }
  expect(wrong).toEqual([])
})

test('an address that is its own proof opens nothing where the proof is missing, whoever asks', async () => {
  for (const key of CALLERS) expect((await ask('POST /v1/hooks/:provider/:token', key)).status).toBe(404)
  expect(await Promise.all(CALLERS.map(async (key) => (await ask('GET /v1/images/:file', key)).status))).toEqual([401, 401, 404, 404, 404])
})

test('a path or verb that there is not is 401 for strangers, and 404 or 405 for a key alone', async () => {
  for (const route of ['GET /nothing', 'PUT /v1/models', 'DELETE /v1/images/x', 'GET /bfl/nothing', 'GET /runware/nothing', 'PATCH /mcp']) {
    const answers = await Promise.all([null, 'a-key-of-nobody', keyOf('read')].map((key) => ask(route, key)))
    expect([route, ...answers.slice(0, 2).map(({ status, headers }) => [status, headers['www-authenticate']])]).toEqual([
      route,
      ...CHALLENGES.map((challenge) => [401, challenge]),
    ])
    expect([404, 405], route).toContain(answers[2]?.status)
  }
})

test('a path in another spelling, a HEAD, and a key where none belongs open nothing to a stranger', async () => {
  const closed = Object.entries(ROUTES).filter(([route, access]) => route.startsWith('GET ') && access !== 'address' && access !== 'open')
  const heads = await Promise.all(closed.map(async ([route]) => ({ route, ...(await ask(route.replace('GET', 'HEAD'), null)) })))
  expect(heads.filter(({ status, headers }) => status !== 401 || headers['www-authenticate'] !== CHALLENGES[0])).toEqual([])
  const spellings = [
    '//v1/keys',
    '/v1//keys',
    '/v1/keys/',
    '/V1/KEYS',
    '/v1/%6beys',
    '/%76%31/keys',
    '/./v1/keys',
    '/v1/./keys',
    '/healthz/../v1/keys',
    '/docs/../v1/keys',
    '/healthz%2f..%2fv1%2fkeys',
    '/assets/..%2f..%2fv1/keys',
    '/problems/../v1/keys',
    '/v1/keys;/healthz',
    '/v1/keys?/healthz',
    '/healthz/v1/keys',
    '/v1/keys%00',
    '/v1/keys%20',
    'http://127.0.0.1/v1/keys',
    `/v1/keys?key=${keyOf('admin')}`,
    `/v1/keys?api_key=${keyOf('admin')}`,
    `/v1/keys?access_token=${keyOf('admin')}`,
  ]
  const asked = spellings.map((path) => ({ path, headers: [] as readonly string[], method: 'GET' }))
  const misplaced = [
    ['x-key', keyOf('admin')],
    ['x-api-key', keyOf('admin')],
    ['cookie', `key=${keyOf('admin')}`],
    ['authorization', keyOf('admin')],
    ['authorization', `Basic ${Buffer.from(`x:${keyOf('admin')}`).toString('base64')}`],
    ['x-original-url', '/healthz'],
    ['x-rewrite-url', '/healthz'],
    ['x-forwarded-for', '127.0.0.1'],
  ].map((headers) => ({ path: '/v1/keys', headers, method: 'GET' }))
  const overridden = { path: '/v1/keys/x', headers: ['x-http-method-override', 'GET'], method: 'DELETE' }
  const open: string[] = []
  for (const { path, headers, method } of [...asked, ...misplaced, overridden]) {
    const { status, body } = await send(server.url, { method, path, headers, body: null })
    if (![400, 401, 404].includes(status) || body.toString().includes('canary-key-name'))
      open.push(`${method} ${path} ${headers.join(': ')}: ${status}`)
  }
  expect(open).toEqual([])
})

test('an open route names no key, alias or address of the configuration; the pages and /docs are shells, and nobody may frame them', async () => {
  const open = Object.entries(ROUTES).filter(([, access]) => access === 'open')
  const answers = await Promise.all(open.map(async ([route]) => [route, await ask(route, null)] as const))
  for (const [route, { body, headers }] of answers)
    expect(
      NAMES.filter((name) => `${JSON.stringify(headers)}${body.toString()}`.includes(name)),
      route,
    ).toEqual([])
  for (const page of ['GET /', 'GET /generations/:id', 'GET /docs/']) {
    const { status, type, headers } = await ask(page, null)
    expect([page, status, type]).toEqual([page, 200, 'text/html; charset=utf-8'])
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
  }
  const document = await ask('GET /openapi.json', null)
  expect([document.status, document.type]).toEqual([200, 'application/json; charset=utf-8'])
  const metrics = await ask('GET /metrics', keyOf('read'))
  const text = metrics.body.toString()
  expect([metrics.status, text]).toEqual([200, expect.stringContaining('imagegate_')])
  const keysIn = (body: string): string[] => [...new Set([...body.matchAll(/[{,]key="([^"]*)"/g)].map(([, name = '']) => name))].toSorted()
  // What a key spends is nobody else's business but an administrator's.
  expect(keysIn(text)).toEqual(['canary-key-name-read'])
  const ofAll = (await ask('GET /metrics', keyOf('admin'))).body.toString()
  expect(keysIn(ofAll)).toEqual(SCOPES.map((scope) => `canary-key-name-${scope}`).toSorted())
})
