import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSocketServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { STORIES } from '#sandbox'
import { startProcess } from '../crash/process.ts'
import { loadEmulator } from '../support/installed-providers.ts'
import { startReceiver } from '../webhooks/receiver.ts'
import { startSpitefulVendor, type SpitefulVendor } from './spiteful-vendor.ts'

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const

/** Must stand nowhere: in no answer, event, webhook, log line, metric, page or file. */
const SECRETS = {
  'the key of bfl': 'canary/bfl+7f3a=91c0',
  'the key of runware': 'canary-runware-91bc',
  'the key of vtrix': 'canary_vtrix.c0de:5f',
  'a gateway key': 'canary-gateway-5511-aa',
  'a gateway key that nobody has': 'canary-stranger-2b2b',
  'the proxy’s user name': 'canaryproxyuser',
  'the proxy’s password': 'canary-proxy-8d8d',
  'the secret that signs webhooks': Buffer.from('canary-webhook-secret-31').toString('base64'),
  'the signature in a vendor’s link': 'canary-signed-link-aa42',
} as const
/** Are the caller's or its servers' own: they may be echoed to the caller and kept, and never logged. */
const PRIVATE = {
  'a prompt': 'canaryprompt93d1',
  'the signature in a reference’s link': 'canary-reference-1717',
  'a reference’s data': 'Y2FuYXJ5LXJlZmVyZW5jZS1kYXRh',
  'the token in a webhook’s address': 'canary-hook-token-6161',
  metadata: 'canary-metadata-7272',
  'an idempotency key': 'canary-idempotency-8383',
  'a query of a list': 'canary-query-4747',
} as const

const folder = mkdtempSync(join(tmpdir(), 'imagegate-canary-'))
const vendors: SpitefulVendor[] = []
let answers = ''
let webhooks = ''
let log = ''
let requests = 0
let callbackSecrets: readonly string[] = []

async function freePort(): Promise<number> {
  const server = createSocketServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => void server.close(resolve))
  return port
}

/** A JPEG whose data in base64 holds the canary. */
async function referenceData(): Promise<string> {
  const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#468' } })
    .jpeg()
    .toBuffer()
  const text = Buffer.from(PRIVATE['a reference’s data'], 'base64')
  // Two bytes of marker follow two of the start; the text begins at a multiple of three.
  const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, text.length + 5]), Buffer.alloc(3, 0x20), text])
  return Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]).toString('base64')
}

function configuration(port: number): string {
  const hash = createHash('sha256').update(SECRETS['a gateway key']).digest('hex')
  const lines = PROVIDERS.map((id, index) => `  ${id}: { base_url: "${vendors[index]?.url}" }`)
  return [
    `server: { public_url: "http://127.0.0.1:${port}" }`,
    `keys: [{ name: team, key_hash: ${hash} }]`,
    `webhooks: { secrets: ["whsec_${SECRETS['the secret that signs webhooks']}"] }`,
    'network: { allow: [127.0.0.1] }',
    `providers:\n${lines.join('\n')}\n`,
  ].join('\n')
}

type Say = (path: string, body?: object, headers?: Readonly<Record<string, string>>) => Promise<string>

/** Every story, and plain success at every provider, with everything private that a request can hold. */
async function buyEverything(say: Say, references: string, hook: string): Promise<readonly string[]> {
  const data = await referenceData()
  expect(data).toContain(PRIVATE['a reference’s data'])
  const stories = Object.keys(STORIES).map((story, index) => ({ story, provider: PROVIDERS[index % PROVIDERS.length] }))
  const wanted = [...PROVIDERS.map((provider) => ({ story: 'plain', provider })), ...stories]
  const ids: string[] = []
  for (const [index, { provider, story }] of wanted.entries()) {
    const reference_images = [
      [`${references}/in.jpg?X-Amz-Signature=${PRIVATE['the signature in a reference’s link']}`],
      [`data:image/jpeg;base64,${data}`],
      [],
    ][index % 3]
    const body = {
      model: `${provider}/flux-2-pro`,
      prompt: `${PRIVATE['a prompt']} sandbox:${story}`,
      width: 256,
      height: 256,
      reference_images,
      metadata: { secret: PRIVATE['metadata'] },
      webhook: { url: `${hook}/?token=${PRIVATE['the token in a webhook’s address']}` },
    }
    const headers = { prefer: 'respond-async', 'idempotency-key': `${PRIVATE['an idempotency key']}-${index}` }
    const { id } = JSON.parse(await say('/v1/generations', body, headers)) as Generation
    if (typeof id === 'string') ids.push(id)
  }
  return ids
}

