import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation, GatewayKeyWithSecret } from '#contract'
import { startOddProcess } from '../crash/process.ts'
import type { OddProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const BOSS = 'the-key-of-boss'
let vendors: Vendors
let folder: ReturnType<Vendors['folder']>
let server: OddProcess
const start = (): Promise<OddProcess> => startOddProcess(folder.environment, join(folder.dataDirectory, '..'))
beforeAll(async () => {
  vendors = await startVendors({ providers: ['runware'], typicalMs: 20 })
  folder = vendors.folder(`keys: [{ name: boss, key_hash: ${createHash('sha256').update(BOSS).digest('hex')}, scope: admin }]\n`)
  server = await start()
}, 60_000)
afterAll(async () => {
  await server.kill('SIGKILL')
  await vendors.close()
  folder.remove()
})

const ask = (key: string, path: string, method = 'GET', body?: object): Promise<Response> =>
  fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })

test('a signed link opens its image for a day, and then no more, while the key still does', async () => {
  const asked = { model: 'runware/flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }
  const { images } = (await (await ask(BOSS, '/v1/generations', 'POST', asked)).json()) as Generation
  const url = images[0]?.url ?? ''
  const statusOf = async (): Promise<number> => (await fetch(url)).status
  expect(await statusOf()).toBe(200)
  const hoursAhead = (hours: number): void => server.change({ clockMs: hours * 3_600_000 })
  hoursAhead(23)
  // The clock is read anew all 10 ms.
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(await statusOf()).toBe(200)
  hoursAhead(25.1)
  await expect.poll(statusOf).toBe(403)
  expect((await ask(BOSS, new URL(url).pathname)).status).toBe(200)
  hoursAhead(0)
  await expect.poll(statusOf).toBe(200)
})

test('a key that is revoked or rotated while requests with it arrive counts no more, after a restart neither', async () => {
  const names = Array.from({ length: 24 }, (_, index) => `key-${index}`)
  const made = await Promise.all(
    names.map(async (name) => (await (await ask(BOSS, '/v1/keys', 'POST', { name })).json()) as GatewayKeyWithSecret),
  )
  // The first use of a key is written behind the request.
  const next = await Promise.all(
    made.map(async ({ name, secret }, index) => {
      const uses = [1, 2, 3].map(() => ask(secret, '/v1/key'))
      const isRotated = index % 2 === 0
      const [path, method] = isRotated ? [`/v1/keys/${name}/rotate`, 'POST'] : [`/v1/keys/${name}`, 'DELETE']
      const changed = ask(BOSS, path, method, isRotated ? { grace_seconds: 0 } : undefined)
      uses.push(...[1, 2, 3].map(() => ask(secret, '/v1/key')))
      await Promise.all(uses)
      return isRotated ? ((await (await changed).json()) as GatewayKeyWithSecret).secret : (await changed).status
    }),
  )
  const judge = async (): Promise<void> => {
    expect(await Promise.all(made.map(async ({ secret }) => (await ask(secret, '/v1/key')).status))).toEqual(made.map(() => 401))
    const fresh = next.filter((one) => typeof one === 'string')
    expect(fresh).toHaveLength(names.length / 2)
    expect(await Promise.all(fresh.map(async (secret) => (await ask(secret, '/v1/key')).status))).toEqual(fresh.map(() => 200))
  }
  await judge()
  await server.kill('SIGTERM')
  server = await start()
  await judge()
})
