import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { json, problem } from './gateway.ts'
import { launchProcess } from './gateway-process.ts'
import type { Gateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchProcess()
})
afterAll(() => gateway.close())

const good = { model: 'flux-2-pro', prompt: 'a lighthouse' }
const PIXEL = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const cases: readonly [string, unknown, number, string, string][] = [
  ['an unknown field', { ...good, widht: 10 }, 400, 'invalid_request', 'widht'],
  ['an unknown field inside provider', { ...good, provider: { onyl: ['bfl'] } }, 400, 'invalid_request', 'provider.onyl'],
  [
    'an unknown provider in provider_options',
    { ...good, provider_options: { nobody: {} } },
    400,
    'invalid_request',
    'provider_options.nobody',
  ],
  [
    'an unknown option of a provider',
    { ...good, provider_options: { bfl: { magic: 1 } } },
    400,
    'invalid_request',
    'provider_options.bfl.magic',
  ],
  ['a prompt of the wrong type', { ...good, prompt: 7 }, 400, 'invalid_request', 'prompt'],
  ['an empty prompt', { ...good, prompt: '' }, 400, 'invalid_request', 'prompt'],
  ['a prompt of 10 MB', { ...good, prompt: 'x'.repeat(10_000_000) }, 400, 'invalid_request', 'prompt'],
  ['no model', { prompt: 'x' }, 400, 'invalid_request', 'model'],
  ['a model there is not', { ...good, model: 'flux-3' }, 404, 'model_not_found', 'model'],
  ['a provider that does not offer the model', { ...good, model: 'vtrix/flux-2-flex' }, 404, 'model_not_found', 'model'],
  ['a width without a height', { ...good, width: 512 }, 400, 'invalid_request', 'height'],
  ['a size and an aspect ratio', { ...good, width: 512, height: 512, aspect_ratio: '1:1' }, 400, 'invalid_request', 'aspect_ratio'],
  ['a fractional width', { ...good, width: 512.5, height: 512 }, 400, 'invalid_request', 'width'],
  ['a malformed aspect ratio', { ...good, aspect_ratio: '16x9' }, 400, 'invalid_request', 'aspect_ratio'],
  ['seventeen references', { ...good, reference_images: Array(17).fill(PIXEL) }, 400, 'invalid_request', 'reference_images'],
  ['a reference that is not a link', { ...good, reference_images: ['ftp://x/y.png'] }, 400, 'invalid_request', 'reference_images.0'],
  [
    'a reference that is not an image',
    { ...good, reference_images: ['data:image/png;base64,aGVsbG8gd29ybGQ='] },
    400,
    'invalid_request',
    'reference_images.0',
  ],
  [
    'a reference to an image there is not',
    { ...good, reference_images: [{ image: 'img_none' }] },
    400,
    'invalid_request',
    'reference_images.0',
  ],
  ['a negative seed', { ...good, seed: -1 }, 400, 'invalid_request', 'seed'],
  ['a seed of 2^63', '{"model":"flux-2-pro","prompt":"x","seed":9223372036854775808}', 400, 'invalid_request', 'seed'],
  ['a seed of 2^63 in digits', { ...good, seed: '9223372036854775808' }, 400, 'invalid_request', 'seed'],
  ['21 images', { ...good, n: 21 }, 400, 'invalid_request', 'n'],
  ['a format nobody makes', { ...good, output_format: 'gif' }, 400, 'invalid_request', 'output_format'],
  ['a price limit as a number', { ...good, provider: { max_price_usd: 0.05 } }, 400, 'invalid_request', 'provider.max_price_usd'],
  ['metadata that is not text', { ...good, metadata: { a: 1 } }, 400, 'invalid_request', 'metadata.a'],
  [
    '17 metadata pairs',
    { ...good, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) },
    400,
    'invalid_request',
    'metadata',
  ],
  ['an array', [good], 400, 'invalid_request', ''],
  ['a string', '"hello"', 400, 'invalid_request', ''],
  ['null', 'null', 400, 'invalid_request', ''],
]

