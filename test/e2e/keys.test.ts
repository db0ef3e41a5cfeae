import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayKeyState, GatewayKeyWithSecret } from '#contract'
import { json, launchGateway, problem } from './gateway.ts'
import type { Gateway } from './gateway.ts'

const hash = (key: string) => createHash('sha256').update(key).digest('hex')
const as = (key: string) => ({ authorization: `Bearer ${key}` })
const ROOT = as('key-of-root')

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({
    config: `keys: [{ name: root, key_hash: ${hash('key-of-root')}, scope: admin }]\nmodels: { house-style: { model: flux-2-pro } }\n`,
  })
})
afterAll(() => gateway.close())

const send = (path: string, body?: object, headers: Record<string, string> = ROOT, method = 'POST') =>
  gateway.ask(path, {
    method,
    headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
const create = async (body: object): Promise<GatewayKeyWithSecret> => json(await send('/v1/keys', body))
const statusAs = async (secret: string, path = '/v1/models') => (await gateway.ask(path, { headers: as(secret) })).status
const listed = async (): Promise<readonly GatewayKeyState[]> =>
  (await json<{ data: GatewayKeyState[] }>(await gateway.ask('/v1/keys', { headers: ROOT }))).data

describe('the key of a request', () => {
  test('is shown to its holder with what it may do and what is left of its budget, and a stranger sees none', async () => {
    const made = await create({ name: 'reader-of-itself', scope: 'write', budget_usd: '5', models: ['flux-2-pro'], providers: ['bfl'] })
    await gateway.generate({}, as(made.secret))
    expect(await json(await gateway.ask('/v1/key', { headers: as(made.secret) }))).toEqual({
      object: 'current_key',
      name: 'reader-of-itself',
      scope: 'write',
      models: ['flux-2-pro'],
      providers: ['bfl'],
      rate: null,
      allow_unpriced: false,
      expires_at: null,
      budget: { key: 'reader-of-itself', limit: '5', period: 'month', used: '0.03', left: '4.97', renews_at: expect.any(String) as string },
    })
    expect(await json(await gateway.ask('/v1/key', { headers: ROOT }))).toMatchObject({ name: 'root', scope: 'admin', budget: null })
    expect((await gateway.ask('/v1/key')).status).toBe(401)
  })
})

describe('a key made at run time', () => {
  test('counts at once, and its secret is shown once and is nowhere in the data folder', async () => {
    const reply = await send('/v1/keys', { name: 'fresh', budget_usd: '5', rate: { per_minute: 1000 } })
    expect([reply.status, reply.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const made = await json<GatewayKeyWithSecret>(reply)
    expect(made.secret).toMatch(/^ig_[A-Za-z0-9_-]{43}$/)
    expect(made).toMatchObject({ object: 'key', source: 'api', scope: 'write', budget_usd: '5', period: 'month', last_used_at: null })
    expect(made).not.toHaveProperty('notice')
    expect(await statusAs(made.secret)).toBe(200)
    expect((await gateway.generate({}, as(made.secret))).status).toBe('succeeded')
    const list = await listed()
    expect(list.map(({ name, source }) => [name, source])).toEqual(
      expect.arrayContaining([
        ['root', 'configuration'],
        ['fresh', 'api'],
      ]),
    )
    expect(list.find(({ name }) => name === 'fresh')?.last_used_at).toMatch(/^\d{4}-/)
    expect(JSON.stringify(list)).not.toContain(made.secret)
    for (const file of ['imagegate.db', 'imagegate.db-wal']) {
      const folder = [join(gateway.folder, 'data'), join(gateway.folder, 'data', 'sandbox')]
      const bytes = folder.map((each) => {
        try {
          return readFileSync(join(each, file)).toString('latin1')
        } catch {
          return ''
        }
      })
      expect(bytes.join('').includes(made.secret)).toBe(false)
      expect(bytes.join('').includes(hash(made.secret))).toBe(false)
    }
  })

  test('is rotated: the secret before counts through the grace, and not without one', async () => {
    const first = await create({ name: 'rotated' })
    const second = await json<GatewayKeyWithSecret>(await send('/v1/keys/rotated/rotate'))
    expect(Date.parse(second.previous_until ?? '') - Date.now()).toBeGreaterThan(86_300_000)
    expect([await statusAs(first.secret), await statusAs(second.secret)]).toEqual([200, 200])
    const third = await json<GatewayKeyWithSecret>(await send('/v1/keys/rotated/rotate', { grace_seconds: 1 }))
    expect(await statusAs(second.secret)).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    expect([await statusAs(second.secret), await statusAs(third.secret)]).toEqual([401, 200])
    const fourth = await json<GatewayKeyWithSecret>(await send('/v1/keys/rotated/rotate', { grace_seconds: 0 }))
    expect([await statusAs(first.secret), await statusAs(third.secret), await statusAs(fourth.secret)]).toEqual([401, 401, 200])
  })

  test('is revoked at once, and expires when it said it would', async () => {
    const { secret } = await create({ name: 'revoked' })
    expect((await send('/v1/keys/revoked', undefined, ROOT, 'DELETE')).status).toBe(204)
    expect(await statusAs(secret)).toBe(401)
    expect((await send('/v1/keys/revoked', undefined, ROOT, 'DELETE')).status).toBe(404)
    const short = await create({ name: 'short', expires_at: new Date(Date.now() + 1_500).toISOString() })
    expect(await statusAs(short.secret)).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 1_600))
    expect(await statusAs(short.secret)).toBe(401)
  })

  test('that would have expired already is not made', async () => {
    const reply = await send('/v1/keys', { name: 'late', expires_at: '2020-01-01T00:00:00Z' })
    expect([reply.status, await problem(reply)]).toEqual([
      400,
      expect.objectContaining({ errors: [{ path: 'expires_at', message: expect.stringContaining('has passed') }] }),
    ])
  })

  test('of each scope may do what that scope says, and a scope that is too small is 403', async () => {
    const read = await create({ name: 'reader', scope: 'read' })
    const write = await create({ name: 'writer', scope: 'write' })
    const body = { model: 'flux-2-pro', prompt: 'x' }
    expect((await send('/v1/quotes', body, as(read.secret))).status).toBe(200)
    for (const path of ['/v1/generations', '/v1/comparisons', '/v1/images/generations', '/bfl/v1/flux-2-pro']) {
      const reply = await send(path, body, as(read.secret))
      expect([path, reply.status]).toEqual([path, 403])
    }
    expect(await problem(await send('/v1/generations', body, as(read.secret)))).toMatchObject({ code: 'unauthorized', status: 403 })
    const task = [
      { taskType: 'imageInference', taskUUID: crypto.randomUUID(), model: 'bfl:5@1', positivePrompt: 'x', width: 1024, height: 1024 },
    ]
    const refused = await send('/runware/v1', task, as(read.secret))
    expect([refused.status, await json(refused)]).toMatchObject([403, { errors: [{ code: 'forbidden' }] }])
    expect((await send('/v1/generations', body, as(write.secret))).status).toBe(200)
    expect([await statusAs(write.secret, '/v1/keys'), await statusAs(write.secret, '/metrics')]).toEqual([403, 200])
    const { secret } = await create({ name: 'second-admin', scope: 'admin' })
    expect(await statusAs(secret, '/v1/keys')).toBe(200)
  })

  test('sends as many requests a minute as its rate, and then gets 429 with what is left said on every answer', async () => {
    const { secret } = await create({ name: 'slow', rate: { per_minute: 3 } })
    const replies: Response[] = []
    for (let count = 0; count < 4; count++) replies.push(await gateway.ask('/v1/models', { headers: as(secret) }))
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 429])
    expect(replies[0]?.headers.get('ratelimit-policy')).toBe('"key";q=3;w=60')
    expect(replies[1]?.headers.get('ratelimit')).toMatch(/^"key";r=1;t=\d+$/)
    expect(Number(replies[3]?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await problem(replies[3] as Response)).toMatchObject({ code: 'rate_limited' })
    const bfl = await gateway.ask('/bfl/v1/credits', { headers: { 'x-key': secret } })
    expect([bfl.status, bfl.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)])
  })

  test('counts the images that it asks for against its rate, and not what a signed link opens by itself', async () => {
    const { secret } = await create({ name: 'viewer', rate: { per_minute: 4 } })
    const { images } = await gateway.generate({}, as(secret))
    const link = new URL(images[0]?.url ?? '')
    const headers = as(secret)
    const ask = async (path: string, more: RequestInit = {}) => (await gateway.ask(path, more)).status
    const byKey = [link.pathname, `${link.pathname}?w=64`, link.pathname, link.pathname, `${link.pathname}?w=64`]
    const statuses: number[] = []
    for (const path of byKey) statuses.push(await ask(path, { headers }))
    expect(statuses).toEqual([200, 200, 200, 429, 429])
    expect(await ask(link.pathname + link.search)).toBe(200)
    expect(await ask('/v1/models', { headers })).toBe(429)
  })

  test.each([
    [{ name: 'root' }, 409],
    [{ name: 'x', secret: 'fifteen-letters' }, 400],
    [{ name: 'x', secret: '' }, 400],
    [{ name: '' }, 400],
    [{ name: 'a b' }, 400],
    [{ name: 'x', models: ['flux-2-prp'] }, 400],
    [{ name: 'x', providers: ['nobody'] }, 400],
    [{ name: 'x', scope: 'owner' }, 400],
    [{ name: 'x', rate: { per_minute: 0 } }, 400],
    [{ name: 'x', budget_usd: '-1' }, 400],
    [{ name: 'x', colour: 'red' }, 400],
  ])('is not made from %j, which is %i', async (body, status) => {
    expect((await send('/v1/keys', body)).status).toBe(status)
    expect((await listed()).filter(({ name }) => name === 'x')).toEqual([])
  })

  test('may have a secret of its own of 16 characters', async () => {
    expect(await create({ name: 'own', secret: 'sixteen-letters!' })).toMatchObject({ secret: 'sixteen-letters!' })
    expect(await statusAs('sixteen-letters!')).toBe(200)
    expect((await send('/v1/keys', { name: 'own-again', secret: 'sixteen-letters!' })).status).toBe(409)
  })
})

