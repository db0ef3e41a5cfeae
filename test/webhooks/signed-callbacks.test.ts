import '../transport/real-sockets.ts'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifest, modelEntry, writeFiles } from '../catalogue/fake-providers.ts'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { ROOT } from '../support/source-tree.ts'
import { callBack, ed25519, standard } from './written-callback.ts'
import type { Written } from './written-callback.ts'

/** Submits a task, gives the vendor our address, and polls for ever. */
const ADAPTER = `import { z } from 'zod'
export const adapter = {
  options: z.strictObject({}),
  translate: ({ webhook }) => ({ call: { purpose: 'submit', method: 'POST', url: '/tasks', body: { address: webhook?.url ?? null, secret: webhook?.secret ?? null } }, warnings: [] }),
  interpret: (reply, call) =>
    ({ kind: 'pending', next: call.purpose === 'submit' ? { purpose: 'poll', method: 'GET', url: '/tasks/' + reply.body.id } : call, afterMs: null }),
}
`
const SECRET = `whsec_${Buffer.from('what the vendor signs with').toString('base64')}`
const HEADERS = { signed: ['x-call-id', 'x-user', 'x-sent-at'], id: 'x-call-id', timestamp: 'x-sent-at', signature: 'x-signed' }
const pair = generateKeyPairSync('ed25519')

const checkout = mkdtempSync(join(tmpdir(), 'imagegate-signed-'))
const servers: Server[] = []
let gateway: ServerProcess
/** By provider: the address and the secret it was given last, and how often it was polled. */
const addresses = new Map<string, string | null>()
const secrets = new Map<string, string | null>()
const polls = new Map<string, number>()
const keysAsked: string[] = []