describe('bad input gets a problem document that names the field, and nothing is bought', () => {
  test.for(cases)('%s', async ([, body, status, code, path]) => {
    const reply = await gateway.post('/v1/generations', body)
    expect(reply.status).toBe(status)
    expect(reply.headers.get('content-type')).toContain('application/problem+json')
    const document = await problem(reply)
    expect(document).toMatchObject({
      status,
      code,
      type: expect.stringContaining(code),
      title: expect.any(String),
      detail: expect.any(String),
    })
    expect(document.errors?.map((error) => error.path)).toContain(path)
    expect(JSON.stringify(document).length).toBeLessThan(5_000)
  })

  test.for([
    ['malformed JSON', '{"model": "flux-2-pro", ', 400],
    ['an empty body', '', 400],
    ['JSON 100,000 levels deep', '['.repeat(100_000) + ']'.repeat(100_000), 400],
    ['a deep object in a known field', `{"model":"flux-2-pro","prompt":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`, 400],
    ['__proto__', '{"model":"flux-2-pro","prompt":"x","__proto__":{"admin":true}}', 400],
    ['constructor.prototype', '{"model":"flux-2-pro","prompt":"x","constructor":{"prototype":{"admin":true}}}', 400],
    ['__proto__ inside metadata', '{"model":"flux-2-pro","prompt":"x","metadata":{"__proto__":"y"}}', 400],
  ] as const)('%s', async ([what, body, status]) => {
    const reply = await gateway.post('/v1/generations', body)
    expect(reply.status).toBe(status)
    const document = await problem(reply)
    expect(document).toMatchObject({ code: 'invalid_request' })
    for (const key of ['__proto__', 'constructor.prototype'])
      if (what.startsWith(key)) expect(document.detail).toBe(`The body has the key ${key}, which is not taken; leave it out.`)
  })

  test('JSON one level deeper than is read', async () => {
    const nested = (levels: number) => `{"model":"flux-2-pro","prompt":"x","odd":${'['.repeat(levels)}${']'.repeat(levels)}}`
    expect((await problem(await gateway.post('/v1/generations', nested(64)))).detail).toContain('nested deeper than 64 levels')
    expect((await problem(await gateway.post('/v1/generations', nested(63)))).detail).toContain('odd is an unknown field')
  })

  test('a body of another type', async () => {
    const reply = await gateway.ask('/v1/generations', {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'draw me a sheep',
    })
    expect(reply.status).toBe(415)
    expect(await problem(reply)).toMatchObject({ code: 'unsupported_media_type' })
  })

  test('a body larger than the server takes', async () => {
    const small = await launchProcess({ config: 'server: { body_limit_bytes: 2000 }' })
    try {
      const reply = await small.post('/v1/generations', { ...good, prompt: 'x'.repeat(3_000) })
      expect(reply.status).toBe(413)
      expect(await problem(reply)).toMatchObject({ code: 'payload_too_large', detail: expect.stringContaining('server.body_limit_bytes') })
    } finally {
      await small.close()
    }
  })

  test('an unknown route', async () => {
    const reply = await gateway.ask('/v1/nothing')
    expect(reply.status).toBe(404)
    expect(await problem(reply)).toMatchObject({ code: 'not_found' })
  })

  test('an unknown filter, cursor or limit of a list', async () => {
    for (const query of ['colour=red', 'cursor=xyz', 'limit=0', 'limit=1000', 'status=done']) {
      const reply = await gateway.ask(`/v1/generations?${query}`)
      expect([query, reply.status]).toEqual([query, 400])
      expect(await problem(reply)).toMatchObject({ code: 'invalid_request', errors: [{ path: query.split('=')[0] }] })
    }
  })

  test('after all of this nothing was accepted and no vendor was called', async () => {
    expect(await json<{ data: unknown[] }>(await gateway.ask('/v1/generations'))).toMatchObject({ data: [] })
    expect(await (await gateway.ask('/metrics')).text()).not.toMatch(/imagegate_submits_total\{[^}]*\} [1-9]/)
  })
})

describe('a request no offer can take is refused with the reason of each offer', () => {
  test.for([
    ['an impossible size', { width: 10_000, height: 10 }],
    ['nine references, where the most is eight', { reference_images: Array(9).fill(PIXEL) }],
    ['a price nobody sells at', { provider: { max_price_usd: '0.001' } }],
    ['no provider left', { provider: { only: ['bfl'], ignore: ['bfl'] } }],
  ] as const)('%s', async ([, more]) => {
    const reply = await gateway.post('/v1/generations', { ...good, ...more })
    expect(reply.status).toBe(422)
    const document = await problem(reply)
    expect(document.code).toBe('no_eligible_offer')
    expect(document.errors?.map((error) => error.path).toSorted()).toEqual(['bfl', 'runware', 'vtrix'])
    for (const error of document.errors ?? []) expect(error.message.length).toBeGreaterThan(10)
  })

  test('with on_unsupported "reject", an offer that would need any warning', async () => {
    const reply = await gateway.post('/v1/generations', { ...good, width: 1500, height: 1000, on_unsupported: 'reject' })
    expect(reply.status).toBe(422)
    expect(await problem(reply)).toMatchObject({ code: 'no_eligible_offer' })
  })

  test('strictest safety is never loosened: an offer that cannot be as strict is not used', async () => {
    const reply = await gateway.post('/v1/generations', { ...good, safety_tolerance: 0, provider: { only: ['vtrix'] } })
    expect(reply.status).toBe(422)
    const document = await problem(reply)
    expect(document.errors?.find((error) => error.path === 'vtrix')?.message).toContain('safety_tolerance')
  })
})
