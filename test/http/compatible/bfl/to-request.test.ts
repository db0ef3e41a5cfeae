import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { requestSchema } from '#contract'
import type { Json, JsonObject } from '#contract'
import { adapter } from '../../../../providers/bfl/adapter.ts'
import { IMAGE_SLOTS } from '../../../../src/http/compatible/bfl/endpoint.ts'
import { ENDPOINTS, readBody } from '../../../../src/http/compatible/bfl/endpoints.ts'
import { toRequest, withOtherSide } from '../../../../src/http/compatible/bfl/to-request.ts'

const schema = requestSchema({ bfl: adapter.options })
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 73, 72, 68, 82]).toString('base64')
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1, 1, 0, 0, 1]).toString('base64')

function translated(path: string, body: JsonObject) {
  const endpoint = ENDPOINTS.get(path)
  const read = endpoint && readBody(endpoint, body)
  if (!endpoint || read?.kind !== 'valid') throw new Error(`not valid: ${JSON.stringify(read)}`)
  return toRequest(endpoint, read.values, read.unknown)
}

function requestOf(path: string, body: JsonObject) {
  const result = translated(path, body)
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.issues))
  return result
}

describe('BFL’s own defaults are written out', () => {
  test('FLUX.2 [pro] rewrites the prompt and has no size of its own', () => {
    expect(requestOf('flux-2-pro', { prompt: 'a' })).toMatchObject({
      request: { model: 'flux-2-pro', prompt: 'a', prompt_upsampling: true, safety_tolerance: 2, output_format: 'jpeg' },
      warnings: [],
      webhook: null,
    })
    expect(requestOf('flux-2-pro', { prompt: 'a' }).request).not.toHaveProperty('width')
  })

  test('FLUX.2 [flex] has guidance 5 and 50 steps too', () => {
    expect(requestOf('flux-2-flex', { prompt: 'a', guidance: null }).request).toMatchObject({
      guidance: 5,
      steps: 50,
      prompt_upsampling: true,
    })
  })

  test('FLUX1.1 [pro] is 1024 x 768 and leaves the prompt alone', () => {
    expect(requestOf('flux-pro-1.1', { prompt: 'a' }).request).toEqual({
      model: 'flux-1.1-pro',
      prompt: 'a',
      width: 1024,
      height: 768,
      safety_tolerance: 2,
      output_format: 'jpeg',
      prompt_upsampling: false,
    })
    expect(requestOf('flux-pro-1.1', { prompt: 'a', width: 512 }).request).toMatchObject({ width: 512, height: 768 })
  })

  test('disable_pup of BFL’s SDK turns the rewriting off', () => {
    expect(requestOf('flux-2-pro', { prompt: 'a', disable_pup: true }).request).toMatchObject({ prompt_upsampling: false })
    expect(requestOf('flux-2-pro', { prompt: 'a', prompt_upsampling: false }).request).toMatchObject({ prompt_upsampling: false })
  })
})

describe('sizes', () => {
  test('one FLUX.2 side gets a partner, and a warning', () => {
    const { request, warnings } = requestOf('flux-2-pro', { prompt: 'a', height: 512 })
    expect(request).toMatchObject({ width: 1024, height: 512 })
    expect(warnings).toMatchObject([{ code: 'adjusted', field: 'width', requested: null, used: 1024 }])
  })

  test('aspect_ratio stands in for a size, and is ignored beside one: silently where it says the same', () => {
    expect(requestOf('flux-2-pro', { prompt: 'a', aspect_ratio: '16:9' })).toMatchObject({
      request: { aspect_ratio: '16:9' },
      warnings: [],
    })
    const same = requestOf('flux-2-pro', { prompt: 'a', aspect_ratio: '3:2', width: 768, height: 512 })
    expect(same.request).not.toHaveProperty('aspect_ratio')
    expect(same.warnings).toEqual([])
    const other = requestOf('flux-2-pro', { prompt: 'a', aspect_ratio: '1:1', width: 768, height: 512 })
    expect(other.warnings).toMatchObject([{ code: 'ignored_option', field: 'aspect_ratio', requested: '1:1' }])
    const nonsense = requestOf('flux-pro-1.1', { prompt: 'a', aspect_ratio: 'wide' })
    expect(nonsense).toMatchObject({ request: { width: 1024, height: 768 }, warnings: [{ field: 'aspect_ratio', requested: 'wide' }] })
  })
})

