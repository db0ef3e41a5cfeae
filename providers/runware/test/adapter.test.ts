import { describe, expect, test } from 'vitest'
import { Manifest, type Call, type Json, type Order, type Reply } from '#contract'
import { adapter } from '../adapter.ts'
import manifestJson from '../manifest.json' with { type: 'json' }
import { bucketOf, type RunwareOptions } from '../wire.ts'
import { priceOf } from '../../../src/core/plan/price.ts'
import { leastOrder } from '../../../test/support/least-order.ts'

const manifest = Manifest.parse(manifestJson)
const TASK = '00000000-0000-4000-8000-000000000001'

const order = (overrides: Partial<Order<RunwareOptions>> = {}): Order<RunwareOptions> =>
  leastOrder(manifest, 'flux-2-pro', { prompt: 'A lighthouse in fog', width: 1024, height: 1024, options: {}, ...overrides })

const reply = (status: number, body: Json, headers: Record<string, string> = {}): Reply => ({ status, headers, body })
const taskIn = (call: Call): Readonly<Record<string, Json>> => (call.body as readonly [Readonly<Record<string, Json>>])[0]
const submitFor = (overrides: Partial<Order<RunwareOptions>> = {}): Call => adapter.translate(order(overrides)).call
const pollFor = (overrides: Partial<Order<RunwareOptions>> = {}): Call => {
  const call = adapter.recover?.(submitFor(overrides))
  if (!call) throw new Error('a submit cannot be asked for')
  return call
}
const image = (id: number) => ({ taskUUID: TASK, imageUUID: `image-${id}`, imageURL: `https://im.runware.ai/${id}.jpg`, cost: 0.03 })

describe('calls to Runware', () => {
  test('a webhook makes the task asynchronous and sends the address, never our secret', () => {
    const { call, warnings } = adapter.translate(order({ webhook: { url: 'https://gate.example/hooks/abc', secret: 'hidden-word' } }))
    expect(taskIn(call)).toMatchObject({ webhookURL: 'https://gate.example/hooks/abc', deliveryMethod: 'async' })
    expect(JSON.stringify(call)).not.toContain('hidden-word')
    expect(warnings).toEqual([])
  })

  test('a webhook overrules the option to wait on the connection, and says so', () => {
    const { call, warnings } = adapter.translate(
      order({ options: { deliveryMethod: 'sync' }, webhook: { url: 'https://gate.example/hooks/abc', secret: 's' } }),
    )
    expect(taskIn(call)['deliveryMethod']).toBe('async')
    expect(warnings).toMatchObject([
      { code: 'ignored_option', field: `provider_options.${manifest.id}.deliveryMethod`, requested: 'sync', used: 'async' },
    ])
  })

  test('a single image asks for no number of results, as an older page sells one only', () => {
    expect(taskIn(submitFor())).not.toHaveProperty('numberResults')
    expect(taskIn(submitFor({ count: 20 }))['numberResults']).toBe(20)
  })

  test('a seed nobody asked for is not sent, not even as -1', () => {
    expect(taskIn(submitFor())).not.toHaveProperty('seed')
    expect(taskIn(submitFor({ seed: '0' }))['seed']).toBe(0)
  })

  test('upsampling is sent both ways, and left to the vendor where nobody asked', () => {
    expect(taskIn(submitFor())).not.toHaveProperty('providerSettings')
    expect(taskIn(submitFor({ promptUpsampling: false }))['providerSettings']).toEqual({ bfl: { promptUpsampling: false } })
  })

  test.each([
    { uploadEndpoint: 'https://example.com' },
    { outputType: 'base64Data' },
    { ttl: 59 },
    { ttl: 60.5 },
    { deliveryMethod: 'later' },
    { safety: { checkContent: 'yes' } },
    { safety: { level: 1 } },
  ])('the option %j is refused', (options) => {
    expect(adapter.options.safeParse(options).success).toBe(false)
  })
})

