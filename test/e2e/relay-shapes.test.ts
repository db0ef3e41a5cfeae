import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess, type ServerProcess } from '../crash/process.ts'
import { RELAY_KEY } from './strict-relay.ts'

/** Five relays at one address, each below a path of its own, with a closed schema and its own way to say the charge. They know nothing of us. */
const RELAYS: Readonly<Record<string, { readonly path: string; readonly fields: readonly string[]; readonly charge: object }>> = {
  links: { path: '/links/v1/images/generations', fields: ['model', 'prompt', 'size', 'image_url'], charge: { cost: 0.019 } },
  lists: {
    path: '/lists/api/v3/images/generations',
    fields: ['model', 'prompt', 'size', 'reference_images'],
    charge: { usage: { credits: 12 } },
  },
  forms: { path: '/forms/v1/images/edits', fields: ['model', 'prompt', 'size', 'image[]', 'mask'], charge: { usage: { cost: 0.03 } } },
  cents: { path: '/cents/v1/images/generations', fields: ['model', 'prompt', 'size'], charge: { billing: { cents: 2.5 } } },
  words: { path: '/words/v1/images/generations', fields: ['model', 'prompt', 'size'], charge: {} },
}

interface Bought {
  readonly relay: string
  readonly fields: Readonly<Record<string, unknown>>
}
const bought: Bought[] = []

async function fieldsOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await buffer(request)
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('multipart/')) return JSON.parse(bytes.toString()) as Record<string, unknown>
  const form = await new Response(bytes, { headers: { 'content-type': type } }).formData()
  return Object.fromEntries([...form].map(([name, value]) => [name, typeof value === 'string' ? value : value.type]))
}

/** What the relay with errors of its own says, by a word of the prompt: a number for a code, and trouble with HTTP 200 too. */
const OWN_ERRORS: Readonly<Record<string, { readonly status: number; readonly body: object }>> = {
  rude: { status: 422, body: { fault: { no: 4301, why: 'not with us' }, data: null } },
  bare: { status: 422, body: { fault: { no: 9, why: 'the result was filtered' } } },
  broken: { status: 200, body: { fault: { no: 88, why: 'the worker is gone' }, data: null } },
}

