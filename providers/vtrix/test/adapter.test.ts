import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Failure, type Call, type Json, type Reply } from '#contract'
import { adapter } from '../adapter.ts'
import { DIALECTS } from '../wire.ts'
import { manifest, orderOf, type LegalRequest } from './order.ts'

const POLL: Call = { purpose: 'poll', method: 'GET', url: '/model/v1/generation/task/t1', memo: { taskId: 't1' } }
const SUBMIT: Call = { purpose: 'submit', method: 'POST', url: '/model/v1/generation', body: {} }
const reply = (body: Json, status = 200, headers: Record<string, string> = {}): Reply => ({ status, headers, body })
const failureOf = (answer: Reply, call: Call) => {
  const outcome = adapter.interpret(answer, call)
  if (outcome.kind !== 'failed' && outcome.kind !== 'refused') throw new Error(`expected a failure, got ${outcome.kind}`)
  return outcome.failure
}
const failureFrom = (error: Json) => failureOf(reply({ status: 'failed', error }), POLL)
const content = (type: string | null, url: Json) => ({ content: [{ type, url }] })
const paramsOf = (request: LegalRequest) => {
  const { call, warnings } = adapter.translate(orderOf(request))
  const body = call.body as { readonly input: readonly [{ readonly params: Readonly<Record<string, Json>> }] }
  return { params: body.input[0].params, warnings }
}
const pro = { model: 'flux-2-pro', prompt: 'a cat' }
const pro11 = { model: 'flux-1.1-pro', prompt: 'a cat' }

describe('the manifest', () => {
  it('names exactly the vendor models whose language is known', () => {
    expect(Object.values(manifest.models).map((entry) => entry.provider_model)).toEqual(Object.keys(DIALECTS))
  })

  it('offers as many reference images as the vendor model has fields', () => {
    for (const { provider_model, limits } of Object.values(manifest.models))
      expect(DIALECTS[provider_model]?.referenceFields).toHaveLength(limits.reference_images.max)
  })

  it('lets the key go to the interface host alone, not to the delivery host', () => {
    expect(manifest.hosts).toEqual(['cloud.vtrix.ai'])
  })

  it('cannot express safety 0 for flux_2_pro and ends where upstream ends', () => {
    expect(manifest.models['flux-2-pro']?.limits.safety_tolerance).toMatchObject({ min: 1, max: 5, default: null })
    expect(manifest.models['flux-1.1-pro']?.limits.safety_tolerance).toMatchObject({ min: 0, max: 6, default: 2 })
  })

  it('draws flux_pro_11 square without a size, where its maker draws 1024 × 768', () => {
    expect(manifest.models['flux-1.1-pro']?.limits.size).toMatchObject({ width: { default: 1024 }, height: { default: 1024 } })
  })

  it('states no price, since none could be read', () => {
    for (const entry of Object.values(manifest.models)) expect(entry.price).toBeNull()
  })

  it('dates every note', () => {
    for (const entry of Object.values(manifest.models)) for (const note of entry.notes ?? []) expect(note).toMatch(/^2026-\d\d-\d\d: /)
  })
})

describe('options', () => {
  it.each([
    [{ request_shape: 'deep' }, 'an unknown shape'],
    [{ safety_tolerance: 6 }, 'a number as safety'],
    [{ safety_tolerance: '0' }, 'safety below the documented range'],
    [{ webhook_url: 'https://example.com' }, 'a field the vendor does not have'],
  ])('refuse %j: %s', (options, _reason) => {
    expect(adapter.options.safeParse(options).success).toBe(false)
  })
})