describe('replies of Runware', () => {
  // Every code of the official SDK's table, and what one of our failures comes of it.
  test.each([
    ...['contentPolicyViolation', 'providerContentPolicyViolation', 'sensitiveContentDetected', 'unsafeContentDetected'].map((code) => [
      code,
      'safety',
    ]),
    ...['nsfwContentDetected', 'promptBlocked', 'imageBlocked', 'moderationFailed'].map((code) => [code, 'safety']),
    ...['insufficientCredits', 'providerInsufficientCredits', 'quotaExceeded', 'monthlyQuotaReached', 'paymentRequired'].map((code) => [
      code,
      'quota',
    ]),
    ...['rateLimitExceeded', 'providerRateLimitExceeded'].map((code) => [code, 'rateLimit']),
    ...['invalidApiKey', 'missingApiKey', 'unauthorized', 'forbidden', 'permissionDenied', 'authTimeout'].map((code) => [code, 'auth']),
    ...['tokenExpired', 'accountSuspended', 'organizationDisabled', 'workspaceSuspended'].map((code) => [code, 'auth']),
    ...['timeout', 'providerTimeout', 'timeoutProvider', 'inferenceTimeout'].map((code) => [code, 'timeout']),
    ...['modelNotFound', 'taskNotFound', 'resultExpired', 'taskFailedOrNotFound', 'unknownModel'].map((code) => [code, 'notFound']),
    ...['conflictTaskUUID', 'duplicateTaskUUID'].map((code) => [code, 'taskConflict']),
    ...['internalServerError', 'serviceUnavailable', 'unknownError', 'defaultError'].map((code) => [code, 'server']),
    ...['noAvailableServer', 'modelUnavailable', 'modelDisabled', 'modelNotReady'].map((code) => [code, 'unavailable']),
    ...['inferenceError', 'processingFailed', 'taskFailed', 'providerError', 'providerUnauthorized'].map((code) => [code, 'provider']),
    ...['invalidWidth', 'missingModel', 'unsupportedFormat', 'conflictParameters', 'valueTooLarge', 'arrayTooLong'].map((code) => [
      code,
      'validation',
    ]),
    ...['unknownParameter', 'incompatibleParameters', 'maxPromptLength'].map((code) => [code, 'validation']),
    ...['loadBalancerConfused', 'taskCancelled', 'flywheelDisengaged', ''].map((code) => [code, 'unknown']),
  ])('the code "%s" is of the kind %s, in any case', (code, bucket) => {
    expect([code, code.toUpperCase(), code.toLowerCase()].map(bucketOf)).toEqual([bucket, bucket, bucket])
  })

  test('a forged announcement of one image of a batch leaves no trace in the next call', () => {
    const poll = pollFor({ count: 2 })
    const outcome = adapter.interpret(reply(200, { ...image(666), imageURL: 'https://evil.example/x.jpg' }), poll)
    expect(outcome).toMatchObject({ kind: 'pending', next: poll })
    expect(JSON.stringify(adapter.interpret(reply(200, image(666)), submitFor({ count: 2 })))).not.toContain('666.jpg')
  })

  test.each([
    ['rateLimitExceeded', 'rate_limited'],
    ['serviceUnavailable', 'provider_unavailable'],
    ['internalServerError', 'provider_unavailable'],
    ['taskNotFound', 'outcome_unknown'],
    ['invalidApiKey', 'provider_unauthorized'],
    ['accountSuspended', 'provider_unauthorized'],
  ])('the code %s in the reply to a poll is a refused call (%s), and no end of a task that was bought', (code, failure) => {
    for (const status of [200, 400, 404, 500]) {
      const answer = reply(status, { errors: [{ code, message: 'no', taskUUID: TASK }] }, { 'retry-after': '2' })
      expect(adapter.interpret(answer, pollFor())).toMatchObject({
        kind: 'refused',
        failure: { code: failure, billed: 'unknown', provider_code: code, retry_after_ms: 2_000 },
        taskId: TASK,
      })
    }
  })

  test.each([
    [400, 'provider_rejected'],
    [401, 'provider_unauthorized'],
    [402, 'insufficient_credit'],
    [403, 'provider_unauthorized'],
    [404, 'outcome_unknown'],
    [408, 'provider_unavailable'],
    [422, 'provider_rejected'],
    [429, 'rate_limited'],
    [451, 'provider_rejected'],
    [500, 'provider_unavailable'],
    [503, 'provider_unavailable'],
    [302, 'bad_reply'],
    [200, 'bad_reply'],
  ])('a poll answered %i without a body of Runware’s is refused as %s', (status, code) => {
    for (const body of [null, '<html>', {}, []]) {
      expect(adapter.interpret(reply(status, body), pollFor())).toMatchObject({
        kind: 'refused',
        failure: { code, billed: 'unknown', provider_status: status },
      })
    }
  })

  test('an error that names the task and is about its making ends it, whatever the HTTP status, with an unknown bill outside 200…299', () => {
    const error = { code: 'noAvailableServer', message: 'no', taskUUID: TASK }
    const ends = [200, 400, 503].map((status) => adapter.interpret(reply(status, { errors: [error] }), pollFor()))
    expect(ends.map((outcome) => [outcome.kind, outcome.kind === 'failed' && outcome.failure.billed])).toEqual([
      ['failed', false],
      ['failed', 'unknown'],
      ['failed', 'unknown'],
    ])
    const { taskUUID: _, ...unnamed } = error
    expect(adapter.interpret(reply(503, { errors: [unnamed] }), pollFor()).kind).toBe('refused')
  })

  test('a result with the status error is the vendor’s last word on it, whatever its code', () => {
    for (const code of ['internalServerError', 'invalidWidth', 'flywheelDisengaged']) {
      const outcome = adapter.interpret(reply(200, { data: [{ taskUUID: TASK, status: 'error', code, message: 'no' }] }), pollFor())
      expect(outcome).toMatchObject({ kind: 'failed', failure: { billed: 'unknown' } })
    }
  })

  test('the images of a batch that are there are kept while the rest is missing, however often a poll finds nothing', () => {
    const first = adapter.interpret(reply(200, { data: [image(1)] }), pollFor({ count: 2 }))
    if (first.kind !== 'pending') throw new Error('one is missing')
    expect(first.images).toMatchObject([{ id: 'image-1', source: { url: 'https://im.runware.ai/1.jpg' } }])
    expect(first.vendor).toEqual({ imageUUID: 'image-1' })
    const gone = reply(404, { errors: [{ code: 'taskNotFound', message: 'no', taskUUID: TASK }] })
    for (let poll = 0; poll < 20; poll += 1) expect(adapter.interpret(gone, first.next).kind).toBe('refused')
    const last = adapter.interpret(reply(200, { data: [image(2)] }), first.next)
    expect(last).toMatchObject({
      kind: 'done',
      images: [{ id: 'image-1' }, { id: 'image-2' }],
      vendor: { imageUUID: ['image-1', 'image-2'] },
      cost: { amount: '0.06' },
    })
  })

  test('an image that comes twice, by its id or by its link, is one image and one cost', () => {
    const twice = [image(1), image(1), { ...image(1), imageUUID: 'another-id' }]
    const outcome = adapter.interpret(reply(200, { data: twice }), submitFor())
    expect(outcome).toMatchObject({ kind: 'done', images: [{ id: 'image-1' }], cost: { amount: '0.03' } })
    expect(outcome.kind === 'done' && outcome.images).toHaveLength(1)
  })

  test.each([
    ['HTTPS://IM.runware.ai/a b.jpg', { kind: 'url', url: 'https://im.runware.ai/a%20b.jpg' }],
    ['/image/a.jpg', { kind: 'url', url: 'https://api.runware.ai/image/a.jpg' }],
    ['data:image/png;base64,QUJD', { kind: 'base64', data: 'QUJD' }],
  ])('the link %j is what a URL parser makes of it', (imageURL, source) => {
    const answer = { ...reply(200, { data: [{ ...image(1), imageURL }] }), url: 'https://api.runware.ai/v1' }
    expect(adapter.interpret(answer, submitFor())).toMatchObject({ kind: 'done', images: [{ source }] })
  })

  test('a success with something else than a link says what came', () => {
    const outcome = adapter.interpret(reply(200, { data: [{ ...image(1), imageURL: 'ftp://a.example/x' }] }), pollFor())
    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'bad_reply' } })
    expect(JSON.stringify(outcome)).toContain('ftp://a.example/x')
  })

  test('progress counts the results nobody mentions as nothing', () => {
    const outcome = adapter.interpret(reply(200, { data: [{ taskUUID: TASK, status: 'processing', progress: 50 }] }), pollFor({ count: 4 }))
    expect(outcome).toMatchObject({ kind: 'pending', progress: 0.125 })
  })

  test('Retry-After of a poll is kept, also as a date, measured against the reply’s own date', () => {
    const headers = { 'retry-after': 'Sat, 21 Nov 2026 10:00:32 GMT', date: 'Sat, 21 Nov 2026 10:00:20 GMT' }
    for (const answer of [reply(429, null, { 'retry-after': '12' }), reply(429, null, headers)])
      expect(adapter.interpret(answer, pollFor())).toMatchObject({ kind: 'refused', failure: { retry_after_ms: 12_000 } })
    const working = reply(200, { data: [{ taskUUID: TASK, status: 'processing' }] }, { 'retry-after': '3' })
    expect(adapter.interpret(working, pollFor())).toMatchObject({ kind: 'pending', afterMs: 3_000 })
  })

  test('a cost of zero is a cost', () => {
    const outcome = adapter.interpret(reply(200, { data: [{ ...image(1), cost: 0 }] }), submitFor())
    expect(outcome).toMatchObject({ kind: 'done', cost: { amount: '0', raw: 0 } })
  })

  test('a cost below nothing is unknown', () => {
    const outcome = adapter.interpret(reply(200, { data: [{ ...image(1), cost: -1 }] }), submitFor())
    expect(outcome.kind).toBe('done')
    expect(outcome).not.toHaveProperty('cost')
  })
})

