import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { judge, requestSchema, sentenceOf } from '#contract'

const schema = requestSchema({ acme: z.strictObject({ raw: z.boolean().optional() }) })
const good = { model: 'm', prompt: 'x' }

/** Everything that is wrong with data, as sentences. */
function said(data: unknown, judgedBy: z.ZodType = schema): readonly string[] {
  const judged = judge(judgedBy, data)
  if (judged.kind === 'right') return []
  return judged.objections.map(({ path, message }) => sentenceOf({ path: path.map(String).join('.'), message }))
}

describe('judge says what is wrong with data in words:', () => {
  test.each([
    ['a field that is not there', { model: 'm' }, 'prompt is missing'],
    ['no body', undefined, 'the body is missing'],
    ['null instead of a body', null, 'the body must be an object, not null'],
    ['text instead of a whole number', { ...good, width: '12', height: 12 }, 'width must be a whole number, not a string'],
    ['a part of a pixel', { ...good, width: 12, height: 1.5 }, 'height must be a whole number, not 1.5'],
    ['a number outside its range', { ...good, steps: 0 }, 'steps must be from 1 to 50'],
    [
      'a value that is almost one of the list',
      { ...good, output_format: 'jpg' },
      'output_format must be "jpeg", "png" or "webp"; did you mean "jpeg"?',
    ],
    ['a word instead of a switch', { ...good, prompt_upsampling: 'yes' }, 'prompt_upsampling must be true or false, not a string'],
    ['a misspelt field', { ...good, widht: 3 }, 'widht is an unknown field; did you mean "width"?'],
    ['a field that nothing is near to', { ...good, zzzzzzzz: 3 }, 'zzzzzzzz is an unknown field; remove it'],
    [
      'an unknown provider of options',
      { ...good, provider_options: { acne: {} } },
      'provider_options.acne is an unknown field; did you mean "acme"?',
    ],
    [
      'an unknown option',
      { ...good, provider_options: { acme: { rwa: true } } },
      'provider_options.acme.rwa is an unknown field; did you mean "raw"?',
    ],
    ['a list that is none', { ...good, provider: { order: 'acme' } }, 'provider.order must be a list, not a string'],
    ['an empty list', { ...good, provider: { only: [] } }, 'provider.only is an empty list'],
    ['a pair of metadata that is no text', { ...good, metadata: { a: 1 } }, 'metadata.a must be a string, not 1'],
    [
      'a seed that is none',
      { ...good, seed: 'x' },
      'seed must be a whole number from 0 to 9223372036854775807; beyond 9007199254740991 as a string of digits',
    ],
    ['one side of a size', { ...good, width: 10 }, 'height is missing: width and height go together, send both or neither'],
  ])('%s is named in a sentence', (_, data, sentence) => {
    expect(said(data)).toEqual([sentence])
  })

  test('a union says what is wrong in the form that was meant, and names all forms where none was', () => {
    const form = z.union([z.strictObject({ per_image: z.string() }), z.string(), z.array(z.number())])
    expect(said({ per_image: 3 }, form)).toEqual(['per_image must be a string, not 3'])
    expect(said(['x'], form)).toEqual(['0 must be a number, not a string'])
    expect(said(3, form)).toEqual(['the body must be an object, a string or a list'])
  })

  test('a name in a record is judged in words too', () => {
    expect(said({ ...good, metadata: { ['x'.repeat(65)]: 'y' } })).toEqual([
      `metadata.${'x'.repeat(65)} has a name that must have at most 64 characters`,
    ])
  })

  test('no sentence is one of the schema library’s own', () => {
    const everything = {
      model: 3,
      prompt: null,
      width: 'x',
      height: {},
      aspect_ratio: 3,
      megapixels: 'x',
      reference_images: [{ img: 1 }, 3],
      seed: {},
      n: 99,
      output_format: 1,
      output_quality: 1,
      safety_tolerance: [],
      guidance: 'x',
      steps: -1,
      provider: { sort: 1, order: [''], max_price_usd: 1 },
      on_unsupported: 1,
      webhook: { url: 'x', events: [] },
      metadata: [],
      provider_options: [],
      more: 1,
    }
    const sentences = said(everything)
    expect(sentences.length).toBeGreaterThan(20)
    expect(sentences.filter((text) => /invalid input|expected|received|too (small|big)|unrecognized|nan/i.test(text))).toEqual([])
  })
})