test('the hash of a key of the configuration is no key, in any spelling', async () => {
  const sha256 = hash('key-of-root')
  for (const secret of [sha256, sha256.toUpperCase(), `sha256:${sha256}`, hash(sha256)]) expect(await statusAs(secret)).toBe(401)
})

test('a key of the configuration is not changed by the API', async () => {
  for (const [path, method] of [
    ['/v1/keys/root', 'DELETE'],
    ['/v1/keys/root/rotate', 'POST'],
  ] as const) {
    const reply = await send(path, undefined, ROOT, method)
    expect([reply.status, (await problem(reply)).detail]).toEqual([409, expect.stringContaining('configuration')])
  }
})

test('the first key of a gateway without keys turns them on, over a restart too, and the last one stays', async () => {
  const dataDirectory = join(gateway.folder, 'first-key')
  const keyless = await launchGateway({ dataDirectory })
  const reply = await keyless.post('/v1/keys', { name: 'first', scope: 'admin' })
  const first = await json<GatewayKeyWithSecret>(reply)
  expect([reply.status, first.notice]).toEqual([201, expect.stringContaining('Keys are on from now')])
  expect((await keyless.ask('/v1/models')).status).toBe(401)
  expect((await keyless.ask('/v1/models', { headers: as(first.secret) })).status).toBe(200)
  const last = await keyless.ask('/v1/keys/first', { method: 'DELETE', headers: as(first.secret) })
  expect([last.status, (await problem(last)).detail]).toEqual([409, expect.stringContaining('last key that counts')])
  await keyless.close()
  const again = await launchGateway({ dataDirectory })
  expect((await again.ask('/v1/models')).status).toBe(401)
  expect((await again.ask('/v1/models', { headers: as(first.secret) })).status).toBe(200)
  await again.close()
})
