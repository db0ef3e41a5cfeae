import { describe, expect, test } from 'vitest'
import { Manifest, type Json, type Order, type Reply } from '#contract'
import { meteredPrice } from '../../../src/core/plan/price.ts'
import { leastOrder } from '../../../test/support/least-order.ts'
import { adapter } from '../adapter.ts'
import manifestJson from '../manifest.json' with { type: 'json' }
import type { GeminiOptions } from '../wire.ts'

const manifest = Manifest.parse(manifestJson)

const orderOf = (model: string, fields: Partial<Order<GeminiOptions>> = {}): Order<GeminiOptions> =>
  leastOrder(manifest, model, { options: {}, ...fields })

const reply = (body: Json, status = 200, headers: Record<string, string> = {}): Reply => ({ status, headers, body })
const { call: CALL } = adapter.translate(orderOf('gemini-3-pro-image'))
const read = (body: Json) => adapter.interpret(reply(body), CALL)

const IMAGE = { inlineData: { mimeType: 'image/png', data: 'AAAA' } }
const answer = (usageMetadata: Json, parts: Json = [IMAGE]): Json => ({ candidates: [{ content: { parts } }], usageMetadata })

describe('the cost of an image of Gemini', () => {
  const amountOf = (model: string, usage: Json, parts?: Json) => {
    const { cost } = read(answer(usage, parts))
    const price = manifest.models[model]?.price
    return cost && !('amount' in cost) && price ? meteredPrice(price, cost)?.amount : undefined
  }
  const details = (...counted: (readonly [string, number])[]) => counted.map(([modality, tokenCount]) => ({ modality, tokenCount }))

  test('has its thoughts at the price of text, also where nothing is drawn', () => {
    const usage = { promptTokenCount: 100, candidatesTokenCount: 1_120, thoughtsTokenCount: 500 }
    // 100 × 2 + 1120 × 120 + 500 × 12, in millionths of a dollar.
    expect(amountOf('gemini-3-pro-image', { ...usage, candidatesTokensDetails: details(['IMAGE', 1_120]) })).toBe('0.1406')
    expect(amountOf('gemini-3-pro-image', { promptTokenCount: 100, thoughtsTokenCount: 500 }, [])).toBe('0.0062')
  })

  test('is not known where an image was drawn and no count of it can be read', () => {
    expect(amountOf('gemini-3-pro-image', { promptTokenCount: 100, thoughtsTokenCount: 500 })).toBeUndefined()
    expect(amountOf('gemini-3-pro-image', { promptTokenCount: 100, candidatesTokenCount: 1e300 })).toBeUndefined()
    expect(
      amountOf('gemini-3-pro-image', { promptTokenCount: Number.MAX_SAFE_INTEGER, toolUsePromptTokenCount: 9, candidatesTokenCount: 1 }),
    ).toBeUndefined()
  })

  test('counts what was drawn as an image where there are no details, and what the details leave over as text', () => {
    expect(amountOf('gemini-2.5-flash-image', { promptTokenCount: 0, candidatesTokenCount: 1_295 })).toBe('0.03885')
    const usage = { promptTokenCount: 0, candidatesTokenCount: 1_295, candidatesTokensDetails: details(['IMAGE', 1_290]) }
    expect(amountOf('gemini-2.5-flash-image', usage)).toBe('0.0387125')
  })

  test('has references at the price of images, and is unknown where some of the input was cached', () => {
    const usage = { promptTokenCount: 570, promptTokensDetails: details(['TEXT', 10], ['IMAGE', 560]), candidatesTokenCount: 1_120 }
    expect(read(answer(usage))).toMatchObject({ cost: { tokens: { text_input: 10, image_input: 560, image_output: 1_120 } } })
    expect(amountOf('gemini-3-pro-image', { ...usage, cachedContentTokenCount: 5 })).toBeUndefined()
  })
})

