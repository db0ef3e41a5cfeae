import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { json } from '../../e2e/gateway.ts'
import { launchProcess } from '../../e2e/gateway-process.ts'
import type { Gateway } from '../../e2e/gateway.ts'

/** A gateway with keys and without a public URL, as a chat program on the same machine meets it. */
const KEY = 'a-key-of-the-chat'
let gateway: Gateway
beforeAll(async () => {
  const hash = createHash('sha256').update(KEY).digest('hex')
  gateway = await launchProcess({
    config: `keys: [{ name: chat, key_hash: ${hash} }]\nmodels: { gpt-image-1: { model: flux-2-pro }, dall-e-2: { model: flux-2-pro } }\n`,
  })
})
afterAll(() => gateway.close())

/**
 * What api/app/clients/tools/structured/FluxAPI.js of LibreChat sends (commit bfafc9229ffa): these four fields always, the others where its
 * model names them; `x-key`; then GET /v1/get_result with the id as its only parameter until it reads Ready or Error, and the link without a key.
 */
describe('LibreChat’s Flux tool', () => {
  const headers = { 'x-key': KEY, 'Content-Type': 'application/json', Accept: 'application/json' }
  const always = { prompt: 'a lighthouse', prompt_upsampling: false, safety_tolerance: 6, output_format: 'png' }
  const submit = (endpoint: string, more: object) =>
    fetch(`${gateway.url}/bfl${endpoint}`, { method: 'POST', headers, body: JSON.stringify({ ...always, ...more }) })
  const read = async (id: string) =>
    json<{ status: string; result: { sample: string } | null }>(
      await fetch(`${gateway.url}/bfl/v1/get_result?id=${id}`, { headers: { 'x-key': KEY, Accept: 'application/json' } }),
    )

  test.each([
    ['with the defaults', '/v1/flux-pro-1.1', {}, { width: 1024, height: 768 }],
    [
      'with every field its model may name',
      '/v1/flux-pro-1.1',
      { width: 1024, height: 1024, steps: 40, seed: 7, raw: true },
      { width: 1024, height: 1024 },
    ],
  ])('%s gets its image as PNG', async (_, endpoint, more, size) => {
    const submitted = await submit(endpoint, more)
    expect(submitted.status).toBe(200)
    const { id } = await json<{ id: string }>(submitted)
    await expect.poll(async () => (await read(id)).status, { timeout: 10_000 }).toBe('Ready')
    const image = await fetch((await read(id)).result?.sample ?? '')
    expect(await sharp(await image.bytes()).metadata()).toMatchObject({ format: 'png', ...size })
  })

  test('reads in BFL’s own shape that there are no finetunes, nor an endpoint for one', async () => {
    const list = await fetch(`${gateway.url}/bfl/v1/my_finetunes`, { headers })
    expect([list.status, await list.json()]).toEqual([405, { detail: 'Method Not Allowed' }])
    const submitted = await submit('/v1/flux-pro-finetuned', {})
    expect([submitted.status, await submitted.json()]).toEqual([404, { detail: expect.stringContaining('flux-pro-1.1') }])
  })
})

/**
 * What backend/open_webui/routers/images.py of Open WebUI sends with the engine “openai” (commit 02530d501461): `response_format` for models
 * that are not `gpt-image…`, the operator's own parameters last; a link is fetched with the same key. Its form is that of aiohttp, where each
 * field names its charset and comes before the files.
 */
describe('Open WebUI’s engine “openai”', () => {
  const authorization = { Authorization: `Bearer ${KEY}` }
  const generate = (body: object, query = '') =>
    fetch(`${gateway.url}/v1/images/generations${query}`, {
      method: 'POST',
      headers: { ...authorization, 'Content-Type': 'application/json', 'X-OpenWebUI-User-Name': 'Jos%C3%A9' },
      body: JSON.stringify(body),
    })
  const imageOf = async (reply: Response) => {
    const [image] = (await json<{ data: readonly { b64_json?: string; url?: string }[] }>(reply)).data
    return image?.url === undefined
      ? Buffer.from(image?.b64_json ?? '', 'base64')
      : (await fetch(image.url, { headers: authorization })).bytes()
  }

  test.each([
    ['a model of ours', { model: 'flux-2-pro', size: '512x512', response_format: 'b64_json' }, '', 512],
    ['no model set', { model: 'dall-e-2', size: '512x512', response_format: 'b64_json' }, '', 512],
    ['gpt-image-1 and the size auto', { model: 'gpt-image-1', size: 'auto' }, '', 1024],
    ['an API version and parameters of its own', { model: 'gpt-image-1', size: '512x512', quality: 'low' }, '?api-version=2025-04-01', 512],
    ['no size', { model: 'flux-2-pro', response_format: 'b64_json' }, '', 1024],
  ])('gets its image: %s', async (_, more, query, width) => {
    const reply = await generate({ prompt: 'a lighthouse', n: 1, ...more }, query)
    expect(reply.status).toBe(200)
    expect(await sharp(await imageOf(reply)).metadata()).toMatchObject({ width })
  })

  test.each([
    ['one image', ['image']],
    ['several', ['image[]', 'image[]']],
  ])('edits %s', async (_, names) => {
    const file = await sharp({ create: { width: 512, height: 512, channels: 3, background: 'teal' } })
      .png()
      .toBuffer()
    const fields = { model: 'flux-2-pro', prompt: 'put the lamp on the table', n: '1', size: '512x512', response_format: 'b64_json' }
    const boundary = '3f7c1c3a0b6b4c0e9b0f2d1c5a7e9d11'
    const parts = [
      ...Object.entries(fields).map(([name, value]) =>
        Buffer.from(
          `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
        ),
      ),
      ...names.flatMap((name) => [
        Buffer.from(
          `--${boundary}\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="${name}"; filename="0b9f.png"\r\n\r\n`,
        ),
        file,
        Buffer.from('\r\n'),
      ]),
      Buffer.from(`--${boundary}--\r\n`),
    ]
    const reply = await fetch(`${gateway.url}/v1/images/edits`, {
      method: 'POST',
      headers: { ...authorization, 'Content-Type': `multipart/form-data; boundary=${boundary}` },
      body: Buffer.concat(parts),
    })
    expect([reply.status, reply.headers.get('x-imagegate-warnings')]).toEqual([200, null])
    expect(await sharp(await imageOf(reply)).metadata()).toMatchObject({ width: 512, height: 512 })
  })

  test('reads a refusal as OpenAI words it', async () => {
    const reply = await generate({ prompt: 'a lighthouse', n: 1, model: 'nobody', response_format: 'b64_json' })
    expect([reply.status, await reply.json()]).toMatchObject([404, { error: { code: 'model_not_found', message: expect.any(String) } }])
  })
})

test('LangChain for Python (langchain-community 0.4.2), which sends prompt, n, size, model and no format, gets a link', async () => {
  // DallEAPIWrapper.run of langchain_community/utilities/dalle_image_generator.py, whose model is dall-e-2 unless it is given.
  const reply = await fetch(`${gateway.url}/v1/images/generations`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json', Accept: 'application/json' },
    body: JSON.stringify({ prompt: 'a lighthouse', model: 'dall-e-2', n: 1, size: '1024x1024' }),
  })
  const { data } = await json<{ data: readonly { url?: string }[] }>(reply)
  expect((await fetch(data[0]?.url ?? '')).headers.get('content-type')).toMatch(/^image\//)
})
