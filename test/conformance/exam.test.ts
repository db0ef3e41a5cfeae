import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { FAILURES, type Call, type Json, type JsonObject, type Offer, type Order, type Outcome, type Reply } from '#contract'
import {
  callFor,
  candidate,
  deepFrozen,
  failuresOf,
  isAskable,
  knownCalls,
  knownReplies,
  noOptions,
  partAt,
  pathsIn,
  plainOrders,
  withPart,
  type Candidate,
} from '../support/examined.ts'
import { isManifestAlone, providerFolders } from '../support/installed-providers.ts'
import {
  isLossless,
  legalOrders,
  plainOrder,
  referenceAt,
  sizeNear,
  tiersOf,
  withAddress,
  type OrderedSize,
} from '../support/legal-orders.ts'
import { LegalCall, objectionsTo } from '../support/legal-outcome.ts'

/** The same examples every time. */
const RUNS = { seed: 20_261_121, numRuns: 100, endOnFailure: true } as const

const candidates = await Promise.all(providerFolders().map((id) => candidate(id)))

/** Only a manifest alone may have none. */
const hasCases = ({ id }: Candidate): boolean => !isManifestAlone(id)

/** Each text of a JSON value, in order. */
const textsIn = (value: Json | undefined): readonly string[] =>
  value === undefined ? [] : pathsIn(value).flatMap((path) => [partAt(value, path)].filter((part) => typeof part === 'string'))

/** Each text that a call says, be it in JSON or in a form; of a file the bytes, in base64. */
const textsOf = ({ body, form }: Call): readonly string[] => [
  ...textsIn(body),
  ...(form ?? []).map((part) => ('value' in part ? part.value : part.base64)),
]

/** A vendor may take the bytes of a data URI apart from what they are. */
const payloadOf = (text: string): string => text.replace(/^data:[a-z/]+;base64,/, '')

const reply = (status: number, body: Json, headers: Record<string, string> = {}): Reply => ({ status, headers, body })

describe.each(candidates)('$id translates', (examined) => {
  const { adapter, offers } = examined
  const options = noOptions(examined)

  test.each(offers)('every legal order of $model, always the same way, without touching it', (offer) => {
    fc.assert(
      fc.property(legalOrders(offer, options), (order) => {
        const { call, warnings } = adapter.translate(deepFrozen(order))
        expect(LegalCall.safeParse(call).error?.issues ?? []).toEqual([])
        expect(call.purpose).toBe('submit')
        expect(call.url.startsWith('/'), 'a submit goes to the base URL').toBe(true)
        expect(adapter.translate(structuredClone(order)).call).toEqual(call)
        expect(JSON.parse(JSON.stringify(call)), 'a call survives the database').toEqual(call)
        expect(warnings, 'without options of its own there is nothing to warn of').toEqual([])
      }),
      RUNS,
    )
  })

  test.each(offers)('the prompt of $model to the letter and every reference in order', (offer) => {
    fc.assert(
      fc.property(legalOrders(offer, options), (order) => {
        const texts = textsOf(callFor(examined, order))
        expect(texts).toContain(order.prompt)
        const references = order.references.map(payloadOf)
        expect(texts.map(payloadOf).filter((text) => references.includes(text))).toEqual(references)
      }),
      RUNS,
    )
  })

  test.each(offers)('the size and the model of $model', (offer) => {
    fc.assert(
      fc.property(legalOrders(offer, options), (order) => {
        const call = callFor(examined, order)
        const said = JSON.stringify([call.url, ...textsOf(call), call.body])
        expect(said).toContain(order.providerModel)
        if (order.width !== undefined && order.height !== undefined) {
          expect(said).toContain(String(order.width))
          expect(said).toContain(String(order.height))
        }
      }),
      RUNS,
    )
  })

  test('nothing that resembles a key', () => {
    for (const order of plainOrders(examined)) {
      expect(JSON.stringify(callFor(examined, order))).not.toMatch(/api[-_]?key|authorization|bearer|x-key|secret|password/i)
    }
  })

  for (const offer of offers) {
    test.each(variationsOf(offer, options))(`${offer.model}: $field changes what is said`, ({ variants }) => {
      const calls = variants.map((order) => JSON.stringify(callFor(examined, order)))
      expect(new Set(calls).size).toBe(variants.length)
    })
  }

  test('each of its own options into the call, or into a warning that it is ignored', () => {
    const dropped = optionSamples(examined).filter(({ samples }) => !samples.some((sample) => hasEffect(examined, sample)))
    expect(dropped.map(({ name }) => name)).toEqual([])
  })

  test('only options it knows', () => {
    expect(adapter.options.safeParse({}).success).toBe(true)
    expect(adapter.options.safeParse({ no_such_option: 1 }).success).toBe(false)
    for (const value of [null, 1, 'text', []]) expect(adapter.options.safeParse(value).success).toBe(false)
  })
})

