import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '#contract'
import { readForm as read } from '../../../../src/http/compatible/openai/form.ts'
import type { FormField } from '../../../../src/http/compatible/openai/form.ts'

/** Nothing in these fields is held. */
const readForm = (fields: readonly FormField[]) => read(fields, [], 'a caller')

const form = (text: Readonly<Record<string, string>>): readonly FormField[] =>
  Object.entries(text).map(([name, value]) => ({ name, value }))

describe('text fields', () => {
  test('numbers, booleans and null are what they spell where the field is one, and text elsewhere', async () => {
    expect(await readForm(form({ n: '3', stream: 'true', guidance: '2.5', size: 'null', prompt: 'null', user: '5' }))).toEqual({
      kind: 'body',
      body: { n: 3, stream: true, guidance: 2.5, size: null, prompt: 'null', user: '5' },
    })
  })

  test('structures come as JSON text or in brackets', async () => {
    const body = { provider: { only: ['a', 'b'], max_price_usd: '0.05', allow_fallbacks: false }, metadata: { k: '7' } }
    expect(await readForm(form({ provider: JSON.stringify(body.provider), metadata: '{"k":"7"}' }))).toEqual({ kind: 'body', body })
    const brackets = [
      { name: 'provider[only][]', value: 'a' },
      { name: 'provider[max_price_usd]', value: '0.05' },
      { name: 'provider[only][]', value: 'b' },
      { name: 'provider[allow_fallbacks]', value: 'false' },
      { name: 'metadata[k]', value: '7' },
    ]
    expect(await readForm(brackets)).toEqual({ kind: 'body', body })
  })

  test('options of a provider in brackets may be numbers and booleans', async () => {
    const fields = form({ 'provider_options[x][scale]': '1.50', 'provider_options[x][raw]': 'true', 'provider_options[x][name]': '1a' })
    expect(await readForm(fields)).toEqual({ kind: 'body', body: { provider_options: { x: { scale: 1.5, raw: true, name: '1a' } } } })
  })

  test('reference images keep their order, stored ones beside links', async () => {
    const fields = [
      { name: 'reference_images[]', value: 'https://x.test/a.png' },
      { name: 'reference_images[][image]', value: 'img_1' },
    ]
    expect(await readForm(fields)).toEqual({ kind: 'body', body: { reference_images: ['https://x.test/a.png', { image: 'img_1' }] } })
  })

  test.for([
    [{ n: '3x' }, 'n'],
    [{ n: '' }, 'n'],
    [{ n: '0x10' }, 'n'],
    [{ stream: '1' }, 'stream'],
    [{ metadata: 'x' }, 'metadata'],
    [{ metadata: '5' }, 'metadata'],
    [{ metadata: '{"__proto__":"x"}' }, 'metadata'],
    [{ provider_options: `${'{"a":'.repeat(70)}1${'}'.repeat(70)}` }, 'provider_options'],
    [{ 'a[b': '1' }, 'a[b'],
    [{ '[a]': '1' }, '[a]'],
    [{ 'metadata[__proto__]': '1' }, 'metadata[__proto__]'],
    [{ metadata: '{}', 'metadata[a]': '1' }, null],
    [{ 'metadata[a]': '1', metadata: '{}' }, 'metadata'],
    [{ 'metadata[a]': '1', 'metadata[]': '1' }, 'metadata[]'],
    [{ 'metadata[a]': '1', 'metadata[a][b]': '1' }, 'metadata[a][b]'],
  ] as const)('%j', async ([fields, param]) => {
    const reading = await readForm(form(fields))
    expect(reading.kind === 'refused' ? reading.param : null).toBe(param)
  })

  test('the same field twice is refused, not the last or the first taken', async () => {
    const twice = { name: 'prompt', value: 'a' }
    expect(await readForm([twice, twice])).toMatchObject({ kind: 'refused', param: 'prompt' })
  })
})

/** As OpenAI's SDK writes a body into a form (node_modules/openai/internal/uploads.js, addFormValue). */
function written(name: string, value: Json): readonly FormField[] {
  if (Array.isArray(value)) return value.flatMap((entry: Json) => written(`${name}[]`, entry))
  if (typeof value === 'object' && value !== null) return Object.entries(value).flatMap(([key, inner]) => written(`${name}[${key}]`, inner))
  return [{ name, value: String(value) }]
}

test('a form that OpenAI’s SDK writes is read as the body it was', async () => {
  const word = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_.-]{0,12}$/)
  const body = fc.record(
    {
      prompt: fc.string({ minLength: 1 }),
      model: word,
      n: fc.integer({ min: 1, max: 20 }),
      seed: fc.maxSafeNat(),
      stream: fc.boolean(),
      prompt_upsampling: fc.boolean(),
      output_compression: fc.integer({ min: 0, max: 100 }),
      provider: fc.record({ only: fc.array(word, { minLength: 1 }), allow_fallbacks: fc.boolean(), max_price_usd: fc.constant('0.05') }),
      metadata: fc.dictionary(word, fc.string(), { minKeys: 1 }),
      provider_options: fc.record({ someone: fc.record({ raw: fc.boolean(), scale: fc.integer(), name: word }) }),
      reference_images: fc.array(fc.oneof(fc.constant('https://x.test/a.png'), fc.record({ image: word })), { minLength: 1 }),
    },
    { requiredKeys: [] },
  )
  const plain = body.filter((value) => !JSON.stringify(value).includes('__proto__'))
  await fc.assert(
    fc.asyncProperty(plain, async (value) => {
      const asJson = JSON.parse(JSON.stringify(value)) as Record<string, Json>
      // The words true and false are read as booleans inside provider_options.
      fc.pre(!/^(true|false)$/.test(value.provider_options?.someone.name ?? ''))
      const fields = Object.entries(asJson).flatMap(([name, inner]) => written(name, inner))
      expect(await readForm(fields)).toEqual({ kind: 'body', body: asJson })
    }),
  )
})

test('no form makes it throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ name: fc.string(), value: fc.string() })), async (fields) => {
      expect(['body', 'refused']).toContain((await readForm(fields)).kind)
    }),
  )
})
