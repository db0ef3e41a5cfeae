import { describe, expect, test } from 'vitest'
import { Manifest, type Call, type Json, type Order, type Reply } from '#contract'
import { adapter } from '../adapter.ts'
import manifestJson from '../manifest.json' with { type: 'json' }
import { bucketOf, type RunwareOptions } from '../wire.ts'
import { priceOf } from '../../../src/core/plan/price.ts'

const manifest = Manifest.parse(manifestJson)
const TASK = '00000000-0000-4000-8000-000000000001'

function order(overrides: Partial<Order<RunwareOptions>> = {}): Order<RunwareOptions> {
  const model = manifest.models['flux-2-pro']
  if (model === undefined) throw new Error('the manifest has no flux-2-pro')
  return {
    taskId: TASK,
    model: 'flux-2-pro',
    providerModel: model.provider_model,
    limits: model.limits,
    prompt: 'A lighthouse in fog',
    width: 1024,
    height: 1024,
    references: [],
    count: 1,
    options: {},
    ...overrides,
  }
}

const reply = (status: number, body: Json, headers: Record<string, string> = {}): Reply => ({ status, headers, body })
const taskIn = (call: Call): Readonly<Record<string, Json>> => (call.body as readonly [Readonly<Record<string, Json>>])[0]
const submitFor = (overrides: Partial<Order<RunwareOptions>> = {}): Call => adapter.translate(order(overrides)).call
const lookFor = (overrides: Partial<Order<RunwareOptions>> = {}): Call => {
  const call = adapter.recover?.(submitFor(overrides))
  if (!call) throw new Error('a submit cannot be asked for')
  return call
}
const image = (id: number) => ({ taskUUID: TASK, imageUUID: `image-${id}`, imageURL: `https://im.runware.ai/${id}.jpg`, cost: 0.03 })

describe('what is said to Runware', () => {
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
      { code: 'ignored_option', field: 'provider_options.runware.deliveryMethod', requested: 'sync', used: 'async' },
    ])
  })

  test('a single image asks for no number of results, as an older page sells one only', () => {
    expect(taskIn(submitFor())).not.toHaveProperty('numberResults')
    expect(taskIn(submitFor({ count: 20 }))['numberResults']).toBe(20)
  })

  test('without a seed none is sent, and never -1', () => {
    expect(taskIn(submitFor())).not.toHaveProperty('seed')
    expect(taskIn(submitFor({ seed: '0' }))['seed']).toBe(0)
  })

  test('upsampling is told both ways, and left to the vendor where nobody asked', () => {
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

describe('what Runware says', () => {
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

  test('a forged announcement of one image of a batch leaves no trace in what is asked next', () => {
    const look = lookFor({ count: 2 })
    const outcome = adapter.interpret(reply(200, { ...image(666), imageURL: 'https://evil.example/x.jpg' }), look)
    expect(outcome).toMatchObject({ kind: 'pending', next: look })
    expect(JSON.stringify(adapter.interpret(reply(200, image(666)), submitFor({ count: 2 })))).not.toContain('666.jpg')
  })

  test('a code that says no more than "try later" on a look does not end a task that was bought', () => {
    for (const code of ['rateLimitExceeded', 'serviceUnavailable', 'internalServerError', 'taskNotFound']) {
      expect(adapter.interpret(reply(200, { errors: [{ code, message: 'no', taskUUID: TASK }] }), lookFor()).kind).toBe('pending')
    }
  })

  test('a field or a key refused on a look is no proof that nothing was bought', () => {
    for (const code of ['invalidTaskUUID', 'invalidApiKey', 'accountSuspended']) {
      const outcome = adapter.interpret(reply(400, { errors: [{ code, message: 'no' }] }), lookFor())
      expect(outcome).toMatchObject({ kind: 'failed', failure: { billed: 'unknown' } })
    }
  })

  test('what is in work resets the count of looks that found nothing', () => {
    const gone = reply(404, { errors: [{ code: 'taskNotFound', message: 'no', taskUUID: TASK }] })
    let call = lookFor()
    for (let round = 0; round < 3; round += 1) {
      for (let step = 0; step < 4; step += 1) {
        const outcome = adapter.interpret(gone, call)
        if (outcome.kind !== 'pending') throw new Error('it gave up early')
        call = outcome.next
      }
      const working = adapter.interpret(reply(200, { data: [{ taskUUID: TASK, status: 'processing' }] }), call)
      if (working.kind !== 'pending') throw new Error('it is in work')
      call = working.next
      expect(call.purpose).toBe('poll')
    }
  })

  test('progress counts the results nobody mentions as nothing', () => {
    const outcome = adapter.interpret(reply(200, { data: [{ taskUUID: TASK, status: 'processing', progress: 50 }] }), lookFor({ count: 4 }))
    expect(outcome).toMatchObject({ kind: 'pending', progress: 0.125 })
  })

  test('Retry-After of a poll is waited for', () => {
    expect(adapter.interpret(reply(429, null, { 'retry-after': '12' }), lookFor())).toMatchObject({ kind: 'pending', afterMs: 12_000 })
  })

  test('a Retry-After date is measured against the reply’s own date', () => {
    const headers = { 'retry-after': 'Sat, 21 Nov 2026 10:00:32 GMT', date: 'Sat, 21 Nov 2026 10:00:20 GMT' }
    expect(adapter.interpret(reply(429, null, headers), lookFor())).toMatchObject({ kind: 'pending', afterMs: 12_000 })
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

  test('an error in its place is not known', () => {
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
  }).amount
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

  test('seeds stop at 2^53-1, not at the page’s 9223372036854776000, which no JSON number carries', () => {
    expect(limitsOf('flux-2-pro')?.seed?.max).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('upsampling is off by default here, though it is on at the model’s maker', () => {
    expect(limitsOf('flux-2-pro')?.prompt_upsampling).toEqual({ type: 'boolean', default: false, settable: true })
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
    for (const { notes = [] } of Object.values(manifest.models)) for (const note of notes) expect(note).toContain('2026-11-21')
  })
})
