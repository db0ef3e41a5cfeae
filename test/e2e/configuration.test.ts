import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import { StartRefused } from '../../src/gateway/start.ts'
import { startVendors } from '../crash/vendors.ts'
import { json, problem, launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function gateway(...options: Parameters<typeof launchGateway>): Promise<Gateway> {
  const started = await launchGateway(...options)
  open.push(started)
  return started
}

async function until<T>(find: () => Promise<T | null>, what: string): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const found = await find()
    if (found !== null) return found
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`never: ${what}`)
}

describe('switching provider', () => {
  test('is an edit of one line: the next request goes elsewhere, one in flight is not disturbed', async () => {
    const g = await gateway({ config: 'models: { flux-2-pro: { route: { order: [bfl] } } }', typicalMs: 1_500 })
    const inFlight = await g.generate({ prompt: 'first' }, { prefer: 'respond-async' })
    writeFileSync(g.configPath, 'models: { flux-2-pro: { route: { order: [runware] } } }')
    await g.reload()
    const switched = await until(async () => {
      const quote = await g.generate({ prompt: 'next' }, { prefer: 'respond-async' })
      return quote.routing.considered[0]?.provider === 'runware' ? quote : null
    }, 'the new configuration in force')
    expect(switched.routing).toMatchObject({ strategy: 'order' })
    const first = await json<Generation>(await g.ask(`/v1/generations/${inFlight.id}`, { headers: { prefer: 'wait=60' } }))
    expect(first).toMatchObject({ status: 'succeeded', provider: 'bfl' })
  })

  test('is noticed without a signal when the file changes', async () => {
    const g = await gateway({ config: 'models: { mine: { model: flux-2-pro } }' })
    writeFileSync(g.configPath, 'models: { yours: { model: flux-2-pro } }')
    await until(async () => ((await g.ask('/v1/models/yours')).status === 200 ? true : null), 'the new alias')
    expect((await g.ask('/v1/models/mine')).status).toBe(404)
  })

  test('to a bad file changes nothing', async () => {
    const g = await gateway({ config: 'models: { mine: { model: flux-2-pro } }' })
    writeFileSync(g.configPath, 'models: { mine: { model: flux-9 } }\nprovders: {}\n')
    await g.reload()
    expect((await g.ask('/v1/models/mine')).status).toBe(200)
  })
})

describe('starting', () => {
  test('is refused with every problem, its line and column, and the remedy', async () => {
    const config = 'server: { prot: 80 }\nmodels:\n  a: { model: flux-9 }\n  b: { model: flux-2-pro, route: { order: [nobody] } }\n'
    const error: unknown = await launchGateway({ config }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StartRefused)
    expect(String(error)).toMatch(/yaml:1:\d+.*prot/)
  })

  test.for([
    ['store: { url: "postgres://127.0.0.1:1/imagegate" }', /the database cannot be reached/],
    ['assets: { url: "s3://bucket?endpoint=http://127.0.0.1:1" }', /assets\.url: the bucket bucket .*cannot be used/],
  ] as const)('with %s is refused, not silently kept elsewhere', async ([config, reason]) => {
    // A sandbox keeps everything in its own folder and uses neither.
    const error: unknown = await launchGateway({ config, env: { BFL_API_KEY: 'no-sandbox' } }).catch((refused: unknown) => refused)
    expect(error).toBeInstanceOf(StartRefused)
    expect(String(error)).toMatch(reason)
  })

  test('on all interfaces without keys is refused, and says how to fix it', async () => {
    const error: unknown = await launchGateway({ env: { HOST: '0.0.0.0' } }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StartRefused)
    expect(String(error)).toMatch(/key/)
  })
})