describe('a reply of Gemini without an image', () => {
  const failureIn = (body: Json) => {
    const outcome = read(body)
    return outcome.kind === 'failed' ? outcome.failure : outcome
  }
  const ended = (finishReason: string, usageMetadata: Json = {}): Json => ({ candidates: [{ finishReason }], usageMetadata })

  test.each(['SAFETY', 'OTHER', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'IMAGE_SAFETY', 'MODEL_ARMOR', 'JAILBREAK', 'A_NEW_REASON'])(
    'whose prompt was blocked for %s is a moderated request',
    (blockReason) => {
      expect(failureIn({ promptFeedback: { blockReason } })).toMatchObject({ code: 'moderated', stage: 'request', reasons: [blockReason] })
    },
  )

  test.each('SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION'.split(' '))(
    'that ended with %s is moderated output',
    (reason) => {
      expect(failureIn(ended(reason))).toMatchObject({ code: 'moderated', stage: 'output', reasons: [reason], billed: 'unknown' })
      expect(failureIn(ended(reason, { thoughtsTokenCount: 9 }))).toMatchObject({ billed: true })
    },
  )

  test.each(['NO_IMAGE', 'IMAGE_OTHER', 'OTHER', 'MAX_TOKENS', 'MALFORMED_RESPONSE', 'STOP'])(
    'that ended with %s is a refusal that was billed for its tokens, and no moderation',
    (reason) => {
      expect(failureIn(ended(reason, { candidatesTokenCount: 9 }))).toMatchObject({ code: 'provider_rejected', billed: true })
    },
  )

  test('shows what the model wrote instead, and never takes an interim image of its thinking for the one ordered', () => {
    const parts = [{ ...IMAGE, thought: true }, { text: 'I cannot draw that.' }]
    const body = { candidates: [{ content: { parts }, finishReason: 'STOP' }], usageMetadata: { candidatesTokenCount: 6 } }
    expect(failureIn(body)).toMatchObject({ code: 'provider_rejected', provider_message: 'I cannot draw that.' })
  })
})

describe('an error of Gemini', () => {
  test('says the wait in its body: the longer one of body and header counts', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '12.25s' }]
    const body = { error: { code: 429, message: 'quota', status: 'RESOURCE_EXHAUSTED', details } }
    const waitOf = (headers: Record<string, string>) => {
      const outcome = adapter.interpret(reply(body, 429, headers), CALL)
      return outcome.kind === 'failed' ? outcome.failure.retry_after_ms : null
    }
    expect([waitOf({}), waitOf({ 'retry-after': '3' }), waitOf({ 'retry-after': '30' })]).toEqual([12_250, 12_250, 30_000])
  })

  test('about the key comes with HTTP 400', () => {
    const body = { error: { code: 400, message: 'no', status: 'INVALID_ARGUMENT', details: [{ reason: 'API_KEY_INVALID' }] } }
    expect(adapter.interpret(reply(body, 400), CALL)).toMatchObject({ failure: { code: 'provider_unauthorized', billed: false } })
  })
})

describe('an order to Gemini', () => {
  test('has no resolution where the model has only one, and a level of thinking only where one is documented', () => {
    const tier = { name: '1K', aspectRatio: '3:2' }
    const configOf = (model: string) => {
      const { call, warnings } = adapter.translate(orderOf(model, { tier, options: { thinking_level: 'high' } }))
      const { generationConfig } = call.body as { readonly generationConfig: Json }
      return { generationConfig, ignored: warnings.map(({ field }) => field) }
    }
    expect(configOf('gemini-2.5-flash-image')).toMatchObject({
      generationConfig: { responseModalities: ['IMAGE'], imageConfig: { aspectRatio: '3:2' } },
      ignored: ['provider_options.gemini.thinking_level'],
    })
    expect(JSON.stringify(configOf('gemini-2.5-flash-image'))).not.toContain('imageSize')
    expect(configOf('gemini-nano-banana-2.1')).toEqual({
      generationConfig: {
        responseModalities: ['IMAGE'],
        imageConfig: { aspectRatio: '3:2', imageSize: '1K' },
        thinkingConfig: { thinkingLevel: 'HIGH' },
      },
      ignored: [],
    })
  })
})

describe('the manifest of Gemini', () => {
  test('sells the shapes of the vendor’s tables, though its SDK names eight, and quotes no resolution whose tokens nobody publishes', () => {
    const shapes = Object.values(manifest.models).map(({ limits: { size } }) => (size.kind === 'tier' ? size.aspect_ratios.length : 0))
    expect(shapes).toEqual([14, 10, 10])
    const tables = Object.values(manifest.models).map(({ price }) => (price?.kind === 'token' ? price.output_tokens : null))
    expect(tables).toEqual([{ '1K': 1_120 }, { '1K': 1_120, '2K': 1_120, '4K': 2_000 }, { '1K': 1_290 }])
  })

  test('keeps gemini-2.5-flash-image on sale: the day that its page once had was the earliest possible one', () => {
    const flash = manifest.models['gemini-2.5-flash-image']
    expect(flash?.retires_on).toBeUndefined()
    expect(flash?.notes?.some((note) => note.startsWith('End: '))).toBe(true)
  })

  test('dates every note', () => {
    for (const { notes = [] } of Object.values(manifest.models)) for (const note of notes) expect(note).toMatch(/2026-\d\d/)
  })
})