interface Variation {
  readonly field: string
  readonly variants: readonly Order[]
}

/** For each field an offer supports: orders that differ in it alone, so that their calls must differ. */
function variationsOf(offer: Offer, options: unknown): readonly Variation[] {
  const { limits } = offer
  const { values, default: usual } = limits.output_format
  const vary = (field: string, ...changes: readonly Partial<Order>[]): Variation => ({
    field,
    variants: changes.map((change) => plainOrder(offer, options, change)),
  })
  /** Both ends, and nothing; an end that is the vendor's own default may be said or left out. */
  const ends = (field: string, key: keyof Order): readonly Variation[] => {
    const range = limits[field as 'seed' | 'output_quality' | 'safety_tolerance' | 'guidance' | 'steps']
    if (range === null) return []
    const values = [range.min, range.max].filter((value) => value !== range.default)
    const beside: Partial<Order> = key === 'outputQuality' && isLossless(usual) ? { outputFormat: 'jpeg' } : {}
    return [vary(field, beside, ...values.map((value) => ({ ...beside, [key]: key === 'seed' ? String(BigInt(value)) : value })))]
  }
  const { settable, default: isUsual } = limits.prompt_upsampling
  const [form] = limits.reference_images.forms
  const sizes = (): readonly OrderedSize[] => {
    if (limits.size.kind === 'tier') return tiersOf(limits.size)
    const small = sizeNear(limits.size, 512)
    const other = { width: small.width + (limits.size.width.step ?? 1), height: small.height + 2 * (limits.size.height.step ?? 1) }
    return [small, other, { width: other.width, height: small.height }, { width: small.width, height: other.height }]
  }
  const withReferences = (count: number) => ({
    references: form === undefined ? [] : Array.from({ length: count }, (_, index) => referenceAt(index, form)),
  })
  return [
    vary('prompt', {}, { prompt: 'another image' }),
    vary('size', ...sizes()),
    ...ends('seed', 'seed'),
    ...(limits.quality ? [vary('quality', ...limits.quality.values.map((quality) => ({ quality })))] : []),
    ...(limits.background
      ? [vary('background', ...limits.background.values.map((background) => ({ background, outputFormat: 'png' as const })))]
      : []),
    ...(limits.mask && form !== undefined
      ? [vary('mask', { references: [referenceAt(0, form)] }, { references: [referenceAt(0, form)], mask: referenceAt(1, form) })]
      : []),
    ...ends('output_quality', 'outputQuality'),
    ...ends('safety_tolerance', 'safetyTolerance'),
    ...ends('guidance', 'guidance'),
    ...ends('steps', 'steps'),
    vary('output_format', {}, ...values.filter((value) => value !== usual).map((outputFormat) => ({ outputFormat }))),
    ...(limits.reference_images.max > 0
      ? [vary('reference_images', ...Array.from({ length: limits.reference_images.max + 1 }, (_, count) => withReferences(count)))]
      : []),
    ...(limits.n.max > 1 ? [vary('n', {}, { count: 2 }, { count: limits.n.max })] : []),
    ...(settable ? [vary('prompt_upsampling', {}, { promptUpsampling: isUsual !== true })] : []),
    ...(settable ? [vary('prompt_upsampling, on and off', { promptUpsampling: true }, { promptUpsampling: false })] : []),
  ]
}

type OptionSample = Readonly<Record<string, unknown>>

