import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import sharp from 'sharp'
import type { Warning } from '#contract'
import type { Gateway } from '../../../e2e/gateway.ts'
import { begun, clientOf, rejection, sizeOf, startWithClient } from './client.ts'

let gateway: Gateway
let openai: OpenAI
beforeAll(async () => {
  ;({ gateway, openai } = await startWithClient({ config: 'models: { flux-2-pro: { route: { order: [runware, vtrix, bfl] } } }\n' }))
})
afterAll(() => gateway.close())

const base = { model: 'flux-2-pro', prompt: 'a lighthouse at dawn' } as const

describe('images.generate', () => {
  test('a link by default, with provider and cost in headers, whose image has the size that was asked', async () => {
    const { data, response, request_id } = await openai.images.generate({ ...base, size: '768x512' }).withResponse()
    expect(data.data).toHaveLength(1)
    expect(data.data?.[0]).not.toHaveProperty('b64_json')
    expect(data).toMatchObject({ size: '768x512', output_format: 'jpeg' })
    expect(data).not.toHaveProperty('usage')
    expect(Math.abs(data.created - Date.now() / 1000)).toBeLessThan(60)
    const image = await fetch(data.data?.[0]?.url ?? '')
    const { width, height } = await sharp(Buffer.from(await image.arrayBuffer())).metadata()
    expect([width, height]).toEqual([768, 512])
    expect(response.headers.get('x-imagegate-provider')).toBe('runware')
    expect(response.headers.get('x-imagegate-cost-basis')).toBe('billed')
    expect(response.headers.get('x-imagegate-cost-usd')).toMatch(/^0\.\d+$/)
    expect(response.headers.get('x-imagegate-generation-id')).toBe(request_id)
    expect(request_id).toMatch(/^gen_/)
  })

  test('bytes where b64_json is asked for, in the format asked for, several at once', async () => {
    const images = await openai.images.generate({ ...base, n: 3, size: '512x512', output_format: 'webp', response_format: 'b64_json' })
    expect(await Promise.all((images.data ?? []).map((image) => sizeOf(image.b64_json)))).toEqual(Array(3).fill('webp 512x512'))
    expect(new Set(images.data?.map((image) => image.b64_json)).size).toBe(3)
    expect(images.data?.[0]).not.toHaveProperty('url')
  })

  test('null stands for a field that is left out, and "auto" for the offer’s own size', async () => {
    const images = await openai.images.generate({ ...base, size: 'auto', quality: 'auto', n: null, output_format: null, stream: null })
    expect(images.data).toHaveLength(1)
  })

  test('what the models have no switch for becomes warnings, in the header and in the stored generation', async () => {
    const { response } = await openai.images
      .generate({
        ...base,
        quality: 'hd',
        style: 'vivid',
        background: 'transparent',
        moderation: 'low',
        output_format: 'png',
        user: 'warned',
      })
      .withResponse()
    const shown = JSON.parse(response.headers.get('x-imagegate-warnings') ?? '[]') as Warning[]
    expect(shown.map(({ field }) => field).toSorted()).toEqual(['background', 'moderation', 'quality', 'style'])
    const [stored] = await begun(gateway, 'warned')
    expect(stored?.warnings).toEqual(shown)
    expect(stored?.metadata).toEqual({ user: 'warned' })
  })

  test('extra body fields route, pin and describe the request as everywhere else', async () => {
    const extra = {
      provider: { only: ['bfl'] },
      seed: 7,
      safety_tolerance: 1,
      metadata: { team: 'a' },
      provider_options: { runware: {} },
    }
    const { data, response } = await openai.images.generate({ ...base, user: 'extra', ...extra }).withResponse()
    expect(data.data).toHaveLength(1)
    expect(response.headers.get('x-imagegate-provider')).toBe('bfl')
    const [stored] = await begun(gateway, 'extra')
    expect(stored).toMatchObject({ request: { seed: 7, safety_tolerance: 1 }, metadata: { team: 'a', user: 'extra' } })
    expect(stored?.images[0]?.seed).toBe('7')
  })

  test('another vendor serves it after one line of configuration or one extra field, and the caller sees the same answer', async () => {
    const asked = { size: '1024x1024', response_format: 'b64_json' } as const
    const pinnedTo = (only: string) => ({ provider: { only: [only] } })
    const answers = await Promise.all(
      ['bfl', 'runware', 'vtrix'].map((only) => openai.images.generate({ ...base, ...asked, ...pinnedTo(only) }).withResponse()),
    )
    expect(answers.map(({ response }) => response.headers.get('x-imagegate-provider'))).toEqual(['bfl', 'runware', 'vtrix'])
    for (const { data } of answers) expect(await sizeOf(data.data?.[0]?.b64_json)).toBe('jpeg 1024x1024')
  })

  test('the same Idempotency-Key gives the same image once, whatever form is asked for, and another body is refused', async () => {
    const options = { headers: { 'Idempotency-Key': 'once' } }
    const first = await openai.images.generate({ ...base, user: 'once' }, options)
    const second = await openai.images.generate({ ...base, user: 'once', response_format: 'b64_json' }, options).withResponse()
    const bytes = Buffer.from(await (await fetch(first.data?.[0]?.url ?? '')).arrayBuffer())
    expect(second.data.data?.[0]?.b64_json).toBe(bytes.toString('base64'))
    expect(second.response.headers.get('idempotent-replayed')).toBe('true')
    expect(await begun(gateway, 'once')).toHaveLength(1)
    const error = await rejection(openai.images.generate({ ...base, user: 'once', seed: 1 } as typeof base, options))
    expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError)
    expect(error).toMatchObject({ param: 'Idempotency-Key' })
  })

  test('GET /v1/models answers the SDK’s list and retrieve', async () => {
    const ids: string[] = []
    for await (const model of openai.models.list()) ids.push(model.id)
    expect(ids).toContain('flux-2-pro')
    expect(await openai.models.retrieve('flux-2-pro')).toMatchObject({ id: 'flux-2-pro', object: 'model', owned_by: expect.any(String) })
    expect(await rejection(openai.models.retrieve('none'))).toBeInstanceOf(OpenAI.NotFoundError)
  })
})

