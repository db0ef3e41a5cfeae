import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Call, Json, Outcome, Reply } from '#contract'
import { adapter } from '../adapter.ts'
import { objectionsTo } from '../../../test/support/legal-outcome.ts'
import { manifest, orderOf } from './order.ts'

const SUBMIT: Call = { purpose: 'submit', method: 'POST', url: '/v1/flux-2-pro', body: { prompt: 'x' } }
const POLL: Call = { purpose: 'poll', method: 'GET', url: 'https://api.eu2.bfl.ai/v1/get_result?id=t1', memo: { id: 't1', credits: 4.5 } }
const SAMPLE = 'https://delivery-eu1.bfl.ai/x.jpeg?se=2026-11-21T10%3A00%3A00Z&sig=c2VjcmV0'

const reply = (body: Json, status = 200, headers: Record<string, string> = {}): Reply => ({ status, headers, body })
const failureOf = (outcome: Outcome) => (outcome.kind === 'failed' || outcome.kind === 'refused' ? outcome.failure : null)

describe('calls to BFL', () => {
  test('a size, seed or switch nobody asked for is not sent, so that 0 never is', () => {
    expect(adapter.translate(orderOf('flux-2-pro')).call.body).toEqual({ prompt: 'a lighthouse at dusk' })
  })

  test.each([
    ['flux-2-pro', true, {}],
    ['flux-2-pro', false, { disable_pup: true }],
    ['flux-2-flex', true, { prompt_upsampling: true }],
    ['flux-2-flex', false, { prompt_upsampling: false }],
    ['flux-1.1-pro', true, { prompt_upsampling: true }],
    ['flux-1.1-pro', false, { prompt_upsampling: false }],
  ])('%s is sent prompt upsampling %s in its own polarity', (model, promptUpsampling, said) => {
    expect(adapter.translate(orderOf(model, { promptUpsampling })).call.body).toEqual({ prompt: 'a lighthouse at dusk', ...said })
  })

  test('eight references fill eight slots in order, links as they are and data URIs as bare base64', () => {
    const references = [
      'https://a.example/1.png?x=1',
      'data:image/png;base64,QUJD',
      'REVG',
      ...[4, 5, 6, 7, 8].map((n) => `https://a.example/${n}`),
    ]
    expect(adapter.translate(orderOf('flux-2-flex', { references })).call.body).toEqual({
      prompt: 'a lighthouse at dusk',
      input_image: 'https://a.example/1.png?x=1',
      input_image_2: 'QUJD',
      input_image_3: 'REVG',
      input_image_4: 'https://a.example/4',
      input_image_5: 'https://a.example/5',
      input_image_6: 'https://a.example/6',
      input_image_7: 'https://a.example/7',
      input_image_8: 'https://a.example/8',
    })
  })

  test('the webhook of the order goes along with its secret', () => {
    const webhook = { url: 'https://gateway.example/hooks/1', secret: 's3cret' }
    expect(adapter.translate(orderOf('flux-2-pro', { webhook })).call.body).toMatchObject({
      webhook_url: 'https://gateway.example/hooks/1',
      webhook_secret: 's3cret',
    })
  })

  test.each([
    ['flux-1.1-pro', { transparent_bg: true }, 'transparent_bg'],
    ['flux-1.1-pro', { transparent_bg: false }, 'transparent_bg'],
    ['flux-2-pro', { input_image_blob_path: 'a/b.png' }, 'input_image_blob_path'],
  ])('%s is not sent %o, and the warning names the option', (model, options, name) => {
    const { call, warnings } = adapter.translate(orderOf(model, { options, outputFormat: 'png' }))
    expect(call.body).toEqual({ prompt: 'a lighthouse at dusk', output_format: 'png' })
    expect(warnings).toMatchObject([{ code: 'ignored_option', field: `provider_options.${manifest.id}.${name}`, used: null }])
    expect(warnings[0]?.reason).toContain(name)
  })

  test('a seed of −1, BFL’s word for a random one, is sent as it is, but never instead of a seed that is given', () => {
    const options = { seed: -1 as const }
    expect(adapter.translate(orderOf('flux-2-pro', { options }))).toMatchObject({ call: { body: { seed: -1 } }, warnings: [] })
    expect(adapter.translate(orderOf('flux-2-pro', { options, seed: '42' }))).toMatchObject({
      call: { body: { seed: 42 } },
      warnings: [{ code: 'ignored_option', field: 'provider_options.bfl.seed' }],
    })
  })

  test('a transparent background is not asked of a JPEG, which has no alpha channel', () => {
    const options = { transparent_bg: true }
    expect(adapter.translate(orderOf('flux-2-pro', { options }))).toMatchObject({ warnings: [{ code: 'ignored_option', requested: true }] })
    const png = adapter.translate(orderOf('flux-2-pro', { options, outputFormat: 'png' }))
    expect(png.call.body).toMatchObject({ transparent_bg: true })
    expect(png.warnings).toEqual([])
  })

  test('FLUX.1 models that sell shapes are sent one, and no resolution', () => {
    const tier = { aspectRatio: '16:9', name: '1 MP' }
    for (const model of ['flux-kontext-pro', 'flux-kontext-max', 'flux-1.1-pro-ultra'])
      expect(adapter.translate(orderOf(model, { tier })).call.body).toEqual({ prompt: 'a lighthouse at dusk', aspect_ratio: '16:9' })
    expect(adapter.translate(orderOf('flux-3-image', { tier: { aspectRatio: '16:9', name: '1k' } })).call.body).toEqual({
      prompt: 'a lighthouse at dusk',
      aspect_ratio: '16:9',
      resolution: '1k',
    })
  })

  test('the strength of a reference is sent with one, and is a warning without', () => {
    const options = { image_prompt_strength: 0.4, raw: true }
    expect(adapter.translate(orderOf('flux-1.1-pro-ultra', { options, references: ['QUJD'] }))).toMatchObject({
      call: { body: { image_prompt: 'QUJD', image_prompt_strength: 0.4, raw: true } },
      warnings: [],
    })
    expect(adapter.translate(orderOf('flux-1.1-pro-ultra', { options }))).toMatchObject({
      warnings: [{ field: 'provider_options.bfl.image_prompt_strength', reason: expect.stringContaining('the request has none') }],
    })
  })

  test.each([{ webhook_url: 'https://x.example' }, { transparent_bg: 'yes' }, { input_image_blob_path: '' }, { disable_pup: true }])(
    'the options schema refuses %o',
    (options) => {
      expect(adapter.options.safeParse(options).success).toBe(false)
    },
  )
})