/** What everything else says: lists, pages, errors, comparisons, events. */
async function readEverything(say: Say, ids: readonly string[]): Promise<void> {
  for (const path of [
    '/v1/providers',
    '/v1/models',
    '/metrics',
    '/openapi.json',
    '/docs',
    '/v1/prices',
    '/v1/costs',
    '/v1/webhooks/deliveries',
    '/healthz',
    '/readyz',
  ])
    await say(path)
  for (const path of ['/v1/nothing', '/v1/images/x', `/v1/generations?limit=${PRIVATE['a query of a list']}`, '/v1/generations?limit=100'])
    await say(path)
  await say('/v1/quotes', { model: 'flux-2-pro', prompt: PRIVATE['a prompt'], width: 256, height: 256 })
  await say(
    '/v1/comparisons',
    { model: 'flux-2-pro', prompt: `${PRIVATE['a prompt']} sandbox:moderated`, width: 256, height: 256 },
    { prefer: 'wait=5' },
  )
  for (const path of ['/v1/models', `/bfl/v1/get_result?id=${ids[0]}`, '/runware/v1'])
    await say(path, undefined, {
      authorization: `Bearer ${SECRETS['a gateway key that nobody has']}`,
      'x-key': SECRETS['a gateway key that nobody has'],
    })
  // The library that reads forms writes lines of its own, with the headers of the request.
  await say('/v1/images/edits', {}, { 'content-type': 'multipart/form-data; boundary=x' })
  // Behind the proxy, which is not there: what is said of it must not name its password.
  const body = {
    model: 'flux-2-pro',
    prompt: PRIVATE['a prompt'],
    reference_images: [`https://9.9.9.9/a.jpg?sig=${PRIVATE['the signature in a reference’s link']}`],
  }
  await say('/v1/generations', body, { prefer: 'wait=3' })
  for (const id of ids.slice(0, 40)) await say(`/v1/generations/${id}/events`, undefined, { accept: 'text/event-stream' })
}

async function settle(say: Say, ids: readonly string[]): Promise<void> {
  const endsAt = Date.now() + 8_000
  let open = ids
  while (open.length > 0 && Date.now() < endsAt) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    const { data } = JSON.parse(await say('/v1/generations?status=running&limit=100')) as { readonly data: readonly Generation[] }
    const { data: queued } = JSON.parse(await say('/v1/generations?status=queued&limit=100')) as { readonly data: readonly Generation[] }
    open = [...data, ...queued].map(({ id }) => id)
  }
  for (const id of open) await say(`/v1/generations/${id}/cancel`, {})
  for (const id of ids) {
    const { attempts } = JSON.parse(await say(`/v1/generations/${id}`)) as Generation
    for (const index of attempts.keys()) await say(`/v1/generations/${id}/attempts/${index + 1}/calls`)
  }
}

beforeAll(async () => {
  const emulators = await Promise.all(PROVIDERS.map(async (id) => (await loadEmulator(id))({ typicalMs: 20 })))
  for (const emulator of emulators) vendors.push(await startSpitefulVendor(emulator.url, SECRETS['the signature in a vendor’s link']))
  const image = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#864' } })
    .jpeg()
    .toBuffer()
  const references = createServer((_request, response) => response.end(image))
  references.listen(0, '127.0.0.1')
  await once(references, 'listening')
  const receiver = await startReceiver()
  const port = await freePort()
  writeFileSync(join(folder, 'imagegate.yaml'), configuration(port))
  const gateway = await startProcess({
    PORT: String(port),
    IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'),
    IMAGEGATE_DATA: join(folder, 'data'),
    BFL_API_KEY: SECRETS['the key of bfl'],
    RUNWARE_API_KEY: SECRETS['the key of runware'],
    VTRIX_API_KEY: SECRETS['the key of vtrix'],
    HTTPS_PROXY: `http://${SECRETS['the proxy’s user name']}:${SECRETS['the proxy’s password']}@127.0.0.1:${await freePort()}`,
    NO_PROXY: '127.0.0.1',
    LOG_LEVEL: 'trace',
  })
  const say: Say = async (path, body, headers = {}) => {
    const own = { authorization: `Bearer ${SECRETS['a gateway key']}`, 'content-type': 'application/json', ...headers }
    const reply = await fetch(gateway.url + path, { headers: own, ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}) })
    requests += reply.redirected ? 2 : 1
    const text = await reply.text()
    answers += `${JSON.stringify(Object.fromEntries(reply.headers))}\n${text}\n`
    return text
  }
  const ids = await buyEverything(say, `http://127.0.0.1:${(references.address() as AddressInfo).port}`, receiver.url)
  await settle(say, ids)
  await readEverything(say, ids)
  await gateway.kill('SIGTERM')
  log = gateway.said()
  webhooks = JSON.stringify(receiver.heard)
  callbackSecrets = vendors.flatMap((vendor) => [...vendor.callbackSecrets])
  await Promise.all([...vendors, ...emulators, receiver].map((one) => one.close()))
  references.close()
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const filesOf = (path: string): string[] =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesOf(join(path, name))) : [path]

