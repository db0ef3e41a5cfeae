import { useRealSockets } from '../transport/real-sockets.ts'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { manifest, modelEntry, writeFiles } from '../catalogue/fake-providers.ts'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { freePort } from '../support/free-port.ts'
import { residentBytes } from '../support/resident-bytes.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import { ROOT } from '../support/source-tree.ts'
import { headersOf, startReceiver } from '../webhooks/receiver.ts'
import type { Receiver } from '../webhooks/receiver.ts'
import { callBack, ed25519, standard } from '../webhooks/written-callback.ts'
import type { Written } from '../webhooks/written-callback.ts'

useRealSockets()

const pair = generateKeyPairSync('ed25519')
const JWK = pair.publicKey.export({ format: 'jwk' })
const STRANGER = generateKeyPairSync('ed25519')
const SECRET = `whsec_${Buffer.from('what replicate signs with').toString('base64')}`
const OWN_SECRET = `whsec_${Buffer.from('what we sign with, 24 bytes').toString('base64')}`
const HEADERS = { signed: ['x-call-id', 'x-sent-at'], id: 'x-call-id', timestamp: 'x-sent-at', signature: 'x-signed' }
/** Submits a task, gives the vendor our address, and polls once in five minutes. */
const ADAPTER = `import { z } from 'zod'
export const adapter = {
  options: z.strictObject({}),
  translate: ({ webhook }) => ({ call: { purpose: 'submit', method: 'POST', url: '/tasks', body: { address: webhook?.url ?? null } }, warnings: [] }),
  interpret: (reply, call) =>
    ({ kind: 'pending', next: call.purpose === 'submit' ? { purpose: 'poll', method: 'GET', url: '/tasks/' + reply.body.id } : call, afterMs: null }),
}
`

const deep = (count: number): string => `${'['.repeat(count)}${']'.repeat(count)}`
const document = (body: string | Buffer, headers: Readonly<Record<string, string>> = {}) => ({
  answer: (response: ServerResponse) => void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body),
})
const redirect = (location: string) => ({ answer: (response: ServerResponse) => void response.writeHead(302, { location }).end() })
const goingOn = (ms: number, part: string) => ({
  answer(response: ServerResponse) {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"keys":[')
    const timer = setInterval(() => response.write(part), ms)
    response.once('close', () => clearInterval(timer))
  },
})
const KEYS_OF_STRANGERS = (count: number) => Array.from({ length: count }, () => STRANGER.publicKey.export({ format: 'jwk' }))

interface List {
  readonly answer: (response: ServerResponse) => void
  /** It is a list, with nothing in it that has signed. */
  readonly isList?: true
}
/** What a vendor, or whoever stands in for it, publishes instead of a list of keys. */
const LISTS: Readonly<Record<string, List>> = {
  huge: goingOn(1, ' '.repeat(16_384)),
  long: document(JSON.stringify({ keys: [...KEYS_OF_STRANGERS(10_000), JWK] })),
  many: { ...document(JSON.stringify({ keys: [...KEYS_OF_STRANGERS(600), JWK] })), isList: true },
  slow: goingOn(200, ' '),
  silent: { answer: () => {} },
  'deep-list': { ...document(`{"keys":[${deep(30_000)}]}`), isList: true },
  'deep-text': document(deep(30_000)),
  'broken-text': document('['.repeat(60_000)),
  'odd-list': {
    ...document(
      JSON.stringify({ keys: [1, null, [], { ...JWK, x: 5 }, { ...JWK, x: 'short' }, { ...JWK, crv: 'X25519' }, { kty: 'RSA' }] }),
    ),
    isList: true,
  },
  'odd-text': document('{"keys":"none"}'),
  page: document('<html>keys</html>', { 'content-type': 'text/html' }),
  packed: document(gzipSync(Buffer.alloc(40_000_000, ' ')), { 'content-encoding': 'gzip' }),
  away: { answer: (response) => void response.writeHead(503).end() },
  cut: { answer: (response) => void response.writeHead(200, { 'content-length': '500' }).write('{"keys":[', () => response.destroy()) },
  inside: redirect('inside'),
  metadata: redirect('http://169.254.169.254/latest/meta-data/'),
  file: redirect('file:///etc/passwd'),
  around: redirect('around'),
}
const NAMES = Object.keys(LISTS)
/** What an attack costs comes back each time, and a list is asked for once a minute: each has as many names. */
const TRIES = 3
const idOf = (name: string, run: number): string => `${name}-${'abc'[run]}`
const IDS = NAMES.flatMap((name) => Array.from({ length: TRIES }, (_, run) => idOf(name, run)))
/** Their lists come late, and hold as many keys as count. */
const LATE_IDS = Array.from({ length: TRIES }, (_, run) => idOf('late', run))
const LATE_MS = 2_000
const MOST_KEYS = 32
const WAITING = 300

const checkout = mkdtempSync(join(tmpdir(), 'imagegate-callbacks-'))
const servers: Server[] = []
let vendors: Vendors
let gateway: ServerProcess
let receiver: Receiver
/** By provider: the address it was given last, and how often it was polled. */
const addresses = new Map<string, string>()
const polls = new Map<string, number>()
/** How often each list of keys was asked for, and what is inside. */
const asked = new Map<string, number>()

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function vendor(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, id = '', , task] = (request.url ?? '').split('/')
  if (request.method === 'GET') polls.set(id, (polls.get(id) ?? 0) + 1)
  else addresses.set(id, (JSON.parse(await text(request)) as { readonly address: string }).address)
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ id: task ?? randomUUID() }))
}