/** A few legal values of each of a provider's own options, made from its schema. */
function optionSamples({ adapter }: Candidate): readonly { readonly name: string; readonly samples: readonly OptionSample[] }[] {
  const schema = z.toJSONSchema(adapter.options, { io: 'input' }) as { readonly properties?: Readonly<Record<string, object>> }
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    samples: samplesOf(property as JsonObject)
      .map((value) => ({ [name]: value }))
      .filter((sample) => adapter.options.safeParse(sample).success),
  }))
}

function samplesOf(schema: JsonObject): readonly unknown[] {
  if ('const' in schema) return [schema['const']]
  if (Array.isArray(schema['enum'])) return schema['enum']
  if (Array.isArray(schema['anyOf'])) return schema['anyOf'].flatMap((option) => samplesOf(option as JsonObject))
  switch (schema['type']) {
    case 'boolean':
      return [true, false]
    case 'integer':
    case 'number':
      return [schema['minimum'] ?? 1, schema['maximum'] ?? 1].filter((value) => Number.isSafeInteger(value))
    case 'string':
      return ['text', 'https://example.com/a.png']
    case 'object': {
      const properties = Object.entries((schema['properties'] ?? {}) as Record<string, JsonObject>)
      return properties.flatMap(([name, property]) => samplesOf(property).map((value) => ({ [name]: value })))
    }
    default:
      return []
  }
}

function hasEffect(examined: Candidate, sample: OptionSample): boolean {
  const options = examined.adapter.options.parse(sample)
  return examined.offers.some((offer) =>
    offer.limits.output_format.values.some((outputFormat) => {
      const plain = plainOrder(offer, noOptions(examined), { outputFormat })
      const { call, warnings } = examined.adapter.translate({ ...plain, options })
      return warnings.length > 0 || JSON.stringify(call) !== JSON.stringify(callFor(examined, plain))
    }),
  )
}

/** Anything a network may bring: statuses of every class, headers of any text, bodies of any JSON. */
const anyStatus = fc.oneof(
  fc.constantFrom(200, 201, 202, 204, 301, 400, 401, 402, 403, 404, 408, 422, 429, 500, 502, 503),
  fc.integer({ min: 200, max: 599 }),
)
const anyHeaders = fc.dictionary(
  fc.constantFrom('retry-after', 'date', 'content-type', 'location', 'x-request-id'),
  fc.oneof(fc.string(), fc.constantFrom('7', '-1', '1e9', 'Sat, 21 Nov 2026 10:00:07 GMT')),
)
const anyJson = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>
const ODD_LEAVES: readonly Json[] = [
  null,
  '',
  ' ',
  0,
  -1,
  1.5,
  1e300,
  -0.01,
  '9223372036854775807',
  '-5',
  'NaN',
  true,
  [],
  {},
  [[]],
  'ftp://x/y',
  '__proto__',
]

/** Whether the task is done: its images are there, or the address of its result is asked next. */
const isOver = (outcome: Outcome, call: Call): boolean =>
  outcome.kind === 'done' ||
  (call.purpose === 'poll' && call.method === 'GET' && outcome.kind === 'pending' && outcome.next.url !== call.url)

