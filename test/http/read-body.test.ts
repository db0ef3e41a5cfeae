import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation, Problem } from '#contract'
import { json, launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

const TASK_UUID = '5ee4f4a8-7d9e-4c6a-9f4b-7f6f3d1f0a11'
/** Each way to buy, with a body that would be taken. */
const WAYS = [
  ['/v1/generations', { model: 'flux-2-pro', prompt: 'caf?' }],
  ['/v1/quotes', { model: 'flux-2-pro', prompt: 'caf?' }],
  ['/v1/comparisons', { model: 'flux-2-pro', prompt: 'caf?' }],
  ['/v1/images/generations', { model: 'flux-2-pro', prompt: 'caf?' }],
  ['/bfl/v1/flux-2-pro', { prompt: 'caf?' }],
  ['/runware/v1', [{ taskType: 'imageInference', taskUUID: TASK_UUID, model: 'bfl:5@1', positivePrompt: 'caf?', width: 512, height: 512 }]],
] as const
const MCP_CALL = [
  '/mcp',
  {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'generate', arguments: { model: 'flux-2-pro', prompt: 'caf?', max_price_usd: '1' } },
  },
] as const

const send = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  gateway.ask(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })

const bought = async () => (await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=100'))).data.length

describe.each([...WAYS, MCP_CALL])('a body to %s', (path, body) => {
  const text = JSON.stringify(body)

  test('that is no UTF-8 is 400 and buys nothing', async () => {
    const before = await bought()
    const reply = await send(path, new Uint8Array(Buffer.from(text.replace('?', '\u00e9'), 'latin1')))
    expect(reply.status).toBe(400)
    expect(await reply.text()).toContain('UTF-8')
    expect(await bought()).toBe(before)
  })

  test.each([
    ['a Content-Encoding', { 'content-encoding': 'gzip' }, 'gzip'],
    ['another charset', { 'content-type': 'application/json; charset=iso-8859-1' }, 'iso-8859-1'],
  ])('with %s is 415, which says so', async (_what, headers, named) => {
    const reply = await send(path, new Uint8Array(gzipSync(text)), headers)
    expect(reply.status).toBe(415)
    const said = await reply.text()
    expect(said).toContain(named)
    expect(said).not.toContain('valid JSON')
  })

  test('that is gzip and does not say so is 400, which says so', async () => {
    const reply = await send(path, new Uint8Array(gzipSync(text)))
    expect(reply.status).toBe(400)
    expect(await reply.text()).toContain('gzip')
  })
})

describe('a prompt', () => {
  test.each(['   ', '\n\t\u00a0', '\u200b\u2060', '\u00ad \ufeff'])('of %j is 400 at every API', async (prompt) => {
    for (const [path, body] of WAYS) {
      const filled = JSON.parse(JSON.stringify(body).replace('"caf?"', JSON.stringify(prompt))) as object
      const reply = await gateway.post(path, filled)
      expect([400, 422]).toContain(reply.status)
      expect(await reply.text()).toContain('invisible')
    }
  })

  test('is counted in code points', async () => {
    const quote = (prompt: string) => gateway.post('/v1/quotes', { model: 'flux-2-pro', prompt })
    expect((await quote('🦊'.repeat(32_000))).status).toBe(200)
    expect((await quote('🦊'.repeat(32_001))).status).toBe(400)
  })

  test('behind a byte order mark is read', async () => {
    const reply = await send('/v1/quotes', `\ufeff${JSON.stringify({ model: 'flux-2-pro', prompt: 'a fox' })}`)
    expect(reply.status).toBe(200)
  })
})

test('a form whose text is no UTF-8 is 400, and one in UTF-8 arrives whole', async () => {
  const file = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#888888' } })
    .png()
    .toBuffer()
  const form = (prompt: Buffer) =>
    Buffer.concat([
      Buffer.from('--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nflux-2-pro\r\n'),
      Buffer.from('--b\r\ncontent-disposition: form-data; name="prompt"\r\ncontent-type: text/plain; charset=utf-8\r\n\r\n'),
      prompt,
      Buffer.from('\r\n--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'),
      file,
      Buffer.from('\r\n--b--\r\n'),
    ])
  const edit = (prompt: Buffer) =>
    send('/v1/images/edits', new Uint8Array(form(prompt)), { 'content-type': 'multipart/form-data; boundary=b' })
  const wrong = await edit(Buffer.from('caf\u00e9', 'latin1'))
  expect(wrong.status).toBe(400)
  expect(await wrong.text()).toContain('prompt is not UTF-8')
  const right = await edit(Buffer.from('café 🦊'))
  expect(right.status).toBe(200)
  const { data } = await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=1'))
  expect(data[0]?.request['prompt']).toBe('café 🦊')
})

test('16 reference images are taken by the request, and a 17th is refused by its field', async () => {
  const images = (count: number) => Array.from({ length: count }, (_, index) => `https://example.com/${index}.png`)
  const quote = (count: number) => gateway.post('/v1/quotes', { model: 'flux-2-pro', prompt: 'a', reference_images: images(count) })
  expect((await quote(16)).status).toBe(200)
  const reply = await quote(17)
  expect(reply.status).toBe(400)
  expect((await json<Problem>(reply)).errors).toMatchObject([{ path: 'reference_images' }])
})

test('a seed beyond 2^53 in any API’s own spelling reaches the generation with every digit', async () => {
  const seed = '9223372036854775807'
  for (const [path, body] of WAYS.slice(3)) {
    const text = JSON.stringify(body).replace('"caf?"', `"caf?","seed":${seed}`).replace(TASK_UUID, TASK_UUID.replace('5ee', '6ee'))
    expect((await send(path, text)).status).toBe(200)
    const { data } = await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=1'))
    expect(data[0]?.request['seed']).toBe(seed)
  }
})

test.each([
  ['the prompt', 'prompt', (image: string) => ({ prompt: image })],
  ['a metadata value', 'metadata.a', (image: string) => ({ prompt: 'a fox', metadata: { a: image } })],
])('an image as %s is refused by its field, in our API and in others', async (_what, path, fields) => {
  const image = (
    await sharp({
      create: { width: 600, height: 400, channels: 3, background: '#888888', noise: { type: 'gaussian', mean: 99, sigma: 50 } },
    })
      .png()
      .toBuffer()
  ).toString('base64')
  const before = await bought()
  const reply = await gateway.post('/v1/generations', { model: 'flux-2-pro', ...fields(image) })
  expect(reply.status).toBe(400)
  expect((await json<Problem>(reply)).errors).toMatchObject([{ path }])
  const other = await gateway.post('/bfl/v1/flux-2-pro', { prompt: image })
  expect(other.status).toBe(422)
  expect(await bought()).toBe(before)
})
