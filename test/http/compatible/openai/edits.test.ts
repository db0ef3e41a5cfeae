import { toFile } from 'openai'
import type OpenAI from 'openai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Gateway } from '../../../e2e/gateway.ts'
import { begun, image, rejection, sizeOf, startWithClient } from './client.ts'

const LIMIT = 400_000
let gateway: Gateway
let openai: OpenAI
beforeAll(async () => {
  ;({ gateway, openai } = await startWithClient({ config: `server: { body_limit_bytes: ${LIMIT} }\n` }))
})
afterAll(() => gateway.close())

const base = { model: 'flux-2-pro', prompt: 'put them side by side' } as const
const file = async (name = 'a.png', background = 'red') => toFile(await image(640, 384, background), name, { type: 'image/png' })

/** Noise does not compress, so the file is as large as its pixels. */
const heavy = async (bytes: number) => {
  const side = Math.ceil(Math.sqrt(bytes / 3))
  const noise = Buffer.from(Array.from({ length: side * side * 3 }, (_, index) => (index * 2_654_435_761) >>> 24))
  return sharp(noise, { raw: { width: side, height: side, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toBuffer()
}

describe('images.edit', () => {
  test('two files become two reference images in their order, and both bytes and a link come back unasked', async () => {
    const image = [await file('a.png', 'red'), await file('b.png', 'blue')]
    const { data, response } = await openai.images.edit({ ...base, image, size: '512x512', user: 'two' }).withResponse()
    expect(await sizeOf(data.data?.[0]?.b64_json)).toBe('jpeg 512x512')
    expect(data.data?.[0]?.url).toContain('/v1/images/img_')
    expect(response.headers.get('x-imagegate-cost-usd')).toMatch(/^0\.\d+$/)
    const [stored] = await begun(gateway, 'two')
    const references = stored?.request['reference_images'] as unknown as readonly { readonly sha256: string; readonly width: number }[]
    expect(references.map(({ width }) => width)).toEqual([640, 640])
    expect(new Set(references.map(({ sha256 }) => sha256)).size).toBe(2)
  })

  test('one file, a JPEG that says it is something else, is read by its bytes', async () => {
    const jpeg = await sharp(await image(320, 320, 'green'))
      .jpeg()
      .toBuffer()
    const images = await openai.images.edit({ ...base, image: await toFile(jpeg, 'x.bin'), response_format: 'url' })
    expect(images.data?.[0]).toEqual({ url: expect.stringContaining('/v1/images/'), revised_prompt: expect.anything() as unknown })
  })

  test('numbers, nested extra fields and JSON text arrive as what they are', async () => {
    const extra = {
      seed: 11,
      provider: { only: ['runware'], allow_fallbacks: false },
      metadata: { team: 'b' },
      provider_options: '{"runware":{}}',
    }
    const { response } = await openai.images.edit({ ...base, image: await file(), n: 2, user: 'nested', ...extra }).withResponse()
    expect(response.headers.get('x-imagegate-provider')).toBe('runware')
    const [stored] = await begun(gateway, 'nested')
    expect(stored?.request).toMatchObject({ seed: 11, n: 2, provider: { only: ['runware'], allow_fallbacks: false } })
    expect(stored?.metadata).toEqual({ team: 'b', user: 'nested' })
  })

  test('streams the finished image as image_edit.completed', async () => {
    const events = []
    for await (const event of await openai.images.edit({ ...base, image: await file(), stream: true })) events.push(event)
    expect(events.map(({ type }) => type)).toEqual(['image_edit.completed'])
    expect(await sizeOf(events[0]?.b64_json)).toMatch(/^jpeg /)
  })

  test('the same Idempotency-Key with the same files is one edit', async () => {
    const options = { headers: { 'Idempotency-Key': 'edit-once' } }
    for (let turn = 0; turn < 2; turn++) await openai.images.edit({ ...base, image: await file(), user: 'edit-once' }, options)
    expect(await begun(gateway, 'edit-once')).toHaveLength(1)
  })
})

describe('a wrong edit', () => {
  const refused = async (fields: object) => rejection(openai.images.edit({ ...base, ...fields } as unknown as OpenAI.ImageEditParams))

  test('a mask, wherever it stands in the form, is never left out: an offer that takes none is not used', async () => {
    for (const fields of [
      { image: await file(), mask: await file('m.png') },
      { mask: await file('m.png'), image: await file() },
    ]) {
      const error = await refused(fields)
      expect(error).toMatchObject({ status: 400, message: expect.stringContaining('bfl: mask: one was given') })
    }
  })

  test('a mask of another size, or without a transparent part, is refused by name', async () => {
    const other = toFile(await image(320, 384, 'red'), 'm.png', { type: 'image/png' })
    expect(await refused({ image: await file(), mask: await other })).toMatchObject({
      status: 400,
      param: 'mask',
      message: expect.stringContaining('320×384'),
    })
    const jpeg = toFile(
      await sharp(await image(640, 384, 'red'))
        .jpeg()
        .toBuffer(),
      'm.jpg',
      { type: 'image/jpeg' },
    )
    expect(await refused({ image: await file(), mask: await jpeg })).toMatchObject({
      status: 400,
      param: 'mask',
      message: expect.stringContaining('JPEG'),
    })
  })

  test('a markup image is refused by name', async () => {
    expect(await refused({ image: await file(), markup: await file('m.png') })).toMatchObject({ status: 400, param: 'markup' })
  })

  test('no image is a missing image', async () => {
    expect(await refused({})).toMatchObject({ status: 400, param: 'image', code: 'missing_required_parameter' })
  })

  test('a seventeenth image is refused', async () => {
    const image = await Promise.all(Array.from({ length: 17 }, () => file()))
    expect(await refused({ image })).toMatchObject({ status: 400, param: 'image[]', message: expect.stringContaining('16') })
  })

  test('a file that is no image is refused, and so is one that only begins as one', async () => {
    expect(await refused({ image: await toFile(Buffer.from('hello'), 'a.png') })).toMatchObject({
      param: 'image',
      code: 'invalid_image_file',
    })
    const half = (await image(640, 384, 'red')).subarray(0, 200)
    expect(await refused({ image: [await file(), await toFile(half, 'b.png')] })).toMatchObject({ status: 400, param: 'image[1]' })
  })

  test('a file beyond the limit is refused, not cut off', async () => {
    const image = await toFile(await heavy(LIMIT + 50_000), 'big.png')
    expect(await refused({ image })).toMatchObject({ status: 413, param: 'image', code: 'payload_too_large' })
  })

  test('files that are small each and too large together are refused', async () => {
    const image = await Promise.all([1, 2, 3].map(async () => toFile(await heavy(150_000), 'half.png')))
    expect(await refused({ image })).toMatchObject({ status: 413, param: 'image[]' })
  })

  test('a body announced as far too large is refused before it is read', async () => {
    const image = await toFile(await heavy(4 * LIMIT), 'huge.png')
    const reply = await gateway.ask('/v1/images/edits', { method: 'POST', body: formOf({ image }) }).catch(() => null)
    // A server that answers before the body is over may break the line of a client that is still sending.
    if (reply) expect(reply.status).toBe(413)
    expect(await openai.images.generate(base)).toHaveProperty('data')
  })

  test.for([
    ['n', 'two', 'n'],
    ['stream', 'yes', 'stream'],
    ['provider', '{', 'provider'],
    ['metadata[a][b][c][d][e]', 'x', 'metadata[a][b][c][d][e]'],
    ['sise', '1x1', 'sise'],
    ['provider[only]', 'bfl', 'provider.only'],
  ] as const)('the text field %s=%s is named', async ([name, value, param]) => {
    const form = formOf({ image: await file(), model: base.model, prompt: base.prompt, [name]: value })
    const reply = await gateway.ask('/v1/images/edits', { method: 'POST', body: form })
    expect(reply.status).toBe(400)
    expect(await reply.json()).toMatchObject({ error: { param } })
  })

  test.for([
    ['JSON', { 'content-type': 'application/json' }, JSON.stringify(base), 415],
    ['a form without a boundary', { 'content-type': 'multipart/form-data' }, 'x', 400],
    [
      'a form that breaks off',
      { 'content-type': 'multipart/form-data; boundary=b' },
      '--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nhel',
      400,
    ],
    ['an empty form', { 'content-type': 'multipart/form-data; boundary=b' }, '--b--\r\n', 400],
    ['a field called __proto__', { 'content-type': 'multipart/form-data; boundary=b' }, field('__proto__', 'x'), 400],
    ['a field called toString', { 'content-type': 'multipart/form-data; boundary=b' }, field('toString', 'x'), 400],
  ] as const)('%s leaves as OpenAI’s error object', async ([, headers, body, status]) => {
    const reply = await gateway.ask('/v1/images/edits', { method: 'POST', headers, body })
    expect(reply.status).toBe(status)
    expect(reply.headers.get('x-should-retry')).toBe('false')
    expect(await reply.json()).toMatchObject({ error: { message: expect.any(String), type: 'invalid_request_error' } })
  })
})

test('a part without a name is named by its number', async () => {
  const form = { 'content-type': 'multipart/form-data; boundary=b' }
  const body = `${field('prompt', 'x').replace('--b--\r\n', '')}--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--\r\n`
  const reply = await gateway.ask('/v1/images/edits', { method: 'POST', headers: form, body })
  expect(reply.status).toBe(400)
  expect(await reply.json()).toMatchObject({ error: { message: 'Part 2 of the form has no name.' } })
})

function field(name: string, value: string): string {
  return `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n--b--\r\n`
}

function formOf(fields: Readonly<Record<string, string | File>>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return form
}