describe('reference images', () => {
  test('keep their order; base64 and data URIs get the media type of their bytes', () => {
    const body = {
      prompt: 'a',
      input_image_3: `data:image/png;base64,${JPEG}`,
      input_image: 'https://example.com/a.png?sig=1',
      input_image_2: PNG,
    }
    const result = requestOf('flux-2-pro', body)
    expect(result.request['reference_images']).toEqual([
      'https://example.com/a.png?sig=1',
      `data:image/png;base64,${PNG}`,
      `data:image/jpeg;base64,${JPEG}`,
    ])
    expect(result.slots).toEqual(['input_image', 'input_image_2', 'input_image_3'])
  })

  test('image_prompt is the one of FLUX1.1 [pro], with or without a prompt', () => {
    const { request, warnings } = requestOf('flux-pro-1.1', { image_prompt: PNG })
    expect(request).toMatchObject({ prompt: '', reference_images: [`data:image/png;base64,${PNG}`] })
    expect(warnings).toEqual([])
    expect(schema.parse(request)).toMatchObject({ prompt: '' })
  })

  test('what is no image is refused by its field', () => {
    const result = translated('flux-2-pro', { prompt: 'a', input_image: PNG, input_image_2: 'no image', input_image_3: 'http://[' })
    expect(result).toMatchObject({
      kind: 'invalid',
      issues: [
        { loc: ['body', 'input_image_2'], msg: expect.stringContaining('neither'), type: 'value_error' },
        { loc: ['body', 'input_image_3'], msg: expect.stringContaining('URL'), type: 'value_error' },
      ],
    })
  })

  test('a gap between slots is an error of the slot after it, so that no image changes its number', () => {
    expect(translated('flux-2-pro', { prompt: 'a', input_image: PNG, input_image_3: JPEG })).toEqual({
      kind: 'invalid',
      issues: [{ loc: ['body', 'input_image_3'], msg: expect.stringContaining('input_image_2 is empty'), type: 'value_error' }],
    })
  })

  test('an empty text in a slot is no image', () => {
    const { request, slots } = requestOf('flux-2-pro', { prompt: 'a', input_image: PNG, input_image_2: '', input_image_8: '' })
    expect(request['reference_images']).toEqual([`data:image/png;base64,${PNG}`])
    expect(slots).toEqual(['input_image'])
    expect(requestOf('flux-pro-1.1', { prompt: 'a', image_prompt: '' }).request).not.toHaveProperty('reference_images')
  })

  test('a size of one side waits for the first image, whose ratio it keeps', () => {
    const one = requestOf('flux-2-pro', { prompt: 'a', input_image: PNG, width: 512 })
    expect(one).toMatchObject({ missingSide: 'height', warnings: [] })
    const { request, warnings } = withOtherSide(one, 'height', { width: 1000, height: 1500 })
    expect(request).toMatchObject({ width: 512, height: 768 })
    expect(warnings).toMatchObject([{ code: 'adjusted', field: 'height', requested: null, used: 768 }])
    expect(
      withOtherSide(requestOf('flux-2-pro', { prompt: 'a', input_image: PNG, height: 512 }), 'width', { width: 1500, height: 1000 })
        .request,
    ).toMatchObject({ width: 768, height: 512 })
  })

  test('a blob that lies at BFL can only be served by BFL', () => {
    expect(requestOf('flux-2-flex', { prompt: 'a', input_image_blob_path: 'x/y' }).request).toMatchObject({
      provider: { only: ['bfl'] },
      provider_options: { bfl: { input_image_blob_path: 'x/y' } },
    })
  })
})

describe('an endpoint that sells shapes', () => {
  test('has the megapixels of its resolution, its own ratio where none is said, and the first image’s where it has none', () => {
    expect(requestOf('flux-pro-1.1-ultra', {}).request).toEqual({
      model: 'flux-1.1-pro-ultra',
      prompt: '',
      aspect_ratio: '16:9',
      megapixels: 4,
      safety_tolerance: 2,
      output_format: 'jpeg',
      prompt_upsampling: false,
    })
    expect(requestOf('flux-kontext-max', { prompt: 'a', input_image: PNG }).request).toMatchObject({ megapixels: 1, output_format: 'png' })
    expect(requestOf('flux-kontext-max', { prompt: 'a', input_image: PNG }).request).not.toHaveProperty('aspect_ratio')
    expect(requestOf('flux-kontext-pro', { prompt: 'a', aspect_ratio: '21:9', width: 512 })).toMatchObject({
      request: { aspect_ratio: '21:9', megapixels: 1 },
      warnings: [{ code: 'ignored_option', field: 'width' }],
    })
  })

  test('of FLUX 3 takes one image or a list, and says nothing of what it does not have', () => {
    const asked = { prompt: 'a', images: PNG, resolution: '2k', aspect_ratio: 'auto', grounding: false, version: 'latest', seed: 7 }
    const { request, warnings } = requestOf('flux-3-image', asked)
    expect(request).toEqual({
      model: 'flux-3-image',
      prompt: 'a',
      megapixels: 4,
      safety_tolerance: 2,
      reference_images: [`data:image/png;base64,${PNG}`],
      provider_options: { bfl: { grounding: false } },
    })
    expect(warnings).toMatchObject([{ code: 'ignored_option', field: 'seed', requested: 7 }])
    expect(requestOf('flux-3-image', { prompt: 'a', images: [PNG, PNG] }).request['reference_images']).toHaveLength(2)
  })

  test('of FLUX.2 [klein] has no say on the rewriting of prompts', () => {
    expect(requestOf('flux-2-klein-4b', { prompt: 'a' }).request).not.toHaveProperty('prompt_upsampling')
  })
})