const madeUp = (id: string, keys: string) => ({
  [`providers/${id}/adapter.ts`]: ADAPTER,
  [`providers/${id}/manifest.json`]: {
    ...manifest(id, { big: modelEntry() }),
    hosts: ['127.0.0.1'],
    auth: { header: 'x-key', env: `${id.toUpperCase().replaceAll('-', '_')}_KEY` },
    timeouts: { submit_ms: 60_000, poll_ms: 60_000, deadline_ms: 600_000 },
    polling: { first_ms: 300_000, min_ms: 300_000, max_ms: 300_000 },
    declares: { ...manifest(id, {}).declares, webhook: true },
    callbacks: { signature: { scheme: 'ed25519-jwks', jwks_url: `http://${keys}/${id}`, headers: HEADERS } },
  },
})

/** fal as it is, but for where its keys are. */
function falWithKeysAt(keys: string): object {
  const own = JSON.parse(readFileSync(join(ROOT, 'providers/fal/manifest.json'), 'utf8')) as {
    readonly hosts: readonly string[]
    readonly callbacks: { readonly signature: object }
  }
  return {
    ...own,
    hosts: [...own.hosts, '127.0.0.1'],
    callbacks: { signature: { ...own.callbacks.signature, jwks_url: `http://${keys}/fal` } },
  }
}