describe.each(candidates)('$id interprets', (examined) => {
  const { adapter } = examined
  const questions = knownCalls(examined, ['submit', 'poll', 'recover'])
  const submits = knownCalls(examined, ['submit'])
  const polls = knownCalls(examined, ['poll', 'recover'])
  const answers = knownReplies(examined)

  /** A real reply with one part changed: what a vendor's next release may say. */
  const nearReplies = fc
    .record({
      index: fc.nat(),
      part: fc.nat(),
      value: fc.oneof(fc.constantFrom(...ODD_LEAVES), anyJson, fc.constant(undefined)),
      status: fc.option(anyStatus),
    })
    .map(({ index, part, value, status }) => {
      const { call, reply: answered } = answers[index % answers.length] ?? { call: submits[0] as Call, reply: reply(200, null) }
      const paths = pathsIn(answered.body)
      return {
        call,
        reply: { ...answered, status: status ?? answered.status, body: withPart(answered.body, paths[part % paths.length] ?? [], value) },
      }
    })

  function expectLegal(answer: Reply, call: Call): Outcome {
    const outcome = adapter.interpret(deepFrozen(answer), deepFrozen(call))
    expect(objectionsTo(outcome), JSON.stringify({ outcome, answer, call })).toEqual([])
    expect(JSON.parse(JSON.stringify(outcome)), 'an outcome survives the database').toEqual(outcome)
    return outcome
  }

  test.runIf(hasCases(examined))('is asked about the end of every story', () => {
    expect(answers.length).toBeGreaterThan(0)
    expect(polls.length > 0).toBe(isAskable(examined))
  })

  test('any reply at all, legally and without throwing', () => {
    fc.assert(
      fc.property(fc.constantFrom(...questions), anyStatus, anyHeaders, anyJson, (call, status, headers, body) => {
        expectLegal({ status, headers, body }, call)
      }),
      { ...RUNS, numRuns: 400 },
    )
  })

  test('any reply that is nearly a real one, legally and the same way twice', () => {
    fc.assert(
      fc.property(nearReplies, ({ call, reply: answer }) => {
        const outcome = expectLegal(answer, call)
        expect(adapter.interpret(structuredClone(answer), structuredClone(call))).toEqual(outcome)
      }),
      { ...RUNS, numRuns: 1_500 },
    )
  })

  test('a success it does not understand never as an image, and never as certainly unpaid', () => {
    fc.assert(
      fc.property(fc.constantFrom(...questions), fc.integer({ min: 200, max: 299 }), anyJson, (call, status, body) => {
        const outcome = expectLegal(reply(status, body), call)
        const images = outcome.kind === 'done' ? outcome.images : []
        const remembered = JSON.stringify(call)
        expect(images.filter(({ source }) => !remembered.includes(source.kind === 'url' ? source.url : source.data))).toEqual([])
        for (const { billed } of failuresOf(outcome)) expect(billed).not.toBe(false)
      }),
      { ...RUNS, numRuns: 300 },
    )
  })

  test.runIf(hasCases(examined) && examined.manifest.declares.delivery.includes('poll'))(
    'a finished task under a status nobody documented never as done',
    () => {
      const judged = answers
        .filter(({ call }) => call.purpose !== 'submit')
        .map((answer) => ({ ...answer, outcome: adapter.interpret(answer.reply, answer.call) }))
      // Beside other images or failures, another id or code makes a reply wait too; a single image leaves the status alone to do it.
      const isSingle = (outcome: Outcome) => outcome.kind === 'done' && outcome.images.length === 1 && failuresOf(outcome).length === 0
      const ended = judged.filter(({ outcome, call }) => isSingle(outcome) || (outcome.kind === 'pending' && isOver(outcome, call)))
      const waiting = judged.filter(({ outcome, call }) => outcome.kind === 'pending' && !isOver(outcome, call))
      /** Where a status stands: the text of a waiting reply there makes a finished one wait. */
      const statusPaths = ended.flatMap(({ call, reply: answered }) =>
        pathsIn(answered.body)
          .filter((path) => typeof partAt(answered.body, path) === 'string')
          .filter((path) =>
            waiting.some(({ reply: { body } }) => {
              const word = partAt(body, path)
              const changed = { ...answered, body: withPart(answered.body, path, word) }
              const outcome = adapter.interpret(changed, call)
              return typeof word === 'string' && outcome.kind === 'pending' && !isOver(outcome, call)
            }),
          )
          .map((path) => ({ call, answered, path })),
      )
      expect(statusPaths.length).toBeGreaterThan(0)
      for (const { call, answered, path } of statusPaths) {
        const strange = { ...answered, body: withPart(answered.body, path, 'Recalibrating') }
        expect(isOver(adapter.interpret(strange, call), call), path.join('.')).toBe(false)
      }
    },
  )

  test.each([200, 202, 204, 404, 500])('the same empty %d for ever with a call that does not grow', (status) => {
    for (const start of [submits[0], ...polls.slice(0, 1)]) {
      let call = start
      const sizes: number[] = []
      for (let round = 0; round < 50 && call !== undefined; round += 1) {
        const outcome = expectLegal(reply(status, null), call)
        call = outcome.kind === 'pending' ? outcome.next : undefined
        sizes.push(JSON.stringify(call ?? null).length)
      }
      expect(Math.max(...sizes) - Math.min(...sizes.slice(1), sizes[0] ?? 0)).toBeLessThan(400)
    }
  })

  const BODIES: readonly Json[] = [null, '', '<html>an error page</html>', {}, [], { message: 'no' }, { error: 'no' }, { detail: 'no' }]

  function refusals(call: Call, status: number, headers: Record<string, string> = {}) {
    return BODIES.map((body) => ({ body, outcome: expectLegal(reply(status, body, headers), call) }))
  }

  test.each([
    [401, ['provider_unauthorized']],
    [402, ['insufficient_credit']],
    [403, ['provider_unauthorized', 'insufficient_credit']],
    [429, ['rate_limited']],
  ] as const)('HTTP %d to a submit as %j, for which nothing was paid', (status, codes) => {
    for (const call of submits) {
      for (const { outcome } of refusals(call, status)) {
        if (outcome.kind !== 'failed') throw new Error(`HTTP ${status} is ${outcome.kind}`)
        expect(codes).toContain(outcome.failure.code)
        expect(outcome.failure).toMatchObject({ billed: false, provider_status: status })
        expect(outcome.cost).toBeUndefined()
      }
    }
  })

  test.each([400, 404, 422])('HTTP %d to a submit as provider_rejected, without a cost', (status) => {
    for (const call of submits) {
      for (const { outcome } of refusals(call, status)) {
        if (outcome.kind !== 'failed') throw new Error(`HTTP ${status} is ${outcome.kind}`)
        expect(outcome.failure).toMatchObject({ code: 'provider_rejected', provider_status: status })
        expect(outcome.failure.billed).not.toBe(true)
        expect(outcome.cost).toBeUndefined()
      }
      expect(failuresOf(adapter.interpret(reply(status, null), call)).map(({ billed }) => billed)).toEqual([false])
    }
  })

  test.each([408, 500, 502, 504, 520])('HTTP %d to a submit never as certainly unpaid', (status) => {
    for (const call of submits) {
      for (const { outcome } of refusals(call, status)) {
        expect(outcome.kind).not.toBe('done')
        for (const failure of failuresOf(outcome)) {
          expect(failure.billed).not.toBe(false)
          expect(['provider_unavailable', 'outcome_unknown', 'bad_reply']).toContain(failure.code)
        }
      }
    }
  })

  test('HTTP 503 to a submit as an outage, or as a task to ask for', () => {
    for (const call of submits) {
      for (const { outcome } of refusals(call, 503)) {
        expect(outcome.kind).not.toBe('done')
        // By the status the run distinguishes an answered submit from one that never left, which alone is repeated.
        for (const failure of failuresOf(outcome)) expect(failure).toMatchObject({ code: 'provider_unavailable', provider_status: 503 })
      }
    }
  })

  const isNamed = (taskId: string | undefined, { body }: Reply) => taskId !== undefined && JSON.stringify(body).includes(taskId)
  /** What the vendor answers to a submit that it has taken: with images, or with a task that it names. */
  const taken = answers.filter(({ call, reply: answer }) => {
    const outcome = adapter.interpret(answer, call)
    return (
      call.purpose === 'submit' &&
      answer.status < 300 &&
      failuresOf(outcome).length === 0 &&
      (outcome.kind === 'done' || isNamed(outcome.taskId, answer))
    )
  })

  test.runIf(taken.length > 0).each([400, 401, 402, 403, 404, 409, 422, 429, 500, 503])(
    'what a submit was taken with never as unpaid, though it came with HTTP %d',
    (status) => {
      for (const { call, reply: answer } of taken) {
        const outcome = expectLegal({ ...answer, status }, call)
        for (const { billed } of failuresOf(outcome)) expect(billed, JSON.stringify({ answer, outcome })).not.toBe(false)
      }
    },
  )

  test.each([301, 302, 307])('a redirect (%d) of a submit neither as done nor as certainly unpaid', (status) => {
    for (const call of submits) {
      const outcome = expectLegal(reply(status, null, { location: 'https://elsewhere.example/' }), call)
      expect(outcome.kind).not.toBe('done')
      for (const { billed } of failuresOf(outcome)) expect(billed).not.toBe(false)
    }
  })

  test('no failure that could make the run buy again unless nothing was paid', () => {
    fc.assert(
      fc.property(nearReplies, ({ call, reply: answer }) => {
        for (const { code, billed } of failuresOf(adapter.interpret(answer, call))) {
          expect(Object.keys(FAILURES)).toContain(code)
          expect([
            'internal',
            // The vendor's word where it has a cancel; the run buys nothing again for it.
            ...(examined.manifest.declares.cancel ? [] : ['canceled']),
            'model_not_found',
            'no_eligible_offer',
            'budget_exceeded',
            'unauthorized',
            'invalid_request',
          ]).not.toContain(code)
          // That a task was moderated is never read from the status of a reply, only from the vendor's own word in its body.
          if (call.purpose !== 'submit' && answer.status >= 500 && code !== 'moderated') expect(billed).not.toBe(false)
        }
      }),
      { ...RUNS, numRuns: 400 },
    )
  })

  test('a vendor’s words without the signatures of the links in them', () => {
    const signed = 'see https://user:CANARY@images.example/a.png?se=2026&sig=CANARY#CANARY'
    const spoken = answers.flatMap(({ call, reply: answered }) =>
      pathsIn(answered.body)
        .filter((path) => typeof partAt(answered.body, path) === 'string')
        .map((path) => ({
          call,
          answer: {
            ...answered,
            body: withPart(answered.body, path, `${JSON.stringify(partAt(answered.body, path)).slice(1, -1)} ${signed}`),
          },
        })),
    )
    const shapes: readonly Json[] = [
      { message: signed },
      { error: signed },
      { detail: signed },
      { errors: [{ code: signed, message: signed }] },
      { error: { code: signed, message: signed } },
      signed,
    ]
    const refused = questions.flatMap((call) =>
      [400, 401, 403, 500].flatMap((status) => shapes.map((body) => ({ call, answer: reply(status, body) }))),
    )
    const leaks = [...spoken, ...refused].flatMap(({ call, answer }) => {
      const outcome = adapter.interpret(answer, call)
      const said = JSON.stringify([failuresOf(outcome), outcome.kind === 'pending' ? outcome.note : null])
      return said.includes('CANARY') ? [said] : []
    })
    expect([...new Set(leaks)]).toEqual([])
  })
})