async function answer(request: IncomingMessage): Promise<{ readonly status: number; readonly body: object }> {
  const refuse = (status: number, code: string) => ({ status, body: { error: { message: code, code } } })
  const [name, relay] = Object.entries(RELAYS).find(([, { path }]) => path === request.url) ?? []
  if (name === undefined || relay === undefined) return refuse(404, `nothing at ${request.url}`)
  if (request.headers.authorization !== `Bearer ${RELAY_KEY}`) return refuse(401, 'invalid_api_key')
  const fields = await fieldsOf(request)
  const unknown = Object.keys(fields).filter((field) => !relay.fields.includes(field))
  if (unknown.length > 0) return refuse(400, `unknown_parameter ${unknown.join()}`)
  const own = OWN_ERRORS[String(fields['prompt'])]
  if (own !== undefined) return own
  if (String(fields['prompt']).includes('forbidden')) return refuse(400, 'content_policy_violation')
  bought.push({ relay: name, fields })
  const png = await sharp({ create: { width: 512, height: 384, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  return { status: 200, body: { data: [{ b64_json: png.toString('base64') }], ...relay.charge } }
}

const vendor = createServer((request, response) => {
  void answer(request).then(({ status, body }) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
  )
})
const folder = mkdtempSync(join(tmpdir(), 'imagegate-relays-'))
let server: ServerProcess

beforeAll(async () => {
  await new Promise<void>((resolve) => vendor.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  const config = `
providers:
  links: { shape: openai-images, base_url: "${url}/links", references: image_url, models: { link-model: { provider_model: a, price: { per_image: "0.02" } } } }
  lists: { shape: openai-images, base_url: "${url}/lists/api/v3/", references: reference_images, cost: { pointer: /usage/credits, usd_per_unit: "0.002" },
           surcharge_percent: "5.5", models: { list-model: { provider_model: b, price: { per_image: "0.02" } } } }
  forms: { shape: openai-images, base_url: "${url}/forms/v1", references: multipart, mask: true, models: { form-model: { provider_model: c, price: { per_image: "0.02" } } } }
  cents: { shape: openai-images, base_url: "${url}/cents", cost: { pointer: /billing/cents, unit: cents }, models: { plain-model: { provider_model: d } } }
  words: { shape: openai-images, base_url: "${url}/words", errors: { code: [/fault/no], message: [/fault/why], moderated: ["4301"],
           moderated_texts: [{ text: filtered, stage: output }] }, models: { word-model: { provider_model: e, price: { per_image: "0.02" } } } }
`
  writeFileSync(join(folder, 'imagegate.yaml'), config)
  const keys = Object.fromEntries(Object.keys(RELAYS).map((name) => [`${name.toUpperCase()}_API_KEY`, RELAY_KEY]))
  server = await startProcess({ IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data'), ...keys })
})
afterAll(async () => {
  await server.kill('SIGTERM')
  vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

const pixels = async (alpha: number) => {
  const create = { width: 512, height: 384, channels: 4, background: { r: 9, g: 9, b: 9, alpha } } as const
  return `data:image/png;base64,${(await sharp({ create }).png().toBuffer()).toString('base64')}`
}
const ask = async (path: string, body: object) => {
  const reply = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a hat', width: 512, height: 384, ...body }),
  })
  return { status: reply.status, body: (await reply.json()) as Generation & { readonly detail?: string } }
}

describe('an entry of the configuration', () => {
  test('sends references as it says, to the address it says, and is billed by what its reply says', async () => {
    const reference = await pixels(1)
    const link = await ask('/v1/generations', { model: 'link-model', reference_images: [reference] })
    expect(link.body).toMatchObject({ status: 'succeeded', cost: { quoted: '0.02', amount: '0.019', basis: 'billed' } })
    const list = await ask('/v1/generations', { model: 'list-model', reference_images: [reference, reference] })
    expect(list.body).toMatchObject({
      status: 'succeeded',
      cost: { quoted: '0.0211', amount: '0.02532', basis: 'billed', lines: [{}, { what: 'surcharge of 5.5 %', amount: '0.00132' }] },
    })
    const form = await ask('/v1/generations', { model: 'form-model', reference_images: [reference], mask: await pixels(0) })
    expect(form.body).toMatchObject({ status: 'succeeded', cost: { amount: '0.03', basis: 'billed' } })
    expect(bought).toEqual([
      { relay: 'links', fields: { model: 'a', prompt: 'a hat', size: '512x384', image_url: reference } },
      { relay: 'lists', fields: { model: 'b', prompt: 'a hat', size: '512x384', reference_images: [reference, reference] } },
      { relay: 'forms', fields: { model: 'c', prompt: 'a hat', size: '512x384', 'image[]': 'image/png', mask: 'image/png' } },
    ])
  })

  test('that says nothing of references and masks is not asked for one, and says so before any money', async () => {
    const before = bought.length
    const reference = await pixels(1)
    expect(await ask('/v1/generations', { model: 'plain-model', reference_images: [reference] })).toMatchObject({
      status: 422,
      body: { code: 'no_eligible_offer' },
    })
    expect(await ask('/v1/generations', { model: 'list-model', reference_images: [reference], mask: await pixels(0) })).toMatchObject({
      status: 422,
      body: { code: 'no_eligible_offer' },
    })
    expect(bought).toHaveLength(before)
  })

  test('without a price has no quote and the bill it gets, in its own unit', async () => {
    expect((await ask('/v1/quotes', { model: 'plain-model' })).body).toMatchObject({ offers: [{ provider: 'cents', cost: null }] })
    expect((await ask('/v1/generations', { model: 'plain-model' })).body).toMatchObject({
      cost: { quoted: null, amount: '0.025', basis: 'billed' },
    })
  })

  test('is refused in its vendor’s words, which are read from the error', async () => {
    expect((await ask('/v1/generations', { model: 'plain-model', prompt: 'forbidden' })).body).toMatchObject({
      status: 'failed',
      error: { code: 'moderated', provider_code: 'content_policy_violation', billed: false },
      cost: { amount: '0' },
    })
  })

  test('says where its errors stand and which of them are moderation; an error with HTTP 200 is one too', async () => {
    const failed = async (prompt: string) => (await ask('/v1/generations', { model: 'word-model', prompt })).body
    expect(await failed('rude')).toMatchObject({
      status: 'failed',
      error: { code: 'moderated', stage: 'request', provider_code: '4301', provider_message: 'not with us', billed: false },
    })
    expect(await failed('bare')).toMatchObject({ error: { code: 'moderated', stage: 'output', provider_code: '9', billed: 'unknown' } })
    expect(await failed('broken')).toMatchObject({
      error: { code: 'provider_unavailable', provider_status: 200, provider_code: '88', provider_message: 'the worker is gone' },
      cost: { amount: null, basis: 'unknown' },
    })
  })
})