describe('width and height', () => {
  const extra = (fields: object) => ({ ...base, ...fields }) as typeof base
  const named = async (fields: object) => (await rejection(openai.images.generate(extra(fields)))) as { readonly param?: string | null }

  test('are taken as extra fields where there is no size', async () => {
    const { data } = await openai.images.generate(extra({ width: 768, height: 512, user: 'sides' })).withResponse()
    expect(data).toMatchObject({ size: '768x512' })
    expect((await begun(gateway, 'sides'))[0]?.request).toMatchObject({ width: 768, height: 512 })
  })

  test('are named in an error as they were sent: themselves, or the size they came as', async () => {
    expect(await named({ width: 0, height: 512 })).toMatchObject({ param: 'width' })
    expect(await named({ width: 512 })).toMatchObject({ param: 'height' })
    expect(await named({ size: '70000x512' })).toMatchObject({ param: 'size' })
    expect(await named({ size: '512x512', width: 512, height: 512 })).toMatchObject({ param: 'size' })
  })
})

describe('a wrong request', () => {
  test.for([
    ['an unknown field', { sise: '1x1' }, 'sise', 'unknown_parameter'],
    ['an unknown field inside provider', { provider: { onyl: ['bfl'] } }, 'provider.onyl', 'unknown_parameter'],
    ['a missing prompt', { prompt: undefined }, 'prompt', 'missing_required_parameter'],
    ['a missing model', { model: undefined }, 'model', 'missing_required_parameter'],
    ['a size that is none', { size: '1024' }, 'size', 'invalid_value'],
    ['a size too large to be one', { size: '99999x99999' }, 'size', 'invalid_value'],
    ['a size and an aspect ratio', { size: '512x512', aspect_ratio: '1:1' }, 'aspect_ratio', 'invalid_value'],
    ['a format nobody makes', { output_format: 'gif' }, 'output_format', 'invalid_value'],
    ['both names of one thing', { output_compression: 50, output_quality: 50 }, 'output_compression', 'invalid_value'],
    ['too many images', { n: 21 }, 'n', 'invalid_value'],
    ['a reference that is no link', { reference_images: ['x'] }, 'reference_images[0]', 'invalid_value'],
    ['an unknown option of a provider', { provider_options: { bfl: { magic: 1 } } }, 'provider_options.bfl.magic', 'invalid_value'],
    ['a warning where none is wanted', { quality: 'hd', on_unsupported: 'reject' }, 'quality', 'invalid_value'],
  ] as const)('%s is named as param', async ([, fields, param, code]) => {
    const error = await rejection(openai.images.generate({ ...base, ...fields } as typeof base))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ param, code, type: 'invalid_request_error' })
  })

  test('a misspelt field is named beside the one that is missing', async () => {
    const error = await rejection(openai.images.generate({ ...base, prompt: undefined, promt: 'x' } as unknown as typeof base))
    expect(error).toMatchObject({ param: 'prompt', code: 'missing_required_parameter' })
    expect((error as Error).message).toBe(`400 Missing required parameter: 'prompt'. Unknown parameter: 'promt'; did you mean "prompt"?`)
  })

  test('a model there is not is a NotFoundError with OpenAI’s code', async () => {
    const error = await rejection(openai.images.generate({ ...base, model: 'gpt-image-2' }))
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' })
  })

  test('no eligible offer says why for each provider', async () => {
    const tooCheap = { provider: { max_price_usd: '0.000001' } }
    const error = await rejection(openai.images.generate({ ...base, ...tooCheap }))
    expect(error).toMatchObject({ status: 400, code: 'no_eligible_offer', message: expect.stringContaining('runware') })
  })

  test.for([
    ['malformed JSON', 'application/json', '{"model":', 400],
    ['another media type', 'text/plain', 'hello', 415],
    ['a form instead of JSON', 'application/x-www-form-urlencoded', 'model=x', 415],
    ['an array', 'application/json', '[]', 400],
  ] as const)('%s leaves as OpenAI’s error object', async ([, type, body, status]) => {
    const reply = await gateway.ask('/v1/images/generations', { method: 'POST', headers: { 'content-type': type }, body })
    expect(reply.status).toBe(status)
    expect(reply.headers.get('x-should-retry')).toBe('false')
    expect(await reply.json()).toEqual({ error: expect.objectContaining({ message: expect.any(String), type: 'invalid_request_error' }) })
  })

  test('images of this gateway under the same path keep their own problems', async () => {
    const reply = await gateway.ask('/v1/images/img_none.png')
    expect(reply.status).toBe(404)
    expect(reply.headers.get('content-type')).toContain('application/problem+json')
  })
})