beforeAll(async () => {
  const inside = await serve((_request, response) => {
    asked.set('what is inside', 1)
    response.end(JSON.stringify({ keys: [JWK] }))
  })
  const keys: string = await serve((request, response) => {
    const name = (request.url ?? '').slice(1)
    asked.set(name, (asked.get(name) ?? 0) + 1)
    if (name === 'fal') return response.end(JSON.stringify({ keys: [JWK] }))
    if (name.startsWith('late')) return setTimeout(() => response.end(JSON.stringify({ keys: KEYS_OF_STRANGERS(MOST_KEYS) })), LATE_MS)
    if (name.startsWith('inside')) return response.writeHead(302, { location: `http://${inside}/` }).end()
    if (name.startsWith('around')) return response.writeHead(302, { location: `http://${keys}/${name}` }).end()
    return LISTS[name.slice(0, -2)]?.answer(response)
  })
  const [tasks, port] = [await serve(vendor), await freePort()]
  vendors = await startVendors({ providers: ['fal', 'replicate'] })
  receiver = await startReceiver()
  for (const path of ['src', 'package.json', 'providers/fal', 'providers/replicate'])
    cpSync(join(ROOT, path), join(checkout, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
  mkdirSync(join(checkout, 'providers'), { recursive: true })
  writeFileSync(join(checkout, 'providers/fal/manifest.json'), JSON.stringify(falWithKeysAt(keys)))
  const settings = [...IDS, ...LATE_IDS].map((id) => `${id}: { api_key: key-of-${id}-0123, base_url: "http://${tasks}/${id}" }`)
  const real = ['fal', 'replicate'].map(
    (id) =>
      `${id}: { api_key: sandbox-0123, base_url: "${vendors.front(id).url}"${id === 'replicate' ? `, callback_secret: "${SECRET}"` : ''} }`,
  )
  await writeFiles(checkout, {
    ...Object.assign({}, ...[...IDS, ...LATE_IDS].map((id) => madeUp(id, keys))),
    'imagegate.yaml': `server: { public_url: "http://127.0.0.1:${port}" }
network: { allow: ["${keys}", "${new URL(receiver.url).host}"] }
webhooks: { secrets: ["${OWN_SECRET}"] }
providers: { ${[...settings, ...real].join(', ')} }
`,
  })
  const env = { IMAGEGATE_DATA: join(checkout, 'data'), IMAGEGATE_CONFIG: join(checkout, 'imagegate.yaml'), PORT: String(port) }
  gateway = await startProcess(env, null, checkout)
}, 60_000)
afterAll(async () => {
  await gateway.kill('SIGKILL')
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  await Promise.all([vendors.close(), receiver.close()])
  rmSync(checkout, { recursive: true, force: true })
})

const FAL_HEADERS = {
  signed: ['x-fal-webhook-request-id', 'x-fal-webhook-user-id', 'x-fal-webhook-timestamp'],
  id: 'x-fal-webhook-request-id',
  timestamp: 'x-fal-webhook-timestamp',
  signature: 'x-fal-webhook-signature',
}
const fal = (written: Written) => ed25519(FAL_HEADERS, pair.privateKey, written)
const replicate = (written: Written) => standard(SECRET, written)

async function buy(model: string, more: object = {}): Promise<void> {
  const reply = await fetch(`${gateway.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'respond-async' },
    body: JSON.stringify({ model, prompt: 'a lighthouse sandbox:never', ...more }),
  })
  expect(reply.status, await reply.text()).toBe(202)
}

/** The address that a real vendor was given for its newest task. */
async function addressAt(provider: 'fal' | 'replicate'): Promise<string> {
  const front = vendors.front(provider)
  const before = front.visits.length
  await buy(`${provider}/flux-2-pro`)
  const given = await vi.waitFor(
    () => {
      const said = front.visits.slice(before).map(({ path, body }) => `${decodeURIComponent(path)} ${body}`)
      return /https?:\/\/[\d.:]+\/v1\/hooks\/[^\s"&]+/.exec(said.join('\n'))?.[0] ?? expect.fail('not given yet')
    },
    { timeout: 60_000 },
  )
  return given
}

describe.each([
  ['fal', fal],
  ['replicate', replicate],
] as const)('a callback of %s', (provider, signedBy) => {
  test('is taken within five minutes of its time, once, for its own body, and is else answered like one of nobody', async () => {
    const [url, other] = [await addressAt(provider), await addressAt(provider)]
    const unknown = await callBack(`${url.slice(0, -3)}xyz`, signedBy({}))
    expect(unknown).toMatchObject({ status: 404, said: { detail: 'No task has this callback address.' } })
    expect(await callBack(url.replace(`/${provider}/`, '/nobody/'), signedBy({}))).toEqual(unknown)
    for (const ageSeconds of [310, 86_400, -310, -86_400]) expect(await callBack(url, signedBy({ ageSeconds }))).toEqual(unknown)
    expect(await callBack(url, signedBy({ signed: '{"status":"other"}' }))).toEqual(unknown)
    expect(await callBack(url, {})).toEqual(unknown)
    for (const ageSeconds of [280, -280]) expect((await callBack(url, signedBy({ ageSeconds }))).status).toBe(200)

    const once = { id: randomUUID(), body: '{"status":"done"}' }
    const genuine = signedBy(once)
    expect((await callBack(url, genuine, once.body)).status).toBe(200)
    // Again, at another task, with another body, and signed anew under the same id.
    expect(await callBack(url, genuine, once.body)).toEqual(unknown)
    expect(await callBack(other, genuine, once.body)).toEqual(unknown)
    expect(await callBack(url, genuine)).toEqual(unknown)
    expect(await callBack(url, signedBy({ id: once.id, ageSeconds: 5 }))).toEqual(unknown)
  })
})

test('ids of callbacks take little memory, however long a vendor makes them and however many it signs', { timeout: 60_000 }, async () => {
  const url = await addressAt('replicate')
  const before = residentBytes(gateway.pid)
  for (let sent = 0; sent < 8_000; sent += 40) {
    const calls = Array.from({ length: 40 }, () => callBack(url, replicate({ id: randomUUID().padStart(14_000, 'x') })))
    expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set([200]))
  }
  expect((residentBytes(gateway.pid) - before) / 1_024 / 1_024).toBeLessThan(70)
})

test(
  'a list of keys that is hostile proves no callback, stops nobody, ends in its time and is asked for once, and the log says why',
  { timeout: 120_000 },
  async () => {
    for (const id of IDS) await buy(`${id}/big`)
    await expect.poll(() => IDS.every((id) => addresses.has(id)), { timeout: 60_000 }).toBe(true)
    const neighbour = await startNeighbour(gateway)
    const unknown = await callBack(`${addresses.get(IDS[0] ?? '')?.slice(0, -3)}xyz`, {})
    let run = 0
    const stops = await leastStop(
      neighbour,
      async () => {
        const ids = NAMES.map((name) => idOf(name, run))
        const ends = ids.map(async (id) => {
          const calls = Array.from({ length: 3 }, () => callBack(addresses.get(id) ?? '', ed25519(HEADERS, pair.privateKey, {})))
          expect([id, ...(await Promise.all(calls))]).toEqual([id, unknown, unknown, unknown])
        })
        run += 1
        const from = performance.now()
        await Promise.all(ends)
        // Five seconds are promised; a list that never ends would take for ever.
        expect(performance.now() - from).toBeLessThan(30_000)
        for (const id of ids) expect([id, asked.get(id)]).toEqual([id, id.startsWith('around') ? 4 : 1])
      },
      TRIES,
    ).finally(() => neighbour.end())
    expect(stops).toMatchObject({ failed: 0 })
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
    expect([asked.get('what is inside'), polls.size]).toEqual([undefined, 0])
    const said = gateway
      .said()
      .split('\n')
      .filter((line) => line.includes('list of keys cannot be had'))
    for (const [name, { isList }] of Object.entries(LISTS)) {
      const why = said.filter((line) => line.includes(`/${idOf(name, 0)}"`)).map((line) => (JSON.parse(line) as { reason: string }).reason)
      expect([name, why]).toEqual([name, isList ? [] : [expect.stringMatching(/\w{3}/)]])
    }
  },
)

// Not tried again: the lists are known then.
test(`callbacks that wait for one list of keys, ${WAITING} at once, stop nobody for 50 ms`, { timeout: 120_000, retry: 0 }, async () => {
  for (const id of LATE_IDS) await buy(`${id}/big`)
  await expect.poll(() => LATE_IDS.every((id) => addresses.has(id)), { timeout: 60_000 }).toBe(true)
  const neighbour = await startNeighbour(gateway)
  let run = 0
  const stops = await leastStop(
    neighbour,
    async () => {
      const url = addresses.get(idOf('late', run++)) ?? ''
      const calls = Array.from({ length: WAITING }, () => callBack(url, ed25519(HEADERS, pair.privateKey, {})))
      expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set([404]))
    },
    TRIES,
  ).finally(() => neighbour.end())
  console.log(`longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall)`)
  expect(stops).toMatchObject({ failed: 0 })
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
})