describe('replies of BFL', () => {
  test('the polling URL is asked to the letter, whatever its region', () => {
    const url = 'https://api.us3.bfl.ai/v1/get_result?id=t1&region=us3'
    expect(adapter.interpret(reply({ id: 't1', polling_url: url, cost: 4.5 }), SUBMIT)).toEqual({
      kind: 'pending',
      next: { purpose: 'poll', method: 'GET', url, memo: { id: 't1', credits: 4.5 } },
      afterMs: null,
      cost: { amount: '0.045', raw: 4.5 },
      taskId: 't1',
    })
  })

  test('a poll that is still pending is asked again with the same call and reports how far it is', () => {
    const outcome = adapter.interpret(reply({ id: 't1', status: 'Pending', progress: 0.25 }), POLL)
    expect(outcome).toMatchObject({ kind: 'pending', next: POLL, progress: 0.25, cost: { amount: '0.045' } })
    expect(adapter.interpret(reply({ id: 't1', status: 'Pending', progress: 25 }), POLL)).not.toHaveProperty('progress')
  })

  test.each(['Warming Up', 'reasoning', 'pending', 'READY', '__proto__', 'toString'])(
    'the undocumented status %s is no end, and is said',
    (status) => {
      const outcome = adapter.interpret(reply({ id: 't1', status }), POLL)
      expect(outcome).toMatchObject({ kind: 'pending', next: POLL })
      expect(outcome).toHaveProperty('note', `BFL answered with an undocumented status: ${status}`)
    },
  )

  test.each([null, 'text', [], 7, {}, { status: 5 }])('a poll answered with %o says nothing of the task', (body) => {
    expect(adapter.interpret(reply(body), POLL)).toMatchObject({
      kind: 'refused',
      failure: { code: 'bad_reply', billed: 'unknown' },
      cost: { amount: '0.045' },
      taskId: 't1',
    })
  })

  test('the megapixels of the submit are facts of the attempt, kept on every later outcome', () => {
    const submit = reply({ id: 't1', polling_url: POLL.url, cost: 4.5, input_mp: 0, output_mp: 1.98 })
    const outcome = adapter.interpret(submit, SUBMIT)
    expect(outcome.vendor).toEqual({ input_mp: 0, output_mp: 1.98 })
    if (outcome.kind !== 'pending') throw new Error('the task goes on')
    const later = [reply({ status: 'Pending' }), reply({ status: 'Ready', result: { sample: SAMPLE } }), reply(null, 500)]
    const kept = later.map((answer) => adapter.interpret(answer, outcome.next))
    expect(kept.map(({ kind }) => kind)).toEqual(['pending', 'done', 'refused'])
    for (const { vendor, cost } of kept)
      expect({ vendor, cost }).toMatchObject({ vendor: { input_mp: 0, output_mp: 1.98 }, cost: { amount: '0.045' } })
  })

  test('a webhook body ends the task as a poll would', () => {
    const body = { id: 't1', status: 'Ready', result: { sample: SAMPLE, seed: 7, prompt: 'p' }, progress: null, details: null }
    expect(adapter.interpret({ status: 200, headers: { 'x-webhook-secret': 's' }, body }, POLL)).toEqual({
      kind: 'done',
      images: [{ source: { kind: 'url', url: SAMPLE }, expiresAt: '2026-11-21T10:00:00.000Z', seed: '7' }],
      taskId: 't1',
      cost: { amount: '0.045', raw: 4.5 },
      promptUsed: 'p',
    })
  })

  test.each([null, {}, { sample: null }, { sample: ' ' }, { sample: 'file:///etc/passwd' }, { sample: 'https://' }])(
    'Ready with the result %o is a bad reply that is billed',
    (result) => {
      const outcome = adapter.interpret(reply({ id: 't1', status: 'Ready', result }), POLL)
      expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'bad_reply', billed: true }, cost: { amount: '0.045' } })
    },
  )

  test.each([
    ['HTTPS://Delivery.bfl.ai/a b.jpeg', 'https://delivery.bfl.ai/a%20b.jpeg'],
    [' https://delivery.bfl.ai/x\n.jpeg\n', 'https://delivery.bfl.ai/x.jpeg'],
    ['/results/x.jpeg', 'https://api.eu2.bfl.ai/results/x.jpeg'],
    ['//delivery.bfl.ai/x.jpeg', 'https://delivery.bfl.ai/x.jpeg'],
  ])('the link %j is %s, as a URL parser makes it', (sample, url) => {
    const outcome = adapter.interpret(reply({ id: 't1', status: 'Ready', result: { sample } }), POLL)
    expect(outcome).toMatchObject({ kind: 'done', images: [{ source: { kind: 'url', url } }] })
  })

  test('a link as a data URI is the image itself', () => {
    const outcome = adapter.interpret(reply({ id: 't1', status: 'Ready', result: { sample: 'DATA:image/PNG;base64,QUJD' } }), POLL)
    expect(outcome).toMatchObject({ kind: 'done', images: [{ source: { kind: 'base64', data: 'QUJD' } }] })
  })

  test('a result that is no link is said to be none, with what came', () => {
    const outcome = adapter.interpret(reply({ id: 't1', status: 'Ready', result: { sample: 'file:///etc/passwd?x=SECRET' } }), POLL)
    expect(failureOf(outcome)?.message).toContain('"file:///etc/passwd"')
    expect(JSON.stringify(outcome)).not.toContain('SECRET')
  })

  test.each([
    ['2026-11-21T10:00:00Z', '2026-11-21T10:00:00.000Z'],
    ['2026-11-21T10:00Z', '2026-11-21T10:00:00.000Z'],
    ['2026-13-41T10:00:00Z', undefined],
    ['tomorrow', undefined],
  ])('a link that says se=%s dies at %s', (se, expiresAt) => {
    const sample = `https://delivery-eu1.bfl.ai/x.jpeg?se=${encodeURIComponent(se)}`
    const outcome = adapter.interpret(reply({ id: 't1', status: 'Ready', result: { sample } }), POLL)
    expect(outcome.kind === 'done' && outcome.images[0]?.expiresAt).toBe(expiresAt)
  })

  test.each([
    [7, '7'],
    ['9223372036854775807', '9223372036854775807'],
    [2 ** 60, '1152921504606847000'],
    [1e300, undefined],
    [1.5, undefined],
    ['seven', undefined],
    [null, undefined],
  ])('the seed %s is reported as %s: no digit is invented', (seed, digits) => {
    const outcome = adapter.interpret(reply({ id: 't1', status: 'Ready', result: { sample: SAMPLE, seed } }), POLL)
    expect(outcome.kind === 'done' && outcome.images[0]?.seed).toBe(digits)
  })

  test.each([
    [3, '0.03'],
    ['4.5', '0.045'],
    [0, '0'],
    [0.1, '0.001'],
    [-3, undefined],
    ['three', undefined],
    // More than can be written, and not believed.
    ['1e99', '999999999999'],
    [1e300, '999999999999'],
    ['999999999999999e9', '999999999999'],
    [true, undefined],
    [null, undefined],
  ])('a cost of %s credits is %s dollars', (cost, amount) => {
    const outcome = adapter.interpret(reply({ id: 't1', polling_url: POLL.url, cost }), SUBMIT)
    expect(outcome.kind === 'pending' && outcome.cost && 'amount' in outcome.cost ? outcome.cost.amount : undefined).toBe(amount)
  })

  test('moderation is free at both stages, with the reasons in BFL’s words', () => {
    const details = { 'Moderation Reasons': ['Violence', 7, 'Protected Content'] }
    const refused = adapter.interpret(reply({ id: 't1', status: 'Request Moderated', details }), POLL)
    expect(failureOf(refused)).toMatchObject({
      code: 'moderated',
      stage: 'request',
      billed: false,
      reasons: ['Violence', 'Protected Content'],
    })
    const withheld = adapter.interpret(
      reply({ id: 't1', status: 'Content Moderated', details: { 'Moderation Reasons': 'Sexual Content' } }),
      POLL,
    )
    expect(failureOf(withheld)).toMatchObject({ code: 'moderated', stage: 'output', billed: false, reasons: ['Sexual Content'] })
  })

  test.each([
    [400, 'provider_rejected'],
    [401, 'provider_unauthorized'],
    [402, 'insufficient_credit'],
    [403, 'provider_unauthorized'],
    [404, 'outcome_unknown'],
    [408, 'provider_unavailable'],
    [409, 'provider_rejected'],
    [422, 'provider_rejected'],
    [429, 'rate_limited'],
    [451, 'provider_rejected'],
    [500, 'provider_unavailable'],
    [503, 'provider_unavailable'],
    [302, 'bad_reply'],
  ])('a poll answered %i is refused as %s, and says nothing of the paid task', (status, code) => {
    expect(adapter.interpret(reply({ detail: 'no' }, status, { 'retry-after': '3' }), POLL)).toMatchObject({
      kind: 'refused',
      failure: { code, billed: 'unknown', provider_status: status, provider_message: 'no', retry_after_ms: 3_000 },
      cost: { amount: '0.045' },
      taskId: 't1',
    })
  })

  test('a task that BFL does not know is a refused poll: it may not be listed yet', () => {
    for (const status of [200, 404]) {
      expect(adapter.interpret(reply({ id: 't1', status: 'Task not found' }, status), POLL)).toMatchObject({
        kind: 'refused',
        failure: { code: 'outcome_unknown', billed: 'unknown', provider_status: 'Task not found' },
      })
    }
  })

  test('the status word of the task is read before the HTTP status', () => {
    const kindOf = (body: Json, status: number) => adapter.interpret(reply(body, status), POLL).kind
    expect(kindOf({ id: 't1', status: 'Error', result: null }, 503)).toBe('failed')
    expect(kindOf({ id: 't1', status: 'Request Moderated' }, 400)).toBe('failed')
    expect(kindOf({ id: 't1', status: 'Ready', result: { sample: SAMPLE } }, 503)).toBe('done')
    expect(kindOf({ id: 't1', status: 'Pending' }, 502)).toBe('pending')
    expect(kindOf({ id: 't2', status: 'Error' }, 503)).toBe('refused')
    expect(kindOf({ status: 'Error' }, 401)).toBe('refused')
  })

  test.each([
    [400, 'provider_rejected', false],
    [401, 'provider_unauthorized', false],
    [402, 'insufficient_credit', false],
    [403, 'provider_unauthorized', false],
    [404, 'provider_rejected', false],
    [408, 'provider_unavailable', 'unknown'],
    [409, 'provider_rejected', false],
    [413, 'provider_rejected', false],
    [422, 'provider_rejected', false],
    [429, 'rate_limited', false],
    [500, 'provider_unavailable', 'unknown'],
    [502, 'provider_unavailable', 'unknown'],
    [503, 'provider_unavailable', false],
    [504, 'provider_unavailable', 'unknown'],
    [524, 'provider_unavailable', 'unknown'],
    [302, 'bad_reply', 'unknown'],
  ])('a submit answered %i is %s, billed %s', (status, code, billed) => {
    expect(failureOf(adapter.interpret(reply({ detail: 'why' }, status), SUBMIT))).toMatchObject({
      code,
      billed,
      provider_status: status,
      provider_message: 'why',
    })
  })

  test.each([
    [{ detail: 'd', message: 'm', error: 'e' }, 'd'],
    [{ detail: '', message: 'm', error: 'e' }, 'm'],
    [{ detail: [], error: 'e' }, 'e'],
    [{ detail: [{ msg: 'bad', loc: ['body', 'width'] }, { msg: 'worse' }] }, 'body.width: bad; worse'],
    [{ detail: { code: 1 } }, null],
    ['text', null],
    [null, null],
  ])('the error body %o is read as %s', (body, message) => {
    expect(failureOf(adapter.interpret(reply(body, 422), SUBMIT))?.provider_message).toBe(message)
  })

  test.each([
    ['7', 7000],
    ['0', 0],
    ['-1', undefined],
    ['1.5', 1_500],
    ['999999999', 999_999_999_000],
    ['Sat, 21 Nov 2026 10:00:00 GMT', undefined],
  ])('Retry-After: %s waits %s ms', (header, ms) => {
    expect(failureOf(adapter.interpret(reply(null, 429, { 'retry-after': header }), SUBMIT))?.retry_after_ms).toBe(ms)
  })

  test('a Retry-After date is measured against the reply’s own date, never below zero', () => {
    const waits = ['10:00:30', '10:00:10'].map((time) => {
      const headers = { 'retry-after': `Sat, 21 Nov 2026 ${time} GMT`, date: 'Sat, 21 Nov 2026 10:00:20 GMT' }
      return failureOf(adapter.interpret(reply(null, 429, headers), SUBMIT))?.retry_after_ms
    })
    expect(waits).toEqual([10_000, 0])
  })

  test('the signature of a link never reaches a message', () => {
    const detail = 'cannot fetch https://user:pass@a.example/x.png?sig=SECRET#SECRET, nor http://b.example?key=SECRET'
    const said = failureOf(adapter.interpret(reply({ detail }, 422), SUBMIT))?.provider_message
    expect(said).toContain('cannot fetch https://a.example/x.png')
    expect(said).not.toMatch(/SECRET|user|pass/)
    const failed = adapter.interpret(reply({ id: 't1', status: 'Error', details: { detail: `broke at ${SAMPLE}` } }), POLL)
    expect(JSON.stringify(failed)).not.toContain('c2VjcmV0')
  })

  test('the account’s credits are cents', () => {
    expect(adapter.account?.('id')).toEqual({ purpose: 'account', method: 'GET', url: '/v1/credits' })
    expect(adapter.readBalance?.(reply({ credits: 1234.5 }))).toBe('12.345')
    expect(adapter.readBalance?.(reply({ credits: null }))).toBeNull()
    expect(adapter.readBalance?.(reply({ credits: 5 }, 403))).toBeNull()
  })
})