describe('what goes wrong at a provider', () => {
  test('a moderated prompt is a BadRequestError with OpenAI’s code, stage and categories', async () => {
    const error = await rejection(openai.images.generate({ ...base, prompt: 'a brawl sandbox:moderated' }))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ code: 'moderation_blocked', type: 'image_generation_user_error' })
    expect((error as InstanceType<typeof OpenAI.APIError>).error).toMatchObject({ moderation_details: { moderation_stage: 'input' } })
  })

  test('a lost reply is never bought again, with the SDK’s retries at their default', async () => {
    const eager = clientOf(gateway.url, { maxRetries: 2 })
    const request = { ...base, prompt: 'a harbour sandbox:lost-reply', user: 'lost', provider: { only: ['bfl'] } }
    const error = await rejection(eager.images.generate(request))
    expect(error).toMatchObject({ status: 424, code: 'outcome_unknown' })
    expect((error as InstanceType<typeof OpenAI.APIError>).headers?.get('x-should-retry')).toBe('false')
    const generations = await begun(gateway, 'lost')
    expect(generations).toHaveLength(1)
    expect(generations[0]?.attempts).toHaveLength(1)
  })

  test('a provider without credit is OpenAI’s insufficient_quota, and is not asked again', async () => {
    const eager = clientOf(gateway.url, { maxRetries: 2 })
    const request = { ...base, prompt: 'a harbour sandbox:no-credit', user: 'poor', provider: { only: ['bfl'] } }
    const error = await rejection(eager.images.generate(request))
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    expect(error).toMatchObject({ code: 'insufficient_quota', type: 'insufficient_quota' })
    expect(await begun(gateway, 'poor')).toHaveLength(1)
  })
})