describe('the balance', () => {
  test.each([
    [2450.75, '2450.75'],
    ['0.10', '0.1'],
    [0, '0'],
    [-1.5, '-1.5'],
    ['much', null],
    [null, null],
    [{ amount: 1 }, null],
  ] as const)('%j is read as %j', (balance, dollars) => {
    expect(adapter.readBalance?.(reply(200, { data: [{ taskType: 'accountManagement', taskUUID: TASK, balance }] }))).toBe(dollars)
  })

  test('an error instead of a balance makes it unknown', () => {
    expect(adapter.readBalance?.(reply(401, { errors: [{ code: 'invalidApiKey', message: 'no' }] }))).toBeNull()
  })
})

const cost = (model: string, width: number, height: number, references = 0) => {
  const rule = manifest.models[model]?.price
  if (!rule) throw new Error(`${model} has no price`)
  return priceOf(rule, {
    width,
    height,
    images: 1,
    references: Array.from({ length: references }, () => ({ width: 1024, height: 1024 })),
  })?.amount
}

describe('the prices', () => {
  test('the four priced examples of the page of bfl:5@1 come out', () => {
    expect([
      cost('flux-2-pro', 1536, 1024, 3),
      cost('flux-2-pro', 1536, 1024),
      cost('flux-2-pro', 1536, 1024, 3),
      cost('flux-2-pro', 1536, 1024),
    ]).toEqual(['0.09', '0.045', '0.09', '0.045'])
    expect(cost('flux-2-pro', 1024, 1024)).toBe('0.03')
  })

  test('the two priced examples of the page of bfl:6@1 come out', () => {
    expect([cost('flux-2-flex', 512, 512), cost('flux-2-flex', 1024, 1024)]).toEqual(['0.06', '0.06'])
  })

  test('bfl:2@1 costs the same at every size', () => {
    expect([cost('flux-1.1-pro', 256, 256), cost('flux-1.1-pro', 1440, 1440)]).toEqual(['0.04', '0.04'])
  })
})