describe('translate', () => {
  it('sends nothing that was not asked', () => {
    expect(paramsOf(pro).params).toEqual({ prompt: 'a cat' })
    expect(paramsOf(pro11).params).toEqual({ prompt: 'a cat' })
  })

  it('writes safety as a string for flux_2_pro and as an integer for flux_pro_11', () => {
    expect(paramsOf({ ...pro, safety_tolerance: 3 }).params.safety_tolerance).toBe('3')
    expect(paramsOf({ ...pro11, safety_tolerance: 0 }).params.safety_tolerance).toBe(0)
  })

  it('takes the vendor’s own safety value in each model’s type', () => {
    const provider_options = { vtrix: { safety_tolerance: '6' } } as const
    expect(paramsOf({ ...pro, provider_options })).toEqual({ params: { prompt: 'a cat', safety_tolerance: '6' }, warnings: [] })
    expect(paramsOf({ ...pro11, provider_options }).params.safety_tolerance).toBe(6)
  })

  it('never lets the option make a request looser than its safety_tolerance, and says so', () => {
    const { params, warnings } = paramsOf({ ...pro, safety_tolerance: 2, provider_options: { vtrix: { safety_tolerance: '6' } } })
    expect(params.safety_tolerance).toBe('2')
    expect(warnings).toMatchObject([
      { code: 'ignored_option', field: `provider_options.${manifest.id}.safety_tolerance`, requested: '6', used: 2 },
    ])
  })

  it('lets the option make a request stricter, and says so', () => {
    const { params, warnings } = paramsOf({ ...pro, safety_tolerance: 5, provider_options: { vtrix: { safety_tolerance: '1' } } })
    expect(params.safety_tolerance).toBe('1')
    expect(warnings).toMatchObject([{ code: 'adjusted', field: 'safety_tolerance', requested: 5, used: 1 }])
  })

  it('keeps the order of eight reference images', () => {
    const reference_images = Array.from({ length: 8 }, (_, index) => `https://example.com/${index}.png`)
    const { params } = paramsOf({ ...pro, reference_images })
    expect(params.input_image).toBe('https://example.com/0.png')
    expect(params.input_image_2).toBe('https://example.com/1.png')
    expect(params.input_image_8).toBe('https://example.com/7.png')
  })

  it('says the same call for the same order', () => {
    const request = { ...pro, width: 1024, height: 64, seed: String(Number.MAX_SAFE_INTEGER), safety_tolerance: 1 }
    expect(adapter.translate(orderOf(request))).toEqual(adapter.translate(orderOf(request)))
  })
})