describe('any reply at all', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom('Ready', 'Pending', 'Error', 'Request Moderated', 'Task not found', SAMPLE, '\ud800', '1e9'),
  )
  const leaf = fc.oneof(texts, fc.double(), fc.integer(), fc.boolean(), fc.constant(null))
  const names = fc.constantFrom(
    'id',
    'status',
    'polling_url',
    'cost',
    'sample',
    'seed',
    'prompt',
    'details',
    'result',
    'progress',
    'detail',
    'msg',
    'loc',
    'Moderation Reasons',
  )
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('node'), { maxLength: 3 }), fc.dictionary(names, tie('node'), { maxKeys: 8 })),
  }))
  const replies = fc.record({
    status: fc.oneof(fc.constant(200), fc.integer({ min: 100, max: 599 })),
    headers: fc.dictionary(fc.constantFrom('retry-after', 'x-request-id'), fc.string()),
    body: node.map((value) => JSON.parse(JSON.stringify(value)) as Json),
  })

  test('is interpreted as a legal outcome, and no reply makes the adapter throw', () => {
    fc.assert(
      fc.property(replies, fc.constantFrom(SUBMIT, POLL, { ...POLL, memo: null }), (any, call) => {
        expect(objectionsTo(adapter.interpret(any, call))).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  test('as deep as a parser lets it be is survived', () => {
    const body = JSON.parse(`{"id":"t1","status":"Error","details":${'{"error":'.repeat(50_000)}1${'}'.repeat(50_000)}}`) as Json
    expect(adapter.interpret(reply(body), POLL).kind).toBe('failed')
    expect(adapter.interpret(reply(body), SUBMIT).kind).toBe('pending')
  })
})

describe('the manifest', () => {
  test('offers webp wherever BFL’s OpenAPI has it, and no choice at FLUX 3, whose schema is closed', () => {
    for (const [model, { limits, notes = [] }] of Object.entries(manifest.models)) {
      expect(limits.output_format.values, model).toEqual(model === 'flux-3-image' ? [] : ['jpeg', 'png', 'webp'])
      if (/kontext|1\.1|flex/.test(model)) expect(notes.join(), model).toContain('Format: contradiction')
    }
    expect(manifest.models['flux-kontext-pro']?.limits.output_format.default).toBe('png')
  })

  test('has the safety scale of each family: the schema’s, where flex contradicts itself', () => {
    for (const [model, { limits }] of Object.entries(manifest.models)) {
      const max = model.startsWith('flux-2') ? 5 : model.startsWith('flux-3') ? 4 : 6
      expect(limits.safety_tolerance, model).toMatchObject({ min: 0, max, default: 2 })
    }
    expect(manifest.models['flux-2-flex']?.notes?.join()).toContain('Safety')
  })

  test('takes four references at FLUX.2 [klein], as the schema says, though the SDK allows five at 9B', () => {
    for (const model of ['flux-2-klein-4b', 'flux-2-klein-9b']) expect(manifest.models[model]?.limits.reference_images.max).toBe(4)
    expect(manifest.models['flux-2-klein-9b']?.notes?.join()).toContain('contradiction')
  })

  test('never lets 0 be a width, although the schema calls it the default', () => {
    const sides = Object.values(manifest.models).flatMap(({ limits: { size } }) => (size.kind === 'range' ? [size.width, size.height] : []))
    expect(Math.min(...sides.map(({ min }) => min))).toBe(64)
    expect(sides.some((side) => side.default === 0)).toBe(false)
  })

  test('asks for the pinned version, though newer docs recommend the preview', () => {
    expect(manifest.models['flux-2-pro']?.provider_model).toBe('flux-2-pro')
    expect(manifest.models['flux-2-pro']?.notes?.join()).toContain('flux-2-pro-preview')
  })

  test('takes references in both forms the docs name, though the schema says path', () => {
    expect(manifest.models['flux-2-pro']?.limits.reference_images.forms).toEqual(['url', 'base64'])
    expect(manifest.models['flux-2-flex']?.limits.reference_images.forms).toEqual(['url', 'base64'])
  })

  test('counts a prompt in characters where the docs count tokens: as many characters are never more', () => {
    expect(new Set(Object.values(manifest.models).map(({ limits }) => limits.prompt.max_chars))).toEqual(new Set([32_000]))
  })

  test('has without a size the one of its own schema for FLUX1.1 [pro], and none for FLUX.2', () => {
    for (const [
      model,
      {
        limits: { size },
      },
    ] of Object.entries(manifest.models)) {
      if (size.kind !== 'range') continue
      const usual = model === 'flux-1.1-pro' ? [1024, 768] : [null, null]
      expect([size.width.default, size.height.default], model).toEqual(usual)
    }
  })

  test('dates every note', () => {
    for (const { notes = [] } of Object.values(manifest.models)) for (const note of notes) expect(note).toMatch(/2026-\d\d-\d\d/)
  })

  test('lets the total of pixels judge a FLUX.2 size: the longest side is what it leaves', () => {
    const size = manifest.models['flux-2-pro']?.limits.size
    expect(size).toMatchObject({ max_pixels: 2048 * 2048, required: false, follows_reference: true })
    expect(size).toMatchObject({ width: { max: (2048 * 2048) / 64 } })
  })

  test('dates flex’s price and says that other pages have another', () => {
    expect(manifest.models['flux-2-flex']?.price).toMatchObject({ first_output: '0.05', extra_output: '0.05', reference: '0.05' })
    expect(manifest.models['flux-2-flex']?.price?.note).toContain('$0.06')
  })
})
