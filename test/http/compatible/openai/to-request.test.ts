import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '#contract'
import { EditBody, GenerationBody } from '../../../../src/http/compatible/openai/body.ts'
import { toRequest } from '../../../../src/http/compatible/openai/to-request.ts'

const base = { model: 'flux-2-pro', prompt: 'x' }
const generation = (fields: object) => toRequest(GenerationBody.parse({ ...base, ...fields }), [])

function requestOf(fields: object): Readonly<Record<string, Json>> {
  const translation = generation(fields)
  if (translation.kind === 'refused') throw new Error(translation.message)
  return translation.request
}

function warningsOf(fields: object) {
  const translation = generation(fields)
  if (translation.kind === 'refused') throw new Error(translation.message)
  return translation.warnings.map(({ code, field, requested, used }) => ({ code, field, requested, used }))
}

describe('size', () => {
  test.for([
    ['1536x1024', { width: 1536, height: 1024 }],
    ['1x65536', { width: 1, height: 65_536 }],
    ['auto', {}],
    [null, {}],
    [undefined, {}],
  ])('%s', ([size, expected]) => {
    expect(requestOf({ size })).toEqual({ ...base, ...(expected as object) })
  })

  test.for(['1024', '1024X1024', '0x10', '10x', 'x10', ' 10x10', '10x10 ', '1e3x10', '-1x10', '10x10x10', ''])('%j is no size', (size) => {
    expect(GenerationBody.safeParse({ ...base, size }).success).toBe(false)
  })
})

describe('output_compression is the encoder’s quality', () => {
  test.for([
    [100, undefined, []],
    [null, undefined, []],
    [99, 99, []],
    [20, 20, []],
    [19, 20, [{ code: 'adjusted', field: 'output_compression', requested: 19, used: 20 }]],
    [0, 20, [{ code: 'adjusted', field: 'output_compression', requested: 0, used: 20 }]],
  ] as const)('%s asks for quality %s', ([compression, quality, warnings]) => {
    expect(requestOf({ output_compression: compression })['output_quality']).toBe(quality)
    expect(warningsOf({ output_compression: compression })).toEqual(warnings)
  })
})

test('quality, background and a mask are those of our own request', () => {
  expect(requestOf({ quality: 'high', background: 'transparent' })).toMatchObject({ quality: 'high', background: 'transparent' })
  expect(requestOf({ quality: 'auto', background: 'auto' })).toEqual(base)
  const edit = toRequest(EditBody.parse(base), [], { images: ['data:image/png;base64,AA=='], mask: 'data:image/png;base64,BB==' })
  expect(edit.kind === 'request' && edit.request).toMatchObject({ mask: 'data:image/png;base64,BB==' })
})

describe('a switch that no offer has', () => {
  test.for([
    ['quality', ['auto', 'standard', 'low', 'medium', 'high'], ['xhigh', 'max', 'hd']],
    ['moderation', ['auto'], ['low']],
    ['style', [], ['vivid', 'natural']],
    ['partial_images', [0], [1, 3]],
    ['complexity', [], ['low', 'high']],
  ] as const)('%s: silent for what happens anyway, a warning for the rest', ([field, plain, rest]) => {
    for (const value of [...plain, null]) expect(warningsOf({ [field]: value })).toEqual([])
    for (const value of rest) expect(warningsOf({ [field]: value })).toEqual([{ code: 'unsupported', field, requested: value, used: null }])
  })

  test('it never reaches the request', () => {
    expect(requestOf({ quality: 'hd', style: 'vivid', moderation: 'low', partial_images: 2 })).toEqual(base)
  })

  test('with on_unsupported "reject" it is refused by name', () => {
    expect(generation({ style: 'vivid', on_unsupported: 'reject' })).toMatchObject({ kind: 'refused', param: 'style' })
    expect(generation({ output_compression: 5, on_unsupported: 'reject' })).toMatchObject({ kind: 'refused', param: 'output_compression' })
  })
})

describe('the end user', () => {
  test('user and safety_identifier are kept as metadata', () => {
    expect(requestOf({ user: 'u', safety_identifier: 's', metadata: { team: 'a' } })['metadata']).toEqual({
      user: 'u',
      safety_identifier: 's',
      team: 'a',
    })
  })

  test('a pair of the same name wins, and a warning says so', () => {
    const fields = { user: 'u', metadata: { user: 'other' } }
    expect(requestOf(fields)['metadata']).toEqual({ user: 'other' })
    expect(warningsOf(fields)).toEqual([{ code: 'ignored_option', field: 'user', requested: 'u', used: 'other' }])
    expect(warningsOf({ user: 'u', metadata: { user: 'u' } })).toEqual([])
  })

  test('an empty identifier is none', () => {
    expect(requestOf({ user: '', safety_identifier: '' })).toEqual(base)
  })
})

