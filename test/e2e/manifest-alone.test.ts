import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PriceEntry } from '#contract'
import { writeFiles } from '../catalogue/fake-providers.ts'
import { LONE_MANIFESTS } from '../support/lone-manifests.ts'
import { launchProcess, type GatewayProcess } from './gateway-process.ts'

const KEY = 'relay-key-1234567890'
const TAKEN = new Set(['model', 'prompt', 'size', 'n', 'reference_images', 'quality'])

/** A relay as its own pages describe it: a closed schema, a bearer key, images in base64, the charge in `usage.cost`. Knows nothing of us. */
const bought: Record<string, unknown>[] = []
const relay = createServer(
  (request, response) =>
    void serve(request).then(({ status, body }) =>
      status === 0 ? response.destroy() : response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
    ),
)

async function serve(request: IncomingMessage): Promise<{ status: number; body: object }> {
  const refuse = (status: number, code: string, more: object = {}) => ({
    status,
    body: { error: { message: code, type: 'invalid_request_error', code, ...more } },
  })
  if (request.method === 'POST' && request.url === '/v1/images/edits') return edit(request)
  if (request.method !== 'POST' || request.url !== '/v1/images/generations') return refuse(404, 'not_found')
  if (request.headers.authorization !== `Bearer ${KEY}`) return refuse(401, 'invalid_api_key')
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
  const unknown = Object.keys(body).filter((name) => !TAKEN.has(name))
  if (unknown.length > 0 || body['model'] !== 'vendor-id') return refuse(400, `unknown: ${unknown.join()}`)
  const { prompt, size, n = 1 } = body as { prompt: string; size: string; n?: number }
  if (prompt.includes('blocked'))
    return refuse(400, 'moderation_blocked', { moderation_details: { moderation_stage: 'input', categories: ['violence'] } })
  bought.push(body)
  if (prompt.includes('lost')) return { status: 0, body: {} }
  const [width = 0, height = 0] = size.split('x').map(Number)
  const png = await sharp({ create: { width, height, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  const data = Array.from({ length: n }, () => ({ b64_json: png.toString('base64'), revised_prompt: `${prompt}, revised` }))
  // Two images with the same bytes would be one image.
  const distinct = await Promise.all(
    data.map(async (item, index) => ({
      ...item,
      b64_json: (
        await sharp(png)
          .modulate({ brightness: 1 + index / 4 })
          .png()
          .toBuffer()
      ).toString('base64'),
    })),
  )
  return { status: 200, body: { created: 1, data: distinct, usage: { cost: 0.021 * n } } }
}

/** A form as any parser reads it: the size of the first image, the mask's bytes, and every text. */
async function edit(request: IncomingMessage): Promise<{ status: number; body: object }> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  if (Number(request.headers['content-length']) !== Buffer.concat(chunks).length) return { status: 411, body: {} }
  const form = await new Response(Buffer.concat(chunks), { headers }).formData()
  const files = [...form.getAll('image[]'), form.get('mask')].filter((file) => file instanceof File)
  const sizes = await Promise.all(files.map(async (file) => sharp(Buffer.from(await file.arrayBuffer())).metadata()))
  bought.push({
    ...Object.fromEntries([...form].filter(([, value]) => typeof value === 'string')),
    files: sizes.map(({ width, height }) => `${width}x${height}`),
  })
  const png = await sharp({ create: { width: 512, height: 384, channels: 3, background: '#864' } })
    .png()
    .toBuffer()
  return { status: 200, body: { data: [{ b64_json: png.toString('base64') }], usage: { input_tokens: 300, output_tokens: 1000 } } }
}

let gateway: GatewayProcess
let folder: string
beforeAll(async () => {
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  folder = await mkdtemp(join(tmpdir(), 'imagegate-shape-'))
  await writeFiles(folder, LONE_MANIFESTS)
  gateway = await launchProcess({
    providersDirectory: folder,
    providers: ['acme', 'forms'],
    env: { ACME_API_KEY: KEY, FORMS_API_KEY: KEY },
    config: `providers: { acme: { base_url: "http://127.0.0.1:${(relay.address() as AddressInfo).port}", surcharge_percent: "5.5" }, forms: { base_url: "http://127.0.0.1:${(relay.address() as AddressInfo).port}" } }`,
  })
})
afterAll(async () => {
  await gateway.close()
  relay.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a provider’s folder that holds a manifest alone', () => {
  test('sells: the order in its words, the images, and the bill as it says it, with the surcharge as a line', async () => {
    const pixel = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const reference = `data:image/png;base64,${pixel.toString('base64')}`
    const asked = { model: 'big', n: 2, width: 512, height: 384, quality: 'high', reference_images: [reference] }
    const generation = await gateway.generate(asked, { prefer: 'wait=60' })
    expect(bought).toEqual([
      { model: 'vendor-id', prompt: 'a lighthouse', size: '512x384', n: 2, quality: 'high', reference_images: [reference] },
    ])
    expect(generation).toMatchObject({
      status: 'succeeded',
      provider: 'acme',
      prompt_used: 'a lighthouse, revised',
      images: [{ width: 512, height: 384, format: 'png' }, { width: 512 }],
      cost: { amount: '0.04431', basis: 'billed', lines: [{ amount: '0.042' }, { what: 'surcharge of 5.5 %', amount: '0.00231' }] },
    })
  })

  test('has its price shown with the arithmetic of three plain requests, the surcharge as a line, and doubted when it is old', async () => {
    const list = (await (await gateway.ask('/v1/prices')).json()) as { readonly data: readonly PriceEntry[] }
    const entry = (model: string) => list.data.find((row) => row.model === model)
    const lines = [
      { quantity: 1, unit_amount: '0.04', amount: '0.04' },
      { what: 'surcharge of 5.5 %', amount: '0.0022' },
    ]
    expect(entry('big')).toMatchObject({
      surcharge_percent: '5.5',
      examples: { one_megapixel: { amount: '0.0422', lines }, two_megapixels: { amount: '0.0422' }, edit: { amount: '0.0422' } },
      warning: null,
    })
    expect(entry('masked')).toMatchObject({
      as_of: '2026-08-01',
      examples: { one_megapixel: null, two_megapixels: null, edit: null },
      warning: expect.stringMatching(/^read \d+ days ago: /),
    })
  })

  test('says moderation as every other does, bought nothing for it, and never buys again what a lost reply may have bought', async () => {
    const blocked = await gateway.generate({ model: 'big', prompt: 'something blocked' })
    expect(blocked).toMatchObject({
      status: 'failed',
      error: { code: 'moderated', stage: 'request', reasons: ['violence'], billed: false },
      cost: { amount: '0' },
    })
    const before = bought.length
    const lost = await gateway.generate({ model: 'big', prompt: 'a reply that is lost' })
    expect(lost).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown', billed: 'unknown' }, cost: { amount: null } })
    expect(bought.length).toBe(before + 1)
  })

  test('sells an edit with a mask as a form, metered by the tokens that the vendor counts', async () => {
    const image = async (alpha: number) => {
      const png = await sharp({ create: { width: 512, height: 384, channels: 4, background: { r: 9, g: 9, b: 9, alpha } } })
        .png()
        .toBuffer()
      return `data:image/png;base64,${png.toString('base64')}`
    }
    const [reference, mask] = [await image(1), await image(0)]
    const asked = { model: 'masked', prompt: 'a hat, “red”', width: 512, height: 384, reference_images: [reference], mask }
    const generation = await gateway.generate(asked, { prefer: 'wait=60' })
    expect(bought.at(-1)).toEqual({ model: 'vendor-id', prompt: 'a hat, “red”', size: '512x384', files: ['512x384', '512x384'] })
    expect(generation).toMatchObject({ status: 'succeeded', cost: { quoted: null, amount: '0.0315', basis: 'metered' } })
    expect(generation.request).toMatchObject({ mask: { image: expect.stringMatching(/^img_/), width: 512, height: 384 } })
  })
})
