import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '#contract'
import { ENDPOINTS, readBody } from '../../../../src/http/compatible/bfl/endpoints.ts'
import type { Endpoint } from '../../../../src/http/compatible/bfl/endpoint.ts'

export const endpointOf = (path: string): Endpoint => {
  const endpoint = ENDPOINTS.get(path)
  if (!endpoint) throw new Error(`no endpoint ${path}`)
  return endpoint
}

/** What is wrong with one field, as `detail` has it. */
function issuesOf(path: string, body: Json | undefined) {
  const read = readBody(endpointOf(path), body)
  return read.kind === 'invalid' ? read.issues : []
}

describe('a body is refused as FastAPI refuses it', () => {
  test.each<[string, Json | undefined, readonly unknown[]]>([
    ['flux-2-pro', undefined, [{ loc: ['body'], msg: 'Field required', type: 'missing' }]],
    ['flux-2-pro', {}, [{ loc: ['body', 'prompt'], msg: 'Field required', type: 'missing' }]],
    ['flux-2-pro', { prompt: null }, [{ loc: ['body', 'prompt'], msg: 'Input should be a valid string', type: 'string_type' }]],
    [
      'flux-2-pro',
      { prompt: 'a', width: 63 },
      [{ loc: ['body', 'width'], msg: 'Input should be greater than or equal to 64', type: 'greater_than_equal' }],
    ],
    [
      'flux-2-pro',
      { prompt: 'a', width: 64.5, height: 'tall' },
      [
        { loc: ['body', 'width'], msg: 'Input should be a valid integer, got a number with a fractional part', type: 'int_from_float' },
        { loc: ['body', 'height'], msg: 'Input should be a valid integer, unable to parse string as an integer', type: 'int_parsing' },
      ],
    ],
    [
      'flux-2-pro',
      { prompt: 'a', safety_tolerance: 6 },
      [{ loc: ['body', 'safety_tolerance'], msg: 'Input should be less than or equal to 5', type: 'less_than_equal' }],
    ],
    [
      'flux-2-pro',
      { prompt: 'a', safety_tolerance: null },
      [{ loc: ['body', 'safety_tolerance'], msg: 'Input should be a valid integer', type: 'int_type' }],
    ],
    [
      'flux-2-pro',
      { prompt: 'a', output_format: 'gif' },
      [{ loc: ['body', 'output_format'], msg: "Input should be 'jpeg', 'png' or 'webp'", type: 'enum' }],
    ],
    [
      'flux-2-flex',
      { prompt: 'a', output_format: 'webp', guidance: 1, steps: 51 },
      [
        { loc: ['body', 'guidance'], msg: 'Input should be greater than or equal to 1.5', type: 'greater_than_equal' },
        { loc: ['body', 'steps'], msg: 'Input should be less than or equal to 50', type: 'less_than_equal' },
        { loc: ['body', 'output_format'], msg: "Input should be 'jpeg' or 'png'", type: 'enum' },
      ],
    ],
    [
      'flux-pro-1.1',
      { width: 0, height: 1000 },
      [
        { loc: ['body', 'width'], msg: 'Input should be greater than or equal to 256', type: 'greater_than_equal' },
        { loc: ['body', 'height'], msg: 'Input should be a multiple of 32', type: 'multiple_of' },
      ],
    ],
    [
      'flux-pro-1.1',
      { width: 100, height: 2_000 },
      [
        { loc: ['body', 'width'], msg: 'Input should be a multiple of 32', type: 'multiple_of' },
        { loc: ['body', 'height'], msg: 'Input should be a multiple of 32', type: 'multiple_of' },
      ],
    ],
    [
      'flux-kontext-pro',
      { prompt: 'a', aspect_ratio: '3:1' },
      [{ loc: ['body', 'aspect_ratio'], msg: 'Value error, it is a ratio between 21:9 and 9:21', type: 'value_error' }],
    ],
    [
      'flux-2-max',
      { prompt: 'a', output_format: 'webp' },
      [{ loc: ['body', 'output_format'], msg: "Input should be 'jpeg' or 'png'", type: 'enum' }],
    ],
    [
      'flux-3-image',
      { prompt: 'a', images: Array.from({ length: 11 }, () => 'https://a.example/1.png'), safety_tolerance: 5 },
      [
        { loc: ['body', 'images'], msg: 'List should have at most 10 items after validation, not 11', type: 'too_long' },
        { loc: ['body', 'safety_tolerance'], msg: 'Input should be less than or equal to 4', type: 'less_than_equal' },
      ],
    ],
    ['flux-pro-1.1', { width: null }, [{ loc: ['body', 'width'], msg: 'Input should be a valid integer', type: 'int_type' }]],
    [
      'flux-2-pro',
      { prompt: 'a', webhook_url: 'ftp://example.com' },
      [{ loc: ['body', 'webhook_url'], msg: "URL scheme should be 'http' or 'https'", type: 'url_scheme' }],
    ],
    [
      'flux-2-pro',
      { prompt: 'a', webhook_url: 'https://exam\nple.com/hook' },
      [
        {
          loc: ['body', 'webhook_url'],
          msg: 'Input should be a valid URL, it has white space or a control character',
          type: 'url_parsing',
        },
      ],
    ],
    [
      'flux-2-pro',
      { prompt: 'a', webhook_url: '' },
      [{ loc: ['body', 'webhook_url'], msg: 'Input should be a valid URL, input is empty', type: 'url_parsing' }],
    ],
    [
      'flux-2-pro',
      { prompt: 'a', seed: -2 },
      [{ loc: ['body', 'seed'], msg: 'Input should be greater than or equal to -1', type: 'greater_than_equal' }],
    ],
  ])('%s refuses %j', (path, body, issues) => {
    expect(issuesOf(path, body)).toEqual(issues)
  })

  test.each<Json>(['a text', 7, null, [], true])('%j is no body', (body) => {
    expect(issuesOf('flux-2-pro', body)).toMatchObject([{ loc: ['body'], type: 'model_attributes_type' }])
  })

  test('a secret that no header can carry is refused, since it is sent in one', () => {
    for (const secret of ['line\nbreak', 'schlüssel', ' padded']) {
      expect(issuesOf('flux-2-pro', { prompt: 'a', webhook_secret: secret })).toMatchObject([{ loc: ['body', 'webhook_secret'] }])
    }
    expect(issuesOf('flux-2-pro', { prompt: 'a', webhook_secret: 'it is 100% fine' })).toEqual([])
  })
})

