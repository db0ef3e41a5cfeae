import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayKeyState, GatewayKeyWithSecret, Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startSpitefulVendor } from '../e2e/spiteful-vendor.ts'
import type { SpitefulVendor } from '../e2e/spiteful-vendor.ts'
import { loadEmulator } from '../support/installed-providers.ts'
import { openStorage, STORAGES } from '../support/storages.ts'
import type { Storage } from '../support/storages.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const BOSS = 'canary-key-of-the-boss-77'
const VENDOR_KEY = 'canary-key-of-the-vendor-88'
const SIGNATURE = 'canary-signature-99'
const PIXELS = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }

describe.each(STORAGES)('a gateway that keeps what it knows in %s', (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-both-'))
  const data = join(folder, 'data')
  let storage: Storage
  let emulator: Awaited<ReturnType<Awaited<ReturnType<typeof loadEmulator>>>>
  let vendor: SpitefulVendor
  let server: ServerProcess
  const start = async (): Promise<void> => {
    const env = { ...storage.environment, IMAGEGATE_DATA: data, IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), LOG_LEVEL: 'trace' }
    server = await startOverridden(env, { providers: ['runware'] })
  }
  beforeAll(async () => {
    storage = await openStorage(name)
    emulator = await (await loadEmulator('runware'))({ typicalMs: 20 })
    vendor = await startSpitefulVendor(emulator.url, SIGNATURE)
    const hash = createHash('sha256').update(BOSS).digest('hex')
    const keys = `keys: [{ name: boss, key_hash: ${hash}, scope: admin }]\n`
    const providers = `providers: { runware: { api_key: ${VENDOR_KEY}, base_url: "${vendor.url}" } }\n`
    writeFileSync(join(folder, 'imagegate.yaml'), `${storage.configuration('link_ttl: 1h')}${keys}${providers}`)
    await start()
  }, 60_000)
  afterAll(async () => {
    await server.kill('SIGKILL')
    await Promise.all([vendor.close(), emulator.close()])
    storage.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = (key: string, path: string, body?: object, method = body ? 'POST' : 'GET'): Promise<Response> =>
    fetch(server.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  const statusOf = async (key: string, path: string, body?: object): Promise<number> => (await ask(key, path, body)).status
  const make = async (body: object): Promise<GatewayKeyWithSecret> =>
    (await (await ask(BOSS, '/v1/keys', body)).json()) as GatewayKeyWithSecret

  test('makes, rotates and revokes keys that count at once and over a restart, and knows when each was used', async () => {
    const [kept, rotated, revoked] = [await make({ name: 'kept' }), await make({ name: 'rotated' }), await make({ name: 'revoked' })]
    for (const { secret } of [kept, rotated, revoked]) expect(await statusOf(secret, '/v1/models')).toBe(200)
    const renewed = (await (await ask(BOSS, '/v1/keys/rotated/rotate', { grace_seconds: 0 })).json()) as GatewayKeyWithSecret
    expect((await ask(BOSS, '/v1/keys/revoked', undefined, 'DELETE')).status).toBeLessThan(300)
    const judged = async (): Promise<readonly number[]> =>
      Promise.all([kept, renewed, rotated, revoked].map(({ secret }) => statusOf(secret, '/v1/models')))
    expect(await judged()).toEqual([200, 200, 401, 401])
    await server.kill('SIGKILL')
    await start()
    expect(await judged()).toEqual([200, 200, 401, 401])
    const used = async (): Promise<boolean> => {
      const { data: keys } = (await (await ask(BOSS, '/v1/keys')).json()) as { readonly data: readonly GatewayKeyState[] }
      return keys.find((key) => key.name === 'kept')?.last_used_at != null
    }
    await expect.poll(used, { timeout: 60_000 }).toBe(true)
  })

  test('keeps scopes, models and the rate of a key, exactly', async () => {
    const reader = await make({ name: 'reader', scope: 'read' })
    expect([await statusOf(reader.secret, '/v1/models'), await statusOf(reader.secret, '/v1/generations', PIXELS)]).toEqual([200, 403])
    const narrow = await make({ name: 'narrow', models: ['flux-2-flex'] })
    expect(await statusOf(narrow.secret, '/v1/quotes', PIXELS)).toBe(404)
    const rated = await make({ name: 'rated', rate: { per_minute: 5 } })
    const replies = await Promise.all(Array.from({ length: 12 }, () => ask(rated.secret, '/v1/models')))
    expect(replies.filter(({ status }) => status === 200).length).toBe(5)
    const over = replies.filter(({ status }) => status === 429)
    expect([over.length, over[0]?.headers.get('ratelimit')]).toEqual([7, expect.stringContaining('r=0')])
    expect(Number(over[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('shows an image to its key and by its signed link alone, in every size, and takes it as a reference of its key alone', async () => {
    const [one, other] = [await make({ name: 'one' }), await make({ name: 'other' })]
    const { images } = (await (await ask(one.secret, '/v1/generations', PIXELS)).json()) as Generation
    const link = new URL(images[0]?.url ?? '')
    const bare = await fetch(`${server.url}${link.pathname}`)
    const signed = await fetch(`${server.url}${link.pathname}${link.search}`)
    const changed = await fetch(`${server.url}${link.pathname}${link.search.slice(0, -3)}AAA`)
    expect([bare.status, signed.status, signed.headers.get('content-type'), changed.status]).toEqual([401, 200, 'image/jpeg', 401])
    expect([await statusOf(one.secret, link.pathname), await statusOf(other.secret, link.pathname)]).toEqual([200, 404])
    const reference = { ...PIXELS, reference_images: [{ image: images[0]?.id }] }
    expect(await statusOf(other.secret, '/v1/quotes', reference)).toBe(400)
    expect([await statusOf(other.secret, '/v1/generations', reference), await statusOf(one.secret, '/v1/generations', reference)]).toEqual([
      400, 200,
    ])
    const small = async (search: string, key?: string): Promise<readonly [number, string | null]> => {
      const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
      const reply = await fetch(`${server.url}${link.pathname}${search}`, { headers })
      return [reply.status, reply.headers.get('content-type')]
    }
    expect(await small(`${link.search}&w=64`)).toEqual([200, 'image/webp'])
    expect(await small('?w=64', one.secret)).toEqual([200, 'image/webp'])
    const refused = await Promise.all([small('?w=64'), small('?w=64', other.secret), small(`${link.search.slice(0, -3)}AAA&w=64`)])
    expect(refused.map(([status]) => status)).toEqual([401, 404, 401])
  })

  test('writes no key into its rows, its files, its bucket or its log, also where the vendor says its own back', async () => {
    const { secret } = await make({ name: 'silent' })
    for (const story of ['plain', 'moderated', 'rejected', 'unauthorized']) {
      const reply = await ask(secret, '/v1/generations', { ...PIXELS, prompt: `a lighthouse sandbox:${story}` })
      expect(await reply.text()).not.toMatch(/canary-/)
    }
    expect(vendor.calls()).toBeGreaterThan(4)
    const objects = storage.bucket === null ? '' : filesOf(storage.bucket, /^$/)
    // The bucket's server keeps the name and the headers of each object beside it.
    if (storage.bucket !== null) expect(objects).toMatch(/image\/(?:jpeg|png|webp)/)
    const kept = `${await rowsIn(storage)}\n${filesOf(folder, /imagegate\.yaml$/)}\n${objects}\n${server.said()}`
    expect(kept).toContain('a lighthouse')
    expect(kept).toContain('[redacted]')
    const secrets = [BOSS, VENDOR_KEY, secret]
    const spelled = secrets.flatMap((one) => [one, Buffer.from(one).toString('base64').slice(0, -4), Buffer.from(one).toString('hex')])
    expect(spelled.filter((one) => kept.includes(one))).toEqual([])
  })
})

/** Every row of every table, as text; empty where the database is a file. */
async function rowsIn({ database }: Storage): Promise<string> {
  if (database === null) return ''
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  try {
    const found = await client.query<{ name: string }>(
      "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname LIKE 'imagegate%'",
    )
    const texts: string[] = []
    for (const { name } of found.rows) {
      const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${name} AS t`)
      texts.push(...rows.map(({ text }) => text))
    }
    return texts.join('\n')
  } finally {
    await client.end()
  }
}

function filesOf(path: string, but: RegExp): string {
  if (statSync(path).isDirectory())
    return readdirSync(path)
      .map((name) => filesOf(join(path, name), but))
      .join('\n')
  return but.test(path) ? '' : readFileSync(path).toString('latin1')
}
