import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildGatewayApp } from '../../../src/gateway/build-gateway-app.ts'
import { createServices } from '../../../src/gateway/create-services.ts'
import { openResources } from '../../../src/gateway/open-resources.ts'
import { readConfiguration } from '../../../src/gateway/read-configuration.ts'
import { installAccess } from '../../../src/http/access.ts'
import type { Access } from '../../../src/http/access.ts'
import { rememberRoutes } from '../../../src/http/known-routes.ts'
import { installProblems } from '../../../src/http/problem.ts'
import type { App } from '../../../src/http/app.ts'
import { ROUTES } from './route-table.ts'

const hash = (key: string) => createHash('sha256').update(key).digest('hex')
const origins = { publicUrl: () => '', corsOrigins: () => [], isLoopback: () => true }
const opened = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'imagegate-access-'))
let app: App

beforeAll(async () => {
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, `keys: [{ name: one, key_hash: ${hash('one-key')} }]\n`)
  const configuration = await readConfiguration({
    env: { IMAGEGATE_CONFIG: config },
    overrides: { dataDirectory: join(folder, 'data'), quiet: true, port: 0 },
  })
  const resources = await openResources(configuration, opened)
  const services = await createServices(resources, opened)
  app = await buildGatewayApp(resources, services, opened)
  await app.ready()
})
afterAll(async () => {
  await opened.disposeAsync()
  rmSync(folder, { recursive: true, force: true })
})

/** Every route of the application, hidden ones and those of packages included. */
function routesOf(text: string): readonly { readonly method: string; readonly path: string }[] {
  const found: { method: string; path: string }[] = []
  const parts: string[] = []
  for (const line of text.split('\n')) {
    const match = /^([\s│]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (!match) continue
    const depth = (match[1] ?? '').length / 4
    parts.splice(depth, parts.length, match[2] ?? '')
    for (const method of (match[3] ?? '').split(', ').filter((name) => name !== '')) found.push({ method, path: parts.join('') })
  }
  return found
}

describe('every route', () => {
  test('there is stands in the table by which test/hostile/routes.test.ts asks a real process', () => {
    const routes = routesOf(app.printRoutes({ commonPrefix: false }))
    const table = new Set(Object.keys(ROUTES))
    const there = routes.filter(({ method }) => method !== 'OPTIONS' && method !== 'HEAD').map(({ method, path }) => `${method} ${path}`)
    expect(there.toSorted()).toEqual([...table].toSorted())
    const gets = new Set(there)
    for (const { method, path } of routes) if (method === 'HEAD') expect(gets).toContain(`GET ${path}`)
  })

  test('that declares no access keeps the application from starting, and is named', async () => {
    const bare = fastify()
    installAccess(bare, {
      keys: { isOn: () => true, identify: () => null, overRate: async () => undefined, whileValid: () => () => {} },
      keyHeaders: [],
      origins,
    })
    bare.get('/forgotten', async () => 'x')
    await expect(bare.ready()).rejects.toThrow(/declare no access: .*\/forgotten/)
  })
})

describe('a route’s access', () => {
  const server = fastify()
  const caller = (scope: 'read' | 'write' | 'admin') => ({
    key: scope,
    scope,
    models: null,
    providers: null,
    isAdmin: scope === 'admin',
    ratePerMinute: null,
  })
  beforeAll(async () => {
    rememberRoutes(server)
    installProblems(server, { publicUrl: () => '', foreignError: () => undefined })
    installAccess(server, {
      keys: {
        isOn: () => true,
        identify: (secret) => (secret === 'none' ? null : caller(secret as 'read')),
        overRate: async () => undefined,
        whileValid: () => () => {},
      },
      keyHeaders: [],
      origins,
    })
    for (const access of ['open', 'any', 'read', 'write', 'admin'] satisfies Access[])
      server.get(`/${access}`, { config: { access } }, async () => 'ok')
    await server.ready()
  })
  afterAll(() => server.close())

  test.each([
    ['none', [200, 401, 401, 401, 401]],
    ['read', [200, 200, 200, 403, 403]],
    ['write', [200, 200, 200, 200, 403]],
    ['admin', [200, 200, 200, 200, 200]],
  ])('lets the key %s into open, any, read, write and admin routes as %j says', async (secret, expected) => {
    const statuses = await Promise.all(
      ['open', 'any', 'read', 'write', 'admin'].map(
        async (access) => (await server.inject({ url: `/${access}`, headers: { authorization: `Bearer ${secret}` } })).statusCode,
      ),
    )
    expect(statuses).toEqual(expected)
  })
})