describe('a body is read as pydantic reads it', () => {
  const valuesOf = (path: string, body: Json) => {
    const read = readBody(endpointOf(path), body)
    if (read.kind === 'invalid') throw new Error(JSON.stringify(read.issues))
    return read
  }

  test('0 and null stand for a FLUX.2 side that is not given, null for any nullable field', () => {
    const body = { prompt: 'a', width: 0, height: null, seed: null, output_format: null, input_image: null }
    expect(valuesOf('flux-2-pro', body)).toMatchObject({ values: { prompt: 'a' }, unknown: {} })
  })

  test('texts that are numbers or booleans are taken as such', () => {
    const body = { prompt: 'a', width: ' 1024 ', height: 768.0, guidance: '4.5', steps: '20', prompt_upsampling: 'off' }
    expect(valuesOf('flux-2-flex', body).values).toEqual({
      prompt: 'a',
      width: 1024,
      height: 768,
      guidance: 4.5,
      steps: 20,
      prompt_upsampling: false,
    })
  })

  test('fields of another endpoint are not read, only named', () => {
    expect(valuesOf('flux-pro-1.1', { guidance: 4, raw: true, mask: null })).toMatchObject({
      values: {},
      unknown: { guidance: 4, raw: true },
    })
  })

  test('a name every object has is no field of anybody', () => {
    expect(valuesOf('flux-2-pro', JSON.parse('{"prompt":"a","constructor":1,"toString":2}') as Json).values).toEqual({ prompt: 'a' })
  })

  test('whatever JSON comes, the answer is values or issues that name where', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ENDPOINTS.values()),
        fc.jsonValue(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (endpoint, any, more) => {
          for (const body of [any, { prompt: 'a', ...more, width: any, seed: any, webhook_url: any, prompt_upsampling: any }]) {
            const read = readBody(endpoint, body as Json)
            if (read.kind === 'valid') expect(Object.values(read.values)).not.toContain(null)
            else expect(read.issues.every(({ loc, msg, type }) => loc[0] === 'body' && msg !== '' && /^[a-z_]+$/.test(type))).toBe(true)
          }
        },
      ),
    )
  })
})