test('a webhook of ours is signed anew at each try under one id, and its signature is for this body, this id and five minutes alone', async () => {
  receiver.answerWith((response, count) => void response.writeHead(count === 1 ? 503 : 204).end())
  const reply = await fetch(`${gateway.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=50' },
    body: JSON.stringify({ model: 'replicate/flux-2-pro', prompt: 'a lighthouse', webhook: { url: receiver.url } }),
  })
  expect(reply.status, await reply.text()).toBe(200)
  await receiver.hears(1)
  const { data } = (await (await fetch(`${gateway.url}/v1/webhooks/deliveries`)).json()) as {
    readonly data: readonly { readonly id: string }[]
  }
  await fetch(`${gateway.url}/v1/webhooks/deliveries/${data[0]?.id}/retry`, { method: 'POST' })
  await receiver.hears(2)
  const [first, again] = receiver.heard
  if (!first || !again) throw new Error('two were heard')
  const verifier = new Webhook(OWN_SECRET)
  const [one, two] = [headersOf(first), headersOf(again)]
  expect([two['webhook-id'], again.body]).toEqual([one['webhook-id'], first.body])
  expect(Number(two['webhook-timestamp'])).toBeGreaterThanOrEqual(Number(one['webhook-timestamp']))
  for (const heard of [first, again]) expect(() => verifier.verify(heard.body, headersOf(heard))).not.toThrow()
  for (const changed of [
    { ...one, 'webhook-id': 'msg_other' },
    { ...one, 'webhook-timestamp': String(Number(one['webhook-timestamp']) + 1) },
  ])
    expect(() => verifier.verify(first.body, changed)).toThrow(/signature/)
  expect(() => verifier.verify(first.body.replace('a lighthouse', 'a palace'), one)).toThrow(/signature/)
  vi.useFakeTimers({ toFake: ['Date'], now: (Number(one['webhook-timestamp']) + 301) * 1_000 })
  try {
    expect(() => verifier.verify(first.body, one)).toThrow(/old/)
    vi.setSystemTime((Number(one['webhook-timestamp']) - 301) * 1_000)
    expect(() => verifier.verify(first.body, one)).toThrow(/new/)
  } finally {
    vi.useRealTimers()
  }
})