/** As it is, and in base64 or hex, however it lies in longer data. */
function formsOf(secret: string): readonly string[] {
  const inBase64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]).toString('base64')
    return encoded.slice(before === 0 ? 0 : before + 1, -4)
  })
  return [secret, encodeURIComponent(secret), ...inBase64, Buffer.from(secret).toString('hex')]
}

/** A text with every escape that JSON, URLs or HTML know undone. */
function unescaped(text: string): string {
  let read = text
  for (let round = 0; round < 3; round++)
    read = read
      .replaceAll(/\\+u00([0-9a-f]{2})|%([0-9a-f]{2})|&#x([0-9a-f]{2});/gi, (_, ...codes: (string | undefined)[]) =>
        String.fromCharCode(Number.parseInt(codes.slice(0, 3).find((code) => code !== undefined) ?? '20', 16)),
      )
      .replaceAll(/&#(\d{2,3});/g, (_, code: string) => String.fromCharCode(Number(code)))
  return `${text}\n${read}\n${read.replaceAll(/\\n|\s/g, '')}`
}

const holds = (text: string, secret: string): boolean => formsOf(secret).some((form) => text.includes(form))

test('the vendors were shown their keys, said them back and ended generations of every kind', () => {
  expect(vendors.flatMap(({ keys }) => [...keys])).toEqual(PROVIDERS.map((id) => SECRETS[`the key of ${id}`]))
  expect(vendors.every((vendor) => vendor.calls() > 20)).toBe(true)
  for (const status of ['succeeded', 'failed', 'canceled']) expect(answers).toContain(`"status":"${status}"`)
  expect(answers).toContain('[redacted]')
  expect(answers.split('"object":"attempt_calls"').length).toBeGreaterThan(30)
  expect(answers).toContain('[image, sha256 ')
  expect(callbackSecrets.length).toBeGreaterThan(15)
  expect(webhooks).toContain('generation.succeeded')
})

test('the log has one line for each request and one for each vendor call', () => {
  const lines = log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly msg?: string; readonly url?: string })
  expect(lines.filter(({ msg }) => msg === 'request').length).toBeGreaterThanOrEqual(requests)
  expect(lines.filter(({ msg }) => msg === 'vendor call').length).toBeGreaterThan(60)
})

describe.each(Object.entries(SECRETS))('%s', (_, secret) => {
  test('is in no answer, event or page', () => {
    expect(answers.length).toBeGreaterThan(100_000)
    expect(holds(unescaped(answers), secret)).toBe(false)
  })

  test('is in no webhook', () => expect(holds(unescaped(webhooks), secret)).toBe(false))

  test('is in no log line', () => expect(holds(unescaped(log), secret)).toBe(false))

  test('is in no file of the data folder', () => {
    const files = filesOf(join(folder, 'data'))
    expect(files.some((file) => file.includes('imagegate.db'))).toBe(true)
    const found = files.filter((file) => holds(readFileSync(file).toString('latin1'), secret))
    expect(found).toEqual([])
  })
})

test.each(Object.entries(PRIVATE))('%s is in no log line, metric or event', (_, secret) => {
  expect(holds(unescaped(log), secret)).toBe(false)
})

test('the secrets and addresses of callbacks are in no answer, webhook or log line', () => {
  for (const secret of callbackSecrets) expect([answers, webhooks, log].map((text) => text.includes(secret))).toEqual([false, false, false])
})
