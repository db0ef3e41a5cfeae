import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Call, Generation } from '#contract'
import type { Ports } from '../../src/core/ports.ts'
import { json, launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => void server.close(resolve))
  return port
}

interface Address {
  readonly url: string
  readonly secret: string | null
}

let said: Call[] = []
const listening = (ports: Ports): Ports => ({
  ...ports,
  connect(provider) {
    const connection = ports.connect(provider)
    if (connection === null) return null
    return {
      provider: connection.provider,
      download: (url, options) => connection.download(url, options),
      release: () => connection.release(),
      send(call, timeoutMs) {
        said.push(call)
        return connection.send(call, timeoutMs)
      },
    }
  },
})

/** The callback address a vendor was given, as a submit’s body has it. */
function addressIn(call: Call | undefined): Address | null {
  const body = (Array.isArray(call?.body) ? call.body[0] : call?.body) as Readonly<Record<string, string>> | undefined
  const url = body?.['webhook_url'] ?? body?.['webhookURL']
  return url === undefined ? null : { url, secret: body?.['webhook_secret'] ?? null }
}

const polls = () => said.filter(({ purpose }) => purpose !== 'submit').length
const submits = () => said.filter(({ purpose }) => purpose === 'submit')

let gateway: Gateway
let port: number
const folders: string[] = []
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-hooks-'))
  folders.push(folder)
  return folder
}
const start = (more: { readonly config?: string; readonly dataDirectory?: string } = {}) =>
  launchGateway({ port, wrapPorts: listening, config: `server: { public_url: "http://127.0.0.1:${port}" }\n`, ...more })