test('a field the endpoint does not have is ignored, as BFL does, and becomes a short warning', () => {
  const { warnings } = requestOf('flux-2-pro', { prompt: 'a', raw: true, mask: 'x'.repeat(5000), lora: { a: 1 } })
  expect(warnings).toMatchObject([
    { code: 'ignored_option', field: 'raw', requested: true },
    { code: 'ignored_option', field: 'mask', requested: 'x'.repeat(100) },
    { code: 'ignored_option', field: 'lora', requested: null },
  ])
})

const body = fc.record(
  {
    prompt: fc.string({ minLength: 1, maxLength: 200 }).map((text) => `a${text}`),
    seed: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
    width: fc.constantFrom(0, null, 64, 512, 1440, 2048),
    height: fc.constantFrom(0, null, 64, 512, 1440, 2048),
    safety_tolerance: fc.integer({ min: 0, max: 5 }),
    output_format: fc.constantFrom(null, 'jpeg', 'png'),
    prompt_upsampling: fc.option(fc.boolean()),
    aspect_ratio: fc.constantFrom('16:9', '1:1', 'x', 4),
    guidance: fc.option(fc.double({ min: 1.5, max: 10, noNaN: true })),
    steps: fc.option(fc.integer({ min: 1, max: 50 })),
    images: fc.nat({ max: IMAGE_SLOTS.length }).map((count) => IMAGE_SLOTS.slice(0, count)),
    strange: fc.jsonValue(),
  },
  { requiredKeys: ['prompt'] },
)

test('every valid body becomes a valid request that says the same', () => {
  fc.assert(
    fc.property(fc.constantFrom('flux-2-pro', 'flux-2-flex'), body, (path, { images = [], ...fields }) => {
      const asked = { ...fields, ...Object.fromEntries(images.map((slot) => [slot, PNG])) } as JsonObject
      const { request, slots } = requestOf(path, asked)
      const parsed = schema.parse(request) as Readonly<Record<string, Json>>
      expect(parsed['reference_images'] ?? []).toEqual(images.map(() => `data:image/png;base64,${PNG}`))
      expect(slots).toEqual(images)
      expect(parsed['seed']).toBe(fields.seed ?? undefined)
      expect(parsed['safety_tolerance']).toBe(fields.safety_tolerance ?? 2)
      expect(parsed['prompt']).toBe(fields.prompt)
      expect(parsed['output_format']).toBe(fields.output_format ?? 'jpeg')
      expect(parsed['guidance']).toBe(path === 'flux-2-flex' ? (fields.guidance ?? 5) : undefined)
      expect(parsed['steps']).toBe(path === 'flux-2-flex' ? (fields.steps ?? 50) : undefined)
      expect(parsed['prompt_upsampling']).toBe(fields.prompt_upsampling ?? true)
      if (fields.width && fields.height) expect(parsed).toMatchObject({ width: fields.width, height: fields.height })
    }),
  )
})

describe('seeds', () => {
  test('of −1, BFL’s word for a random seed, go to BFL as they are and are none elsewhere; one beyond 2^53 keeps every digit', () => {
    const { request } = requestOf('flux-2-pro', { prompt: 'a', seed: -1 })
    expect(request).not.toHaveProperty('seed')
    expect(request).toMatchObject({ provider_options: { bfl: { seed: -1 } } })
    expect(requestOf('flux-2-pro', { prompt: 'a', seed: '9223372036854775807' }).request).toMatchObject({ seed: '9223372036854775807' })
    expect(requestOf('flux-2-pro', { prompt: 'a', seed: '42' }).request).toMatchObject({ seed: 42 })
  })
})

test('prompt_upsampling, which FLUX.2 [pro] does not have, is honoured where it is a boolean and else ignored, never refused', () => {
  const { request, warnings } = requestOf('flux-2-pro', { prompt: 'a', prompt_upsampling: 'maybe', disable_pup: [] })
  expect(request).toMatchObject({ prompt_upsampling: true })
  expect(warnings).toMatchObject([
    { code: 'ignored_option', field: 'prompt_upsampling', requested: 'maybe' },
    { code: 'ignored_option', field: 'disable_pup' },
  ])
})