describe('interpret a submit', () => {
  it.each([null, '', 'ok', [], 42, true])('calls the 2xx body %j a bad reply that may be billed', (body) => {
    expect(failureOf(reply(body), SUBMIT)).toMatchObject({ code: 'bad_reply', billed: 'unknown' })
  })

  it.each(['..', '.', 'a/b', 'a?b', 'a b', '\ud800', '', 'x'.repeat(300)])('does not build a path from the task id %j', (id) => {
    expect(failureOf(reply({ id, status: 'in_progress' }), SUBMIT)).toMatchObject({ code: 'bad_reply', billed: 'unknown' })
  })

  it('counts a refusal without a task id as unbilled, and as billed where it reports a cost', () => {
    expect(failureOf(reply({ error: 'no capacity' }), SUBMIT)).toMatchObject({ code: 'provider_rejected', billed: false })
    expect(failureOf(reply({ error: 'no capacity', usage: { cost: '0.01' } }), SUBMIT).billed).toBe(true)
  })

  it('takes an empty error beside a task id as no error', () => {
    for (const error of [null, '', {}, { code: '', message: '' }])
      expect(adapter.interpret(reply({ id: 't1', status: 'in_progress', error }), SUBMIT).kind).toBe('pending')
  })

  it('notes a task that reports no status instead of taking it for success', () => {
    expect(adapter.interpret(reply({ id: 't1' }), SUBMIT)).toMatchObject({ kind: 'pending', note: 'the task has no status' })
  })

  it.each([500, 502, 504, 520, 408])('does not claim to know whether a %i bought something', (status) => {
    expect(failureOf(reply(null, status), SUBMIT)).toMatchObject({ code: 'provider_unavailable', billed: 'unknown' })
  })

  it.each([301, 302, 307])('calls the redirect %i a bad reply', (status) => {
    expect(failureOf(reply(null, status, { location: 'https://example.com' }), SUBMIT).code).toBe('bad_reply')
  })

  it.each([
    ['Insufficient balance', 'insufficient_credit'],
    ['Your account balance is too low', 'insufficient_credit'],
    ['insufficient permissions', 'provider_unauthorized'],
    ['Insufficient balance or permission denied', 'provider_unauthorized'],
    ['', 'provider_unauthorized'],
  ])('reads a 403 that says "%s" as %s', (message, code) => {
    expect(failureOf(reply({ message }, 403), SUBMIT)).toMatchObject({ code, billed: false })
  })

  it.each([
    ['soon', undefined],
    ['-1', undefined],
    ['0', 0],
    ['120', 120_000],
    ['1.5', 1_500],
    ['Sat, 21 Nov 2026 10:00:30 GMT', undefined],
  ])('reads Retry-After "%s" as %s ms', (value, expected) => {
    expect(failureOf(reply(null, 429, { 'retry-after': value }), SUBMIT).retry_after_ms).toBe(expected)
  })

  it('measures a Retry-After date against the reply’s own date, never below zero', () => {
    const headers = { 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT', date: 'Sat, 21 Nov 2026 10:00:40 GMT' }
    expect(failureOf(reply(null, 429, headers), SUBMIT).retry_after_ms).toBe(0)
  })
})

describe('interpret a poll', () => {
  const completed = { id: 't1', status: 'completed', output: [{ content: [{ type: 'image', url: 'https://cdn.vtrix.ai/a.jpg' }] }] }

  it.each([
    [400, 'provider_rejected'],
    [401, 'provider_unauthorized'],
    [402, 'insufficient_credit'],
    [403, 'provider_unauthorized'],
    [404, 'outcome_unknown'],
    [410, 'outcome_unknown'],
    [408, 'provider_unavailable'],
    [422, 'provider_rejected'],
    [429, 'rate_limited'],
    [451, 'provider_rejected'],
    [500, 'provider_unavailable'],
    [503, 'provider_unavailable'],
    [302, 'bad_reply'],
  ])('takes HTTP %i as a refused call (%s) that says nothing of the task', (status, code) => {
    for (const body of [null, { message: 'no' }, { error: 'no' }])
      expect(adapter.interpret(reply(body, status, { 'retry-after': '2' }), POLL)).toMatchObject({
        kind: 'refused',
        failure: { code, billed: 'unknown', provider_status: status, retry_after_ms: 2_000 },
        taskId: 't1',
      })
  })

  it.each([null, 'ok', [], {}, { progress: 50 }, { error: 'no' }])('takes the 2xx body %j as a refused call too', (body) => {
    expect(adapter.interpret(reply(body), POLL)).toMatchObject({ kind: 'refused', failure: { code: 'bad_reply', billed: 'unknown' } })
  })

  it('reads the status word of the task before the HTTP status', () => {
    const kindOf = (body: Json, status: number) => adapter.interpret(reply(body, status), POLL).kind
    expect(kindOf({ id: 't1', status: 'failed', error: 'x' }, 500)).toBe('failed')
    expect(kindOf(completed, 503)).toBe('done')
    expect(kindOf({ id: 't1', status: 'processing' }, 502)).toBe('pending')
    expect(kindOf({ id: 't2', status: 'failed' }, 500)).toBe('refused')
    expect(kindOf({ status: 'failed', message: 'invalid token' }, 401)).toBe('refused')
  })

  it('reads moderation from plain words only', () => {
    expect(failureFrom('Request Moderated')).toMatchObject({ code: 'moderated', stage: 'request', billed: 'unknown' })
    expect(failureFrom({ code: 'ContentModerated' })).toMatchObject({ code: 'moderated', stage: 'output' })
    expect(failureFrom({ code: 'NSFW' })).toMatchObject({ code: 'moderated' })
    expect(failureFrom({ code: 'NSFW' })).not.toHaveProperty('stage')
    expect(failureFrom('moderation service unavailable').code).toBe('provider_rejected')
    expect(failureFrom('Input and output moderation tolerance level out of range').code).toBe('provider_rejected')
    expect(failureFrom({ code: 'E4017', message: 'something went wrong' }).code).toBe('provider_rejected')
  })

  it('never echoes a seed, since the vendor returns none', () => {
    expect(JSON.stringify(adapter.interpret(reply({ ...completed, seed: 42 }), POLL))).not.toContain('seed')
  })

  it('takes images from every group and leaves out what is no image', () => {
    const output = [
      content('image', 'https://cdn.vtrix.ai/1.jpg'),
      content('video_url', 'https://cdn.vtrix.ai/2.mp4'),
      content(null, 'https://cdn.vtrix.ai/3.jpg'),
      content('image', 'javascript:alert(1)'),
      content('image', 7),
      null,
      { content: 'none' },
    ]
    const outcome = adapter.interpret(reply({ ...completed, output }), POLL)
    expect(outcome).toMatchObject({ kind: 'done' })
    expect(outcome.kind === 'done' && outcome.images.map((image) => image.source)).toEqual([
      { kind: 'url', url: 'https://cdn.vtrix.ai/1.jpg' },
      { kind: 'url', url: 'https://cdn.vtrix.ai/3.jpg' },
    ])
  })

  it.each([
    ['0.030', '0.03'],
    [0.0285, '0.0285'],
    [1e-7, '0.0000001'],
    ['0', '0'],
    ['-1', undefined],
    ['$0.03', undefined],
    ['', undefined],
    ['9'.repeat(80), '999999999999'],
  ])('reads the cost %j as %s dollars', (cost, amount) => {
    const outcome = adapter.interpret(reply({ ...completed, usage: { cost, discount: 0.5 } }), POLL)
    expect(outcome).toMatchObject({ kind: 'done' })
    expect(outcome.cost).toEqual(amount === undefined ? undefined : { amount, raw: { cost, discount: 0.5 } })
  })

  it('calls a failed task with a cost of zero not certainly free, and keeps the cost', () => {
    const outcome = adapter.interpret(reply({ status: 'failed', error: 'x', usage: { cost: '0' } }), POLL)
    expect(outcome).toMatchObject({ kind: 'failed', failure: { billed: 'unknown' }, cost: { amount: '0' } })
  })

  it('keeps the discount and the metadata as facts of the attempt, without what signs a link', () => {
    const metadata = { region: 'eu', source: 'https://a.example/x?sig=SECRET' }
    const outcome = adapter.interpret(reply({ ...completed, usage: { cost: '0.03', discount: 0.5 }, metadata }), POLL)
    expect(outcome.vendor).toEqual({ discount: 0.5, metadata: { region: 'eu', source: 'https://a.example/x' } })
  })

  it.each([
    ['HTTPS://CDN.vtrix.ai/a b.jpg', 'https://cdn.vtrix.ai/a%20b.jpg'],
    ['/files/a.jpg', 'https://cloud.vtrix.ai/files/a.jpg'],
  ])('takes the link %j as %s', (url, href) => {
    const answer = {
      ...reply({ ...completed, output: [content('image', url)] }),
      url: 'https://cloud.vtrix.ai/model/v1/generation/task/t1',
    }
    expect(adapter.interpret(answer, POLL)).toMatchObject({ kind: 'done', images: [{ source: { kind: 'url', url: href } }] })
  })

  it('takes the same link twice as one image', () => {
    const output = [content('image', 'https://cdn.vtrix.ai/a.jpg'), content('image', 'https://CDN.vtrix.ai/a.jpg')]
    const outcome = adapter.interpret(reply({ ...completed, output }), POLL)
    expect(outcome.kind === 'done' && outcome.images).toHaveLength(1)
  })

  it.each([
    [0, 0],
    [0.5, 0.5],
    [1, 1],
    [55, 0.55],
    [101, undefined],
    [-1, undefined],
    ['50%', undefined],
  ])('reads the progress %j as %s', (progress, expected) => {
    const outcome = adapter.interpret(reply({ status: 'processing', progress }), POLL)
    expect(outcome.kind === 'pending' && outcome.progress).toBe(expected)
  })

  it('cuts signatures out of links in the vendor’s words, and bounds them', () => {
    const message = `cannot read https://bucket.example.com/a.png?X-Signature=secret ${'x'.repeat(2000)}`
    const { provider_message } = failureOf(reply({ status: 'failed', error: { message } }), POLL)
    expect(provider_message).toContain('https://bucket.example.com/a.png')
    expect(provider_message).not.toContain('secret')
    expect(provider_message?.length).toBeLessThanOrEqual(500)
  })
})

describe('interpret anything', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('completed', 'failed', 'in_progress', 'queued', '0.03', 'https://cdn.vtrix.ai/a.jpg'))
  const scalar = fc.oneof(text, fc.double({ noNaN: true }), fc.boolean(), fc.constant(null), fc.integer())
  const taskLike = fc.record(
    {
      id: scalar,
      task_id: scalar,
      status: scalar,
      progress: scalar,
      message: scalar,
      output: fc.oneof(scalar, fc.array(fc.oneof(scalar, fc.record({ content: fc.array(fc.record({ type: scalar, url: scalar })) })))),
      error: fc.oneof(scalar, fc.record({ code: scalar, message: scalar, error_message: scalar }, { requiredKeys: [] })),
      usage: fc.oneof(scalar, fc.record({ cost: scalar, discount: scalar }, { requiredKeys: [] })),
    },
    { requiredKeys: [] },
  )
  const anyBody = fc.oneof(taskLike, fc.jsonValue(), scalar) as fc.Arbitrary<Json>
  const anyStatus = fc.constantFrom(200, 201, 202, 204, 302, 400, 401, 403, 404, 408, 422, 429, 500, 502, 503, 504)

  it('never throws, says only what the contract knows, and repeats itself', () => {
    fc.assert(
      fc.property(anyBody, anyStatus, fc.constantFrom(SUBMIT, POLL), (body, status, call) => {
        const outcome = adapter.interpret(reply(body, status), call)
        expect(adapter.interpret(reply(body, status), call)).toEqual(outcome)
        expect(JSON.parse(JSON.stringify(outcome))).toEqual(outcome)
        if (outcome.cost) expect(outcome.cost).toMatchObject({ amount: expect.stringMatching(/^\d+(\.\d+)?$/) })
        switch (outcome.kind) {
          case 'done':
            expect(outcome.images.length).toBeGreaterThan(0)
            break
          case 'pending':
            expect(outcome.next.purpose).toBe('poll')
            expect(new URL(outcome.next.url, 'https://cloud.vtrix.ai').pathname).toMatch(/^\/model\/v1\/generation\/task\/[^/]+$/)
            break
          case 'refused':
          case 'failed':
            Failure.parse(outcome.failure)
            if (call.purpose === 'poll') expect(outcome.failure.billed).not.toBe(false)
            break
        }
      }),
      { numRuns: 2000 },
    )
  })
})
