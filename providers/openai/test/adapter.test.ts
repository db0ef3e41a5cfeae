import { describe, expect, test } from 'vitest'
import { Manifest, type Json, type Order, type Reply } from '#contract'
import { meteredPrice } from '../../../src/core/plan/price.ts'
import { leastOrder } from '../../../test/support/least-order.ts'
import { adapter } from '../adapter.ts'
import manifestJson from '../manifest.json' with { type: 'json' }
import type { OpenAiOptions } from '../wire.ts'

const manifest = Manifest.parse(manifestJson)
const PNG = 'data:image/png;base64,AAAA'

const orderOf = (model: string, fields: Partial<Order<OpenAiOptions>> = {}): Order<OpenAiOptions> =>
  leastOrder(manifest, model, { options: {}, ...fields })

const reply = (body: Json, status = 200): Reply => ({ status, headers: { 'x-request-id': 'req_1' }, body })
const { call: CALL } = adapter.translate(orderOf('gpt-image-2'))

describe('an option of OpenAI', () => {
  test.each<[string, boolean, OpenAiOptions, string[]]>([
    ['gpt-image-2', false, { moderation: 'low', complexity: 'high', safety_identifier: 'u' }, []],
    ['gpt-image-2', true, { moderation: 'low', complexity: 'high' }, ['moderation']],
    ['gpt-image-2', true, { input_fidelity: 'high' }, ['input_fidelity']],
    ['gpt-image-1.5', true, { input_fidelity: 'high' }, []],
    ['gpt-image-1.5', false, { input_fidelity: 'high' }, ['input_fidelity']],
    ['gpt-image-1-mini', true, { input_fidelity: 'low' }, []],
    ['gpt-image-1-mini', true, { input_fidelity: 'high' }, ['input_fidelity']],
  ])('of %s (edit: %s) %o is sent where the endpoint and the model have it, else said to be ignored', (model, isEdit, options, dropped) => {
    const { call, warnings } = adapter.translate(orderOf(model, { options, references: isEdit ? [PNG] : [] }))
    expect(warnings.map(({ code, field }) => [code, field])).toEqual(
      dropped.map((name) => ['ignored_option', `provider_options.openai.${name}`]),
    )
    const names = call.form?.map(({ name }) => name) ?? Object.keys(call.body ?? {})
    for (const name of Object.keys(options)) expect(names.includes(name), name).toBe(!dropped.includes(name))
  })

  test('stands before the files of a form, which a server may read as they come', () => {
    const { call } = adapter.translate(orderOf('gpt-image-2', { options: { complexity: 'low' }, references: [PNG], mask: PNG }))
    expect(call.form?.map(({ name }) => name)).toEqual(['model', 'prompt', 'stream', 'complexity', 'image[]', 'mask'])
  })
})