beforeAll(async () => {
  port = await freePort()
  gateway = await start()
})
afterEach(() => {
  said = []
})
afterAll(async () => {
  await gateway.close()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A generation whose task never ends by itself, and the callback address of its vendor. */
async function unfinished(provider: string, from: Gateway = gateway): Promise<Address & { readonly id: string }> {
  const { id } = await from.generate({ model: `${provider}/flux-2-pro`, prompt: 'a lighthouse sandbox:never' }, { prefer: 'respond-async' })
  for (let polled = 0; polled < 200 && submits().length === 0; polled++) await new Promise((resolve) => setTimeout(resolve, 5))
  // The reply to the submit is in, and nothing is on its way.
  await new Promise((resolve) => setTimeout(resolve, 60))
  const address = addressIn(submits()[0])
  if (!address) throw new Error('the vendor was given no address')
  return { id, ...address }
}

const callBack = (url: string, secret: string | null, body: string | Uint8Array<ArrayBuffer> = '{}', type = 'application/json') =>
  fetch(url, { method: 'POST', headers: { 'content-type': type, ...(secret === null ? {} : { 'x-webhook-secret': secret }) }, body })

const shown = async (id: string): Promise<Generation> => json<Generation>(await gateway.ask(`/v1/generations/${id}`))
const cancel = (id: string) => gateway.ask(`/v1/generations/${id}/cancel`, { method: 'POST' })
const soon = () => new Promise((resolve) => setTimeout(resolve, 80))

describe('a gateway with a public URL', () => {
  test.each(['bfl', 'runware'])('%s reports its end, so that one poll is enough and comes at once', async (provider) => {
    const generation = await gateway.generate({ model: `${provider}/flux-2-pro` }, { prefer: 'wait=10' })
    expect(generation).toMatchObject({ status: 'succeeded', timing: { polls: 1 } })
    // The first poll comes 1.5 or 2 seconds after the submit.
    expect(generation.timing.total_ms).toBeLessThan(1_400)
    expect(addressIn(submits()[0])?.url).toContain(`${gateway.url}/v1/hooks/${provider}/`)
  })

  test('a vendor without webhooks is given no address and polled as ever', async () => {
    const generation = await gateway.generate({ model: 'vtrix/flux-2-pro' }, { prefer: 'wait=10' })
    expect(generation).toMatchObject({ status: 'succeeded', provider: 'vtrix' })
    expect(addressIn(submits()[0])).toBeNull()
  })

  test('a task that takes long is polled once, when it has ended', async () => {
    const slow = await gateway.generate({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse sandbox:slow' }, { prefer: 'wait=10' })
    expect(slow).toMatchObject({ status: 'succeeded', timing: { polls: 1 } })
  })

  test('a genuine callback brings one early poll, and its repetitions none', async () => {
    const { id, url, secret } = await unfinished('bfl')
    expect(polls()).toBe(0)
    const replies = await Promise.all(Array.from({ length: 10 }, () => callBack(url, secret)))
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200))
    await soon()
    await callBack(url, secret)
    await soon()
    expect(polls()).toBe(1)
    expect((await shown(id)).status).toBe('running')
    await cancel(id)
  })

  test('a callback’s body is not believed', async () => {
    const { id, url } = await unfinished('runware')
    const taskUUID = (submits()[0]?.body as { taskUUID: string }[] | undefined)?.[0]?.taskUUID
    const body = JSON.stringify({
      taskType: 'imageInference',
      taskUUID,
      imageUUID: taskUUID,
      imageURL: 'http://evil.example/1.png',
      cost: 0,
    })
    expect((await callBack(url, null, body)).status).toBe(200)
    await soon()
    expect(await shown(id)).toMatchObject({ status: 'running', images: [] })
    await cancel(id)
  })

  test.each([
    ['a changed proof', (url: string) => url.slice(0, -2) + (url.endsWith('AA') ? 'BB' : 'AA')],
    ['a cut proof', (url: string) => url.slice(0, -1)],
    ['another provider', (url: string) => url.replace('/bfl/', '/runware/')],
    ['another attempt', (url: string) => url.replace(/att_./, 'att_x')],
    ['more at its end', (url: string) => `${url}.x`],
    ['nothing', (url: string) => url.replace(/[^/]+$/, 'x')],
    ['a provider that is not installed', (url: string) => url.replace('/bfl/', '/nobody/')],
  ])('an address with %s is not found and polls nothing', async (_, forge) => {
    const { id, url, secret } = await unfinished('bfl')
    expect((await callBack(forge(url), secret)).status).toBe(404)
    await soon()
    expect(polls()).toBe(0)
    expect((await shown(id)).status).toBe('running')
    await cancel(id)
  })

  test('an address of an unknown task is answered like a forged one of a known task: status, body, headers and time', async () => {
    const { id, url, secret } = await unfinished('bfl')
    const token = (address: string): string => address.slice(address.lastIndexOf('/') + 1)
    const [generationId = '', attemptId = '', proof = ''] = token(url).split('.')
    const forged = `${'A'.repeat(proof.length - 1)}B`
    const base = url.slice(0, url.lastIndexOf('/') + 1)
    const known = `${base}${generationId}.${attemptId}.${forged}`
    const unknown = `${base}gen_${'0'.repeat(generationId.length - 4)}.att_${'0'.repeat(attemptId.length - 4)}.${forged}`
    const timed = async (address: string) => {
      const from = performance.now()
      const reply = await callBack(address, secret)
      const { date: _date, 'x-request-id': _request, ...headers } = Object.fromEntries(reply.headers)
      const { instance: _instance, request_id: _id, ...body } = (await reply.json()) as Record<string, unknown>
      return { ms: performance.now() - from, said: { status: reply.status, headers, body } }
    }
    const times: { known: number[]; unknown: number[] } = { known: [], unknown: [] }
    for (let round = 0; round < 60; round++) {
      const [left, right] = [await timed(known), await timed(unknown)]
      expect(left.said).toEqual(right.said)
      times.known.push(left.ms)
      times.unknown.push(right.ms)
    }
    // The quickest of many is the work itself, without what else the machine does.
    expect(Math.abs(Math.min(...times.known) - Math.min(...times.unknown))).toBeLessThan(2)
    await cancel(id)
  })

  test.each([
    ['without the secret', () => null],
    ['with another secret', () => 'A'.repeat(43)],
    ['with an empty secret', () => ''],
    ['with the secret cut short', (secret: string | null) => (secret ?? '').slice(0, -1)],
  ])('a callback %s is refused and polls nothing', async (_, forge) => {
    const { id, url, secret } = await unfinished('bfl')
    expect((await callBack(url, forge(secret))).status).toBe(401)
    await soon()
    expect(polls()).toBe(0)
    await cancel(id)
  })

  test('one that comes after the end changes nothing', async () => {
    const generation = await gateway.generate({ model: 'bfl/flux-2-pro' }, { prefer: 'wait=10' })
    const address = addressIn(submits()[0])
    const before = polls()
    expect((await callBack(address?.url ?? '', address?.secret ?? null)).status).toBe(200)
    await soon()
    expect(polls()).toBe(before)
    expect(await shown(generation.id)).toEqual(generation)
  })

  test.each([
    ['is not JSON', '<html>', 'text/html'],
    ['is broken JSON', '{"id":', 'application/json'],
    ['is empty', '', 'application/json'],
    ['is bytes', new Uint8Array([0, 255]), 'application/octet-stream'],
  ])('a callback whose body %s is taken all the same', async (_, body, type) => {
    const { id, url, secret } = await unfinished('bfl')
    expect((await callBack(url, secret, body, type)).status).toBe(200)
    await soon()
    expect(polls()).toBe(1)
    await cancel(id)
  })

  test('a body larger than any callback is refused, and polls nothing', async () => {
    const { id, url, secret } = await unfinished('bfl')
    const huge = await callBack(url, secret, new Uint8Array(1024 * 1024 + 1)).then(
      ({ status }) => status,
      () => 413,
    )
    expect(huge).toBe(413)
    await soon()
    expect(polls()).toBe(0)
    await cancel(id)
  })

  test('needs no gateway key where others must give one', async () => {
    const other = await freePort()
    const keys = `keys: [{ name: a, key_hash: ${'ab'.repeat(32)} }]`
    const closed = await launchGateway({ port: other, config: `server: { public_url: "http://127.0.0.1:${other}" }\n${keys}\n` })
    try {
      expect((await closed.ask('/v1/models')).status).toBe(401)
      expect((await callBack(`${closed.url}/v1/hooks/bfl/x`, null)).status).toBe(404)
    } finally {
      await closed.close()
    }
  })
})

test('addresses stay good over a restart: the vendor’s late word is still taken', async () => {
  const dataDirectory = newFolder()
  port = await freePort()
  const before = await start({ dataDirectory })
  const { url, secret, id } = await unfinished('bfl', before)
  await before.close()
  said = []
  const after = await start({ dataDirectory })
  try {
    expect((await callBack(url, secret)).status).toBe(200)
    expect((await json<Generation>(await after.ask(`/v1/generations/${id}`))).id).toBe(id)
    await after.ask(`/v1/generations/${id}/cancel`, { method: 'POST' })
  } finally {
    await after.close()
  }
})

test('vendors get no address without a public URL, or with one no emulator can reach', async () => {
  for (const config of ['', 'server: { public_url: "https://img.example.com" }\n']) {
    said = []
    const plain = await launchGateway({ config, wrapPorts: listening })
    await plain.generate({ model: 'runware/flux-2-pro' })
    expect(submits().map(addressIn)).toEqual([null])
    await plain.close()
  }
})