async function serve(answer: (request: IncomingMessage) => unknown): Promise<string> {
  const server = createServer((request, response) => {
    void Promise.resolve(answer(request)).then((body) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)))
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const keyList = (name: string) =>
  serve(() => {
    keysAsked.push(name)
    return { keys: [pair.publicKey.export({ format: 'jwk' })] }
  })

async function vendor(request: IncomingMessage): Promise<object> {
  const [, id = '', , task] = (request.url ?? '').split('/')
  if (request.method === 'GET') {
    polls.set(id, (polls.get(id) ?? 0) + 1)
    return { id: task }
  }
  const given = JSON.parse(await text(request)) as { readonly address: string | null; readonly secret: string | null }
  addresses.set(id, given.address)
  secrets.set(id, given.secret)
  return { id: randomUUID() }
}

const madeUp = (id: string, proof: object) => ({
  [`providers/${id}/adapter.ts`]: ADAPTER,
  [`providers/${id}/manifest.json`]: {
    ...manifest(id, { big: modelEntry() }),
    hosts: ['127.0.0.1'],
    auth: { header: 'x-key', env: `${id.toUpperCase()}_KEY` },
    timeouts: { submit_ms: 60_000, poll_ms: 60_000, deadline_ms: 600_000 },
    polling: { first_ms: 300_000, min_ms: 300_000, max_ms: 300_000 },
    declares: { ...manifest(id, {}).declares, webhook: true },
    ...proof,
  },
})

beforeAll(async () => {
  const [vendors, keys, others] = await Promise.all([serve(vendor), keyList('allowed'), keyList('not allowed')])
  const port = await serve(() => null).then((host) => Number(host.split(':')[1]))
  await new Promise((resolve) => servers.pop()?.close(resolve))
  for (const path of ['src', 'package.json']) cpSync(join(ROOT, path), join(checkout, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
  const base = (id: string): string => `${id}: { api_key: key-of-${id}-0123, base_url: "http://${vendors}/${id}"`
  await writeFiles(checkout, {
    ...madeUp('hooks', { callbacks: { signature: { scheme: 'standard-webhooks', secret_env: 'HOOKS_SECRET' } } }),
    ...madeUp('mute', { callbacks: { signature: { scheme: 'standard-webhooks', secret_env: 'MUTE_SECRET' } } }),
    ...madeUp('curve', { callbacks: { signature: { scheme: 'ed25519-jwks', jwks_url: `http://${keys}/jwks.json`, headers: HEADERS } } }),
    ...madeUp('inside', { callbacks: { signature: { scheme: 'ed25519-jwks', jwks_url: `http://${others}/jwks.json`, headers: HEADERS } } }),
    ...madeUp('plain', { webhook_secret_header: 'x-task-secret' }),
    'imagegate.yaml': `server: { public_url: "http://127.0.0.1:${port}" }
network: { allow: ["${keys}"] }
providers: { ${base('hooks')}, callback_secret: "${SECRET}" }, ${base('mute')} }, ${base('curve')} }, ${base('inside')} }, ${base('plain')} } }
`,
  })
  const env = { IMAGEGATE_DATA: join(checkout, 'data'), IMAGEGATE_CONFIG: join(checkout, 'imagegate.yaml'), PORT: String(port) }
  gateway = await startProcess(env, null, checkout)
}, 60_000)
afterAll(async () => {
  await gateway.kill('SIGKILL')
  for (const server of servers) server.close()
  rmSync(checkout, { recursive: true, force: true })
})

const hooks = (written: Written) => standard(SECRET, written)
const curve = (written: Written) => ed25519(HEADERS, pair.privateKey, written)

/** A task at a provider, whose vendor was given an address; null where it was given none. */
async function bought(provider: string): Promise<string | null> {
  addresses.delete(provider)
  const reply = await fetch(`${gateway.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'respond-async' },
    body: JSON.stringify({ model: `${provider}/big`, prompt: 'a lighthouse' }),
  })
  expect(reply.status, await reply.text()).toBe(202)
  await expect.poll(() => addresses.has(provider), { timeout: 10_000 }).toBe(true)
  // Where the reply to the submit is being read, a callback is kept for later.
  await new Promise((resolve) => setTimeout(resolve, 150))
  return addresses.get(provider) ?? null
}

test.each([
  ['hooks', hooks],
  ['curve', curve],
] as const)(
  'a callback of %s that is signed, fresh and new brings a poll; any other is answered like an unknown address',
  async (id, signedBy) => {
    const url = (await bought(id)) ?? ''
    expect(url).toContain(`/v1/hooks/${id}/`)
    const unknown = await callBack(`${url.slice(0, -3)}xyz`, signedBy({}))
    expect(unknown.status).toBe(404)
    const wrong = { ...signedBy({}), ...(id === 'hooks' ? { 'webhook-signature': 'v1,AAAA' } : { 'x-signed': 'ab'.repeat(64) }) }
    for (const bad of [{}, wrong, signedBy({ signed: '{"other":1}' }), signedBy({ ageSeconds: 400 }), signedBy({ ageSeconds: -400 })])
      expect(await callBack(url, bad)).toEqual(unknown)
    expect(polls.get(id)).toBeUndefined()
    const genuine = signedBy({ body: '{"status":"done"}' })
    expect((await callBack(url, genuine, '{"status":"done"}')).status).toBe(200)
    await expect.poll(() => polls.get(id)).toBe(1)
    expect(await callBack(url, genuine, '{"status":"done"}')).toEqual(unknown)
    expect(polls.get(id)).toBe(1)
  },
)

test('a callback that nobody signs needs its address and its secret; sent again it brings no poll, and a forged one takes as long as one of nobody', async () => {
  const url = (await bought('plain')) ?? ''
  const secret = { 'x-task-secret': secrets.get('plain') ?? '' }
  const [, task = '', proof = ''] = /([^/]+)\.([^.]+)$/.exec(url) ?? []
  const forged = url.replace(proof, `${'A'.repeat(proof.length - 1)}B`)
  const ofNobody = forged.replace(task, task.replaceAll(/[0-9a-f]{8}(?=\.|$)/g, '00000000'))
  expect(ofNobody).not.toBe(forged)
  const leastMs = { forged: Infinity, ofNobody: Infinity }
  for (let round = 0; round < 40; round += 1) {
    const from = performance.now()
    const one = await callBack(forged, secret)
    const between = performance.now()
    const other = await callBack(ofNobody, secret)
    expect([one.status, other]).toEqual([404, one])
    leastMs.forged = Math.min(leastMs.forged, between - from)
    leastMs.ofNobody = Math.min(leastMs.ofNobody, performance.now() - between)
  }
  // The quickest of many is the work itself, without what else the machine does.
  expect(Math.abs(leastMs.forged - leastMs.ofNobody)).toBeLessThan(2)
  for (const wrong of [
    {},
    { 'x-task-secret': '' },
    { 'x-task-secret': 'A'.repeat(43) },
    { 'x-task-secret': secret['x-task-secret'].slice(1) },
  ])
    expect((await callBack(url, wrong)).status).toBe(401)
  expect(polls.get('plain')).toBeUndefined()

  expect((await callBack(url, secret)).status).toBe(200)
  await expect.poll(() => polls.get('plain')).toBe(1)
  await Promise.all(Array.from({ length: 20 }, () => callBack(url, secret)))
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(polls.get('plain')).toBe(1)
})

test('the list of keys is asked for once, however many signatures are wrong, and only where the guarded client may go', async () => {
  expect(keysAsked).toEqual(['allowed'])
  const url = (await bought('inside')) ?? ''
  expect((await callBack(url, curve({}))).status).toBe(404)
  expect(keysAsked).toEqual(['allowed'])
  expect(polls.get('inside')).toBeUndefined()
})

test('a vendor whose secret nobody gave is given no address, and is polled', async () => {
  expect(await bought('mute')).toBeNull()
})