test('the files of an edit come before further references, in their order', () => {
  const body = EditBody.parse({ ...base, reference_images: ['https://x.test/c.png'], input_fidelity: 'high' })
  const translation = toRequest(body, [], { images: ['data:image/png;base64,AA==', 'data:image/png;base64,BB=='] })
  expect(translation).toMatchObject({
    request: { reference_images: ['data:image/png;base64,AA==', 'data:image/png;base64,BB==', 'https://x.test/c.png'] },
    warnings: [{ field: 'input_fidelity' }],
  })
})

/** Requests of ours that OpenAI's body, with the extra fields, can say. */
const request = fc
  .record(
    {
      size: fc.record({ width: fc.integer({ min: 1, max: 65_536 }), height: fc.integer({ min: 1, max: 65_536 }) }),
      n: fc.integer({ min: 1, max: 20 }),
      output_format: fc.constantFrom('jpeg', 'png', 'webp'),
      output_quality: fc.integer({ min: 20, max: 99 }),
      seed: fc.nat(),
      safety_tolerance: fc.integer({ min: 0, max: 6 }),
      prompt_upsampling: fc.boolean(),
      guidance: fc.double({ min: 1.5, max: 10, noNaN: true }),
      steps: fc.integer({ min: 1, max: 50 }),
      on_unsupported: fc.constantFrom('adapt', 'reject'),
      provider: fc.record({ only: fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 }), allow_fallbacks: fc.boolean() }),
      metadata: fc.dictionary(fc.constantFrom('user', 'safety_identifier', 'team'), fc.string({ minLength: 1, maxLength: 20 }), {
        minKeys: 1,
      }),
      reference_images: fc.array(fc.constantFrom('https://x.test/a.png', 'https://x.test/b.png'), { minLength: 1, maxLength: 10 }),
    },
    { requiredKeys: [] },
  )
  .map(({ size, ...rest }): Record<string, Json> => ({ ...base, ...size, ...(rest as Record<string, Json>) }))

/** How a client of OpenAI's API says a request of ours. */
function asOpenai(ours: Readonly<Record<string, Json>>): Record<string, Json> {
  const { width, height, output_quality: quality, metadata, ...same } = ours
  const { user, safety_identifier: safety, ...pairs } = (metadata ?? {}) as Record<string, string>
  return {
    ...same,
    ...(width === undefined ? {} : { size: `${Number(width)}x${Number(height)}` }),
    ...(quality === undefined ? {} : { output_compression: quality }),
    ...(user === undefined ? {} : { user }),
    ...(safety === undefined ? {} : { safety_identifier: safety }),
    ...(Object.keys(pairs).length > 0 ? { metadata: pairs } : {}),
  }
}

test('a request that OpenAI’s body can say comes back as the same request, without a warning', () => {
  fc.assert(
    fc.property(request, (ours) => {
      const translation = toRequest(GenerationBody.parse(asOpenai(ours)), [])
      expect(translation).toMatchObject({ kind: 'request', request: ours, warnings: [] })
      expect(Object.keys((translation as { request: object }).request).toSorted()).toEqual(Object.keys(ours).toSorted())
    }),
  )
})

describe('images on their way', () => {
  const asked = (fields: object, at: readonly string[]) => toRequest(GenerationBody.parse({ ...base, ...fields }), at)

  test('are asked of every provider that shows them, beside what the caller gave it', () => {
    const translation = asked({ stream: true, partial_images: 2, provider_options: { one: { low: true }, third: {} } }, ['one', 'two'])
    expect(translation).toMatchObject({ kind: 'request', warnings: [], wanted: { partialImages: true } })
    expect((translation as { request: object }).request).toMatchObject({
      provider_options: { one: { partial_images: 2, low: true }, two: { partial_images: 2 }, third: {} },
    })
  })

  test('are none without a stream, and none where nobody shows them, which is said', () => {
    for (const translation of [asked({ partial_images: 2 }, ['one']), asked({ partial_images: 2, stream: true }, [])])
      expect(translation).toMatchObject({
        kind: 'request',
        warnings: [{ code: 'unsupported', field: 'partial_images', requested: 2, used: null }],
        wanted: { partialImages: false },
      })
  })
})