describe('gateway keys', () => {
  const KEY = 'a-gateway-key'
  // printf %s a-gateway-key | sha256sum
  const config = 'keys: [ { name: team-a, key_hash: 9e66bc0f4e5cd3fb0cb9aaf6b9eaea6cb0b0ca2a4efcbae6dd6b7a7bb2a0b9b1 } ]'

  test('are asked for on every route but health and images, and separate what each may see', async () => {
    const { createHash } = await import('node:crypto')
    const hash = (key: string) => createHash('sha256').update(key).digest('hex')
    const g = await gateway({
      config: config.replace(/key_hash: \w+ \}/, `key_hash: ${hash(KEY)} }, { name: team-b, key_hash: ${hash('other')} }`),
    })
    const as = (key: string) => ({ authorization: `Bearer ${key}` })
    for (const path of ['/v1/generations', '/v1/models', '/v1/providers', '/v1/generations/gen_x', '/v1/generations/gen_x/events']) {
      const reply = await g.ask(path)
      expect([path, reply.status]).toEqual([path, 401])
      expect(reply.headers.get('www-authenticate')).toBe('Bearer realm="imagegate"')
      expect(await problem(reply)).toMatchObject({ code: 'unauthorized', detail: expect.stringContaining('none came') })
      const wrong = await g.ask(path, { headers: as('wrong') })
      expect([wrong.status, await problem(wrong)]).toMatchObject([
        401,
        { code: 'unauthorized', detail: expect.stringContaining('not known here') },
      ])
    }
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs']) expect([path, (await g.ask(path)).status]).toEqual([path, 200])
    expect((await g.ask('/metrics')).status).toBe(401)
    expect((await g.ask('/metrics', { headers: as('other') })).status).toBe(200)
    const mine = await g.generate({}, as(KEY))
    expect((await g.ask(`/v1/generations/${mine.id}`, { headers: as(KEY) })).status).toBe(200)
    expect((await g.ask(`/v1/generations/${mine.id}`, { headers: as('other') })).status).toBe(404)
    expect((await g.ask(`/v1/generations/${mine.id}/cancel`, { method: 'POST', headers: as('other') })).status).toBe(404)
    expect(await json<{ data: unknown[] }>(await g.ask('/v1/generations', { headers: as('other') }))).toMatchObject({ data: [] })
    expect((await fetch(mine.images[0]?.url ?? '')).status).toBe(200)
  })
})

describe('a real vendor key', () => {
  /** A vendor that remembers its requests. */
  async function vendor() {
    const seen: { url: string; key: string | undefined }[] = []
    const server = createServer((request, response) => {
      seen.push({ url: request.url ?? '', key: request.headers['x-key'] as string | undefined })
      response.writeHead(402, { 'content-type': 'application/json' }).end('{"detail":"Insufficient credits"}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) })
    return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }

  test('makes that provider real and the others disabled, with the reason; sandbox and real are never mixed', async () => {
    const real = await vendor()
    const g = await gateway({ env: { BFL_API_KEY: 'real-key' }, config: `providers: { bfl: { base_url: "${real.url}" } }` })
    const { data } = await json<{ data: { id: string; state: string; reason: string | null; sandbox: boolean }[] }>(
      await g.ask('/v1/providers'),
    )
    expect(data.map(({ id, state, sandbox }) => [id, state, sandbox])).toEqual([
      ['bfl', 'enabled', false],
      ['runware', 'disabled', false],
      ['vtrix', 'disabled', false],
    ])
    expect(data[1]?.reason).toContain('RUNWARE_API_KEY')
    const generation = await g.generate({})
    expect(generation).toMatchObject({
      sandbox: false,
      status: 'failed',
      error: { code: 'insufficient_credit', provider: 'bfl', billed: false },
      cost: { amount: '0' },
    })
    expect(real.seen.filter(({ url }) => url === '/v1/flux-2-pro')).toEqual([{ url: '/v1/flux-2-pro', key: 'real-key' }])
  })
})

describe('the way out', () => {
  /** A proxy that grants every tunnel, and remembers to where. */
  async function proxy() {
    const tunnels: string[] = []
    const server = createServer()
    server.on('connect', ({ url = '' }: IncomingMessage, socket: Socket, head: Buffer) => {
      tunnels.push(url)
      const { hostname, port } = new URL(`http://${url}`)
      const upstream = connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        if (head.length > 0) upstream.write(head)
        upstream.pipe(socket).pipe(upstream)
      })
      for (const end of [upstream, socket]) end.on('error', () => void [upstream.destroy(), socket.destroy()])
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) })
    return { tunnels, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }

  test('leads through the proxy of HTTPS_PROXY, for submits, polls and images alike', async () => {
    const vendors = await startVendors({ providers: ['bfl'] })
    open.push(vendors)
    const { tunnels, url } = await proxy()
    const { host } = new URL(vendors.front('bfl').url)
    const config = `providers: { bfl: { api_key: ${SANDBOX_KEY}, base_url: "${vendors.front('bfl').url}" } }`
    const g = await gateway({ config, env: { HTTPS_PROXY: url } })
    expect(await g.generate({ width: 256, height: 256 })).toMatchObject({ status: 'succeeded' })
    expect(tunnels.length).toBeGreaterThan(0)
    expect(new Set(tunnels)).toEqual(new Set([host]))

    const seen = tunnels.length
    writeFileSync(g.configPath, `${config}\nnetwork: { no_proxy: "127.0.0.1" }`)
    await g.reload()
    expect(await g.generate({ width: 256, height: 256 })).toMatchObject({ status: 'succeeded' })
    expect(tunnels).toHaveLength(seen)
  })

  test('never leads to the emulators of a sandbox', async () => {
    const { tunnels, url } = await proxy()
    const g = await gateway({ env: { HTTPS_PROXY: url } })
    expect(await g.generate({ width: 256, height: 256 })).toMatchObject({ status: 'succeeded', sandbox: true })
    expect(tunnels).toEqual([])
  })
})
