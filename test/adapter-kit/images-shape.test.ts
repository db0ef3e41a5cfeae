import { describe, expect, test } from 'vitest'
import { imagesShape } from '#adapter-kit'
import { ImagesShape, type Json, type Order, type Reply } from '#contract'
import { bfl } from '../core/plan/offers.ts'

const shape = (settings: object = {}) => imagesShape('Relay', ImagesShape.parse({ name: 'openai-images', ...settings }), 'relay')
const order = (fields: Partial<Order> = {}): Order => ({
  taskId: 't',
  model: 'big',
  providerModel: 'big-1',
  limits: bfl.limits,
  prompt: 'a fox',
  references: [],
  count: 1,
  options: {},
  ...fields,
})
const bodyOf = (settings: object, fields: Partial<Order>) => shape(settings).translate(order(fields) as never).call.body
const call = shape().translate(order() as never).call
const read = (body: Json, settings: object = {}, status = 200) =>
  shape(settings).interpret({ status, headers: {}, body, url: 'https://relay.example/v1/images/generations' } satisfies Reply, call)
const ONE = [{ url: '/files/1.png' }]

describe('an order in the shape of images', () => {
  test('says a size and references in the vendor’s own way, and nothing that was not asked', () => {
    const pixels = { width: 512, height: 384 }
    const tier = { name: '2K', aspectRatio: '16:9' }
    const references = ['https://a.example/1.png']
    expect(bodyOf({}, {})).toEqual({ model: 'big-1', prompt: 'a fox' })
    expect(bodyOf({}, { ...pixels, references })).toEqual({ model: 'big-1', prompt: 'a fox', size: '512x384' })
    expect(bodyOf({ size: 'width_and_height', references: 'image_url' }, { ...pixels, references })).toMatchObject({
      ...pixels,
      image_url: references[0],
    })
    expect(bodyOf({ size: 'aspect_ratio', references: 'reference_images' }, { tier, references })).toMatchObject({
      aspect_ratio: '16:9',
      resolution: '2K',
      reference_images: references,
    })
  })

  test('keeps every digit of a seed', () => {
    expect(bodyOf({}, { seed: '9223372036854775807' })).toMatchObject({ seed: { $digits: '9223372036854775807' } })
  })
})

describe('an edit as a form', () => {
  test('has the images and the mask as files, the rest as texts, and goes to its own path', () => {
    const multipart = shape({ references: 'multipart' })
    const edit = {
      references: ['data:image/png;base64,AAAA', 'data:image/webp;base64,BBBB'],
      mask: 'data:image/png;base64,CCCC',
      seed: '7',
    }
    expect(multipart.translate(order({ ...edit, width: 512, height: 512 }) as never).call).toEqual({
      purpose: 'submit',
      method: 'POST',
      url: '/v1/images/edits',
      form: [
        { name: 'model', value: 'big-1' },
        { name: 'prompt', value: 'a fox' },
        { name: 'size', value: '512x512' },
        { name: 'image[]', filename: 'image.png', mediaType: 'image/png', base64: 'AAAA' },
        { name: 'image[]', filename: 'image.webp', mediaType: 'image/webp', base64: 'BBBB' },
        { name: 'mask', filename: 'mask.png', mediaType: 'image/png', base64: 'CCCC' },
      ].toSpliced(3, 0, { name: 'seed', value: '7' } as never),
    })
    expect(multipart.translate(order() as never).call).toMatchObject({ url: '/v1/images/generations', body: { prompt: 'a fox' } })
  })
})

describe('a reply in the shape of images', () => {
  test('is links, relative ones too, or base64 under either name', () => {
    expect(read({ data: ONE })).toMatchObject({
      kind: 'done',
      images: [{ source: { kind: 'url', url: 'https://relay.example/files/1.png' } }],
    })
    expect(read({ data: [{ b64_json: 'AA==' }, { base64: 'BB==' }] })).toMatchObject({
      images: [{ source: { data: 'AA==' } }, { source: { data: 'BB==' } }],
    })
  })

  test.each<[string, Json, object, object]>([
    ['usage.cost', { usage: { cost: '0.021' } }, {}, { amount: '0.021' }],
    ['cost', { cost: 0.03 }, {}, { amount: '0.03' }],
    ['a pointer in cents', { bill: { total: 3 } }, { pointer: '/bill/total', unit: 'cents' }, { amount: '0.03' }],
    ['a unit of its own', { usage: { cost: 1500 } }, { usd_per_unit: '0.00002' }, { amount: '0.03' }],
    [
      'tokens without details',
      { usage: { input_tokens: 12, output_tokens: 1056 } },
      {},
      { tokens: { text_input: 12, image_output: 1056, text_output: 0 } },
    ],
    [
      'tokens with details',
      {
        usage: {
          input_tokens: 20,
          output_tokens: 110,
          input_tokens_details: { text_tokens: 8, image_tokens: 12 },
          output_tokens_details: { text_tokens: 10, image_tokens: 100 },
        },
      },
      {},
      { tokens: { text_input: 8, image_input: 12, image_output: 100, text_output: 10 } },
    ],
  ])('has its charge read from %s', (_, said, cost, expected) => {
    expect(read({ data: ONE, ...(said as object) }, { cost })).toMatchObject({ kind: 'done', cost: expected })
  })

  test('has no charge where the vendor says none, or where what it says is none', () => {
    expect('cost' in read({ data: ONE })).toBe(false)
    expect('cost' in read({ data: ONE, usage: { cost: 5 } }, { cost: { unit: 'none' } })).toBe(false)
  })

  test('with fewer images than were ordered has a failure for each that is missing, which may be billed', () => {
    const batch = (n: number) => {
      const adapter = shape()
      const { call: ordered } = adapter.translate(order({ count: n }) as never)
      const outcome = adapter.interpret({ status: 200, headers: {}, body: { data: [{ b64_json: 'AA==' }] } }, ordered)
      return outcome.kind === 'done' ? (outcome.failures ?? []).map(({ code, billed }) => [code, billed]) : outcome
    }
    expect([batch(1), batch(3)]).toEqual([
      [],
      [
        ['bad_reply', 'unknown'],
        ['bad_reply', 'unknown'],
      ],
    ])
  })

  test('without an image may have been bought, and keeps the charge', () => {
    expect(read({ data: [], usage: { cost: 0.02 } })).toMatchObject({
      kind: 'failed',
      failure: { code: 'bad_reply', billed: 'unknown' },
      cost: { amount: '0.02' },
    })
  })

  test.each([
    [
      400,
      { error: { message: 'no', code: 'moderation_blocked', moderation_details: { moderation_stage: 'output' } } },
      'moderated',
      'unknown',
    ],
    [400, { error: { message: 'no', code: 'content_policy_violation' } }, 'moderated', false],
    [429, { error: { message: 'no', code: 'insufficient_quota' } }, 'insufficient_credit', false],
    [429, { error: { message: 'slow down', code: 'rate_limit_exceeded' } }, 'rate_limited', false],
    [401, { error: 'bad key' }, 'provider_unauthorized', false],
    [400, { message: 'unknown field' }, 'provider_rejected', false],
    [503, '<html>', 'provider_unavailable', 'unknown'],
  ] as const)('of HTTP %s with %o is %s, billed: %s', (status, body, code, billed) => {
    expect(read(body, {}, status)).toMatchObject({ kind: 'failed', failure: { code, billed, provider_status: status } })
  })
})