describe.each(candidates.filter(({ manifest }) => manifest.declares.recover))('$id recovers a lost submit', (examined) => {
  test('with a free call that names the same task, and only for a submit', () => {
    const recover = examined.adapter.recover?.bind(examined.adapter)
    for (const order of plainOrders(examined)) {
      const submit = callFor(examined, withAddress(examined.manifest, order))
      const question = recover?.(submit) ?? null
      expect(LegalCall.safeParse(question).error?.issues ?? []).toEqual([])
      expect(question?.purpose).toBe('recover')
      expect(JSON.stringify(question)).toContain(order.taskId)
      expect(JSON.stringify(question?.body ?? null)).not.toContain(order.prompt)
    }
    for (const call of knownCalls(examined, ['poll', 'account'])) expect(recover?.(call) ?? null).toBeNull()
  })
})

describe.each(candidates.filter(({ manifest }) => manifest.declares.balance))('$id reports the balance', ({ adapter }) => {
  const ID = '00000000-0000-4000-8000-00000000000a'

  test('by a free call that is the same for the same id', () => {
    const call = adapter.account?.(ID)
    expect(LegalCall.safeParse(call).error?.issues ?? []).toEqual([])
    expect(call?.purpose).toBe('account')
    expect(adapter.account?.(ID)).toEqual(call)
  })

  test('as dollars, or as null where the reply is anything else', () => {
    fc.assert(
      fc.property(anyStatus, anyJson, (status, body) => {
        expect(adapter.readBalance?.(reply(status, body)) ?? null).toBeNull()
      }),
      RUNS,
    )
  })
})

describe.each(candidates.filter(({ manifest }) => manifest.declares.webhook))('$id gets the address of its callback', (examined) => {
  test('by the address in the call, and by nothing without one', () => {
    const webhook = { url: 'https://gate.example/hooks/abc123', secret: 'a-callback-secret' }
    const { models } = examined.manifest
    for (const order of plainOrders(examined).filter(({ model }) => models[model]?.webhook !== false)) {
      const call = callFor(examined, { ...order, webhook })
      const { searchParams } = new URL(call.url, examined.manifest.base_url)
      expect([...textsOf(call), ...searchParams.values()]).toContain(webhook.url)
      expect(JSON.stringify(callFor(examined, order))).not.toContain('hook')
    }
  })
})