const limitsOf = (model: string) => manifest.models[model]?.limits

describe('the decisions where sources contradict each other', () => {
  test('safety goes to 6, as the provider’s own page says, though the model’s maker stops at 5', () => {
    expect(limitsOf('flux-2-pro')?.safety_tolerance).toMatchObject({ min: 0, max: 6, default: 2 })
  })

  test('seeds go to 2^63-1, which the page prints as 9223372036854776000, and are sent as all their digits', () => {
    expect(limitsOf('flux-2-pro')?.seed?.max).toBe(Number('9223372036854775807'))
    expect(taskIn(submitFor({ seed: '9223372036854775807' }))['seed']).toEqual({ $digits: '9223372036854775807' })
  })

  test('upsampling is off by default here, though it is on at the model’s maker', () => {
    expect(limitsOf('flux-2-pro')?.prompt_upsampling).toEqual({ type: 'boolean', default: false, settable: true })
  })

  test('FLUX.2 [max] counts megapixels as every other does, and says that the page has an example which fits none', () => {
    expect([cost('flux-2-max', 1024, 1024), cost('flux-2-max', 1536, 1024), cost('flux-2-max', 1024, 1024, 3)]).toEqual([
      '0.07',
      '0.1',
      '0.16',
    ])
    expect(manifest.models['flux-2-max']?.price?.note).toContain('1920x1080')
  })

  test('what Runware hosts itself has no published rule, so no price, and is sent no field of the model’s maker', () => {
    for (const model of ['flux-2-klein-4b', 'flux-2-klein-9b']) {
      expect(manifest.models[model]?.price).toBeNull()
      expect(limitsOf(model)?.safety_tolerance).toBeNull()
    }
  })

  test('shapes of which the page prints pixels are said in these pixels', () => {
    const tier = { name: '1K', aspectRatio: '16:9', pixels: { width: 1392, height: 752 } }
    const { width: _, height: __, ...sizeless } = order({ model: 'flux-kontext-pro', providerModel: 'bfl:3@1', tier })
    expect(taskIn(adapter.translate(sizeless).call)).toMatchObject({ model: 'bfl:3@1', width: 1392, height: 752 })
  })

  test('FLUX 3 is sold in the sizes that programs are known to buy, until its table of sizes can be read', () => {
    expect(limitsOf('flux-3-image')?.size).toMatchObject({ kind: 'tier', aspect_ratios: ['1:1'] })
    expect(manifest.models['flux-3-image']?.notes?.join()).toContain('wait for the table')
  })

  test('the pro model takes 8 references, the flex model 10, and the old one none', () => {
    expect(['flux-2-pro', 'flux-2-flex', 'flux-1.1-pro'].map((model) => limitsOf(model)?.reference_images.max)).toEqual([8, 10, 0])
  })

  test('the size is required, in steps of 16, and of 32 for the old model', () => {
    expect(limitsOf('flux-2-pro')?.size).toMatchObject({ required: true, width: { min: 256, max: 2048, step: 16 } })
    expect(limitsOf('flux-1.1-pro')?.size).toMatchObject({ required: true, width: { min: 256, max: 1440, step: 32 } })
  })

  test('a prompt is counted in characters, as the page does, though the model’s maker counts tokens', () => {
    expect(limitsOf('flux-2-pro')?.prompt).toEqual({ min_chars: 1, max_chars: 32_000 })
  })

  test('every note carries the day its source was read', () => {
    for (const { notes = [] } of Object.values(manifest.models)) for (const note of notes) expect(note).toMatch(/2026-(09|10|11)-\d\d/)
  })
})