describe('a gateway with keys', () => {
  const key = 'team-a-secret'
  let guarded: Gateway
  beforeAll(async () => {
    const hash = createHash('sha256').update(key).digest('hex')
    ;({ gateway: guarded } = await startWithClient({ config: `keys: [{ name: team-a, key_hash: ${hash}, models: [flux-2-pro] }]\n` }))
  })
  afterAll(() => guarded.close())

  test('the SDK’s apiKey is the gateway key; another one is an AuthenticationError', async () => {
    const images = await clientOf(guarded.url, { apiKey: key }).images.generate({ ...base })
    expect(images.data).toHaveLength(1)
    const error = await rejection(clientOf(guarded.url, { apiKey: 'wrong' }).images.generate({ ...base }))
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(error).toMatchObject({ code: 'invalid_api_key', type: 'invalid_request_error' })
  })

  test('models.list shows what the key may use, and every error has a body and a request id that the SDK shows', async () => {
    const client = clientOf(guarded.url, { apiKey: key })
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['flux-2-pro'])
    const errors = {
      unauthorized: () => clientOf(guarded.url, { apiKey: 'wrong' }).models.list(),
      model_not_found: () => client.images.generate({ ...base, model: 'flux-9' }),
      not_found: () => client.get('/fine_tuning/jobs'),
      invalid_request: () => client.images.generate({ ...base, prompt: '' }),
    }
    for (const [what, ask] of Object.entries(errors)) {
      const error = await rejection(ask())
      expect(error, what).toBeInstanceOf(OpenAI.APIError)
      expect(error, what).toMatchObject({
        requestID: expect.stringMatching(/^req_/),
        error: { message: expect.stringMatching(/./), code: expect.any(String) },
      })
      expect((error as Error).message, what).not.toContain('no body')
    }
  })

  test('an edit without a key is refused in OpenAI’s shape before its files are read', async () => {
    const form = new FormData()
    form.append('image', new Blob(['x']), 'x.png')
    const reply = await guarded.ask('/v1/images/edits', { method: 'POST', body: form })
    expect(reply.status).toBe(401)
    expect(await reply.json()).toMatchObject({ error: { code: 'invalid_api_key' } })
  })
})

describe('stream', () => {
  test('each finished image is one documented event that carries the bytes, the cost and no invented tokens', async () => {
    const events = []
    const stream = await openai.images.generate({ ...base, n: 2, size: '512x512', stream: true, partial_images: 0 })
    for await (const event of stream) events.push(event)
    expect(events.map(({ type }) => type)).toEqual(['image_generation.completed', 'image_generation.completed'])
    for (const event of events) {
      expect(await sizeOf(event.b64_json)).toBe('jpeg 512x512')
      expect(event).toMatchObject({ size: '512x512', output_format: 'jpeg', imagegate: { provider: 'runware', cost: { basis: 'billed' } } })
      expect(event).not.toHaveProperty('usage')
    }
  })

  test('a failure that comes early keeps its HTTP status', async () => {
    const error = await rejection(openai.images.generate({ ...base, prompt: 'a brawl sandbox:moderated', stream: true }))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ code: 'moderation_blocked' })
  })
})