describe('the cost of an image', () => {
  const rule = (model: string) => {
    const price = manifest.models[model]?.price
    if (price?.kind !== 'token') throw new Error(`${model} has no price of tokens`)
    return price
  }
  const amountOf = (model: string, usage: Json): string | null | undefined => {
    const { cost } = adapter.interpret(reply({ data: [{ b64_json: 'AAAA' }], usage }), CALL)
    return cost && !('amount' in cost) ? meteredPrice(rule(model), cost)?.amount : undefined
  }

  test('counts every token of the output as one of an image where the reply has no details', () => {
    const usage = { input_tokens: 1_000, input_tokens_details: { text_tokens: 200, image_tokens: 800 }, output_tokens: 1_000 }
    // 200 × 5 + 800 × 8 + 1000 × 30, in millionths of a dollar.
    expect(amountOf('gpt-image-2', usage)).toBe('0.0374')
    expect(amountOf('gpt-image-2', { ...usage, output_tokens_details: { image_tokens: 900, text_tokens: 100 } })).toBe('0.0354')
  })

  test('is unknown where the reply counts text of a model whose price of it nobody publishes', () => {
    const usage = { input_tokens: 10, output_tokens: 1_000, output_tokens_details: { image_tokens: 900, text_tokens: 100 } }
    expect(amountOf('gpt-image-2.6-flare', usage)).toBeUndefined()
    expect(amountOf('gpt-image-2.6-flare', { input_tokens: 10, output_tokens: 1_000 })).toBe('0.03005')
  })

  test('is unknown where two ends of one stream count differently, and counts once where they count the same', () => {
    const end = (tokens: number, image = 'AAAA'): Json => ({
      event: 'image_generation.completed',
      data: { b64_json: image, usage: { input_tokens: 10, output_tokens: tokens } },
    })
    const streamed = (...body: Json[]) =>
      adapter.interpret({ status: 200, headers: { 'content-type': 'text/event-stream' }, body }, CALL).cost
    const usedIn = (tokens: number) => ({ tokens: expect.objectContaining({ image_output: tokens }) })
    expect(streamed(end(1_000))).toMatchObject(usedIn(1_000))
    expect(streamed(end(1_000), end(1_000))).toMatchObject(usedIn(1_000))
    expect(streamed(end(1_000), end(99_999, 'BBBB'))).toBeUndefined()
    expect(streamed({ event: 'image_generation.completed', data: { b64_json: 'AAAA' } }, end(1_000))).toBeUndefined()
  })

  test('is quoted for gpt-image-1-mini as its page prices an image, though the tokens of the guide would come to less', () => {
    const { output_tokens: table, note } = rule('gpt-image-1-mini')
    expect(table?.['1024x1024']).toEqual({ low: 0.005 / 8e-6, medium: 0.011 / 8e-6, high: 0.036 / 8e-6 })
    expect(note).toContain('Contradiction, read 2026-11-28')
  })

  test('has no quote where only a calculator knows the tokens', () => {
    for (const model of ['gpt-image-2', 'gpt-image-2.6-sunburst', 'gpt-image-2.6-flare']) expect(rule(model).output_tokens).toBeNull()
  })
})

describe('a reply of OpenAI', () => {
  test('that withholds an image at a stage it does not know may have been paid', () => {
    const blocked = (details: Json) =>
      adapter.interpret(reply({ error: { message: 'no', code: 'moderation_blocked', moderation_details: details } }, 400), CALL)
    expect(blocked({ moderation_stage: 'input', categories: [] })).toMatchObject({ failure: { stage: 'request', billed: false } })
    expect(blocked({ moderation_stage: 'output', categories: [] })).toMatchObject({ failure: { stage: 'output', billed: 'unknown' } })
    const unknown = blocked({ moderation_stage: 'unknown', categories: ['x'] })
    expect(unknown).toMatchObject({ failure: { code: 'moderated', billed: 'unknown', reasons: ['x'] } })
    expect(unknown).not.toHaveProperty('failure.stage')
  })

  test('keeps the id of the request, and what the vendor chose by itself', () => {
    const body = { data: [{ b64_json: 'AAAA' }], size: '1024x1024', quality: 'high', background: 'opaque' }
    expect(adapter.interpret(reply(body), CALL)).toMatchObject({
      taskId: 'req_1',
      vendor: { size: '1024x1024', quality: 'high', background: 'opaque' },
    })
    expect(adapter.interpret(reply({ error: { message: 'no' } }, 500), CALL).taskId).toBe('req_1')
  })
})

describe('the manifest of OpenAI', () => {
  test('ends the two older models on the day that the vendor’s page says, and names what replaces them', () => {
    const ends = Object.values(manifest.models).map(({ provider_model, retires_on, replaced_by }) => [
      provider_model,
      retires_on,
      replaced_by,
    ])
    expect(ends).toEqual([
      ['gpt-image-2', undefined, undefined],
      ['gpt-image-2.6-sunburst', undefined, undefined],
      ['gpt-image-2.6-flare', undefined, undefined],
      ['gpt-image-1.5', '2026-12-01', 'gpt-image-2.6-sunburst'],
      ['gpt-image-1-mini', '2026-12-01', 'gpt-image-2.6-sunburst'],
    ])
  })

  test('maps no scale of safety to a filter that has two words', () => {
    for (const { limits } of Object.values(manifest.models)) expect(limits.safety_tolerance).toBeNull()
  })

  test('dates every note', () => {
    for (const { notes = [] } of Object.values(manifest.models)) for (const note of notes) expect(note).toMatch(/2026-\d\d/)
  })
})
