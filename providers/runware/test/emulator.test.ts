import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Manifest, type Call, type Outcome, type Reply } from '#contract'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { adapter } from '../adapter.ts'
import manifestJson from '../manifest.json' with { type: 'json' }
import { startEmulator } from '../emulator.ts'
import type { RunwareOptions } from '../wire.ts'
import { parseBody } from '../../../src/transport/reply-body.ts'

const manifest = Manifest.parse(manifestJson)

let sandbox: Sandbox
beforeEach(async () => {
  sandbox = await startEmulator({ typicalMs: 4 })
})
afterEach(() => sandbox.close())

async function post(body: unknown, key = SANDBOX_KEY): Promise<Reply> {
  const answer = await fetch(`${sandbox.url}/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return {
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body: parseBody(Buffer.from(await answer.arrayBuffer())).body,
  }
}

interface Wish {
  readonly prompt?: string
  readonly count?: number
  readonly seed?: string
  readonly references?: readonly string[]
  readonly options?: RunwareOptions
  readonly webhook?: { readonly url: string; readonly secret: string }
}

function submitOf({ prompt = 'A lighthouse', count = 1, references = [], options = {}, ...rest }: Wish): Call {
  const entry = manifest.models['flux-2-pro']
  if (entry === undefined) throw new Error('the manifest has no flux-2-pro')
  return adapter.translate({
    taskId: randomUUID(),
    model: 'flux-2-pro',
    providerModel: entry.provider_model,
    limits: entry.limits,
    prompt,
    width: 320,
    height: 256,
    references,
    count,
    options,
    ...rest,
  }).call
}

/** What the run does, without its clock: a lost submit is asked after, a pending one is asked again. */
async function generate(wish: Wish, maxCalls = 400): Promise<{ readonly outcome: Outcome; readonly seen: readonly Outcome[] }> {
  const seen: Outcome[] = []
  let call = submitOf(wish)
  for (let count = 0; count < maxCalls; count += 1) {
    const said = await post(call.body).catch(() => null)
    const outcome: Outcome | null = said && adapter.interpret(said, call)
    if (outcome !== null) seen.push(outcome)
    if (outcome !== null && outcome.kind !== 'pending') return { outcome, seen }
    call = outcome === null ? (adapter.recover?.(call) ?? call) : outcome.next
    await pause(1)
  }
  throw new Error(`still pending after ${maxCalls} calls`)
}

async function linkOf(outcome: Outcome): Promise<Response> {
  const source = outcome.kind === 'done' ? outcome.images[0]?.source : undefined
  if (source?.kind !== 'url') throw new Error('there is no link')
  return fetch(source.url)
}

const async: RunwareOptions = { deliveryMethod: 'async' }
const task = (fields: object = {}) => ({
  taskType: 'imageInference',
  taskUUID: randomUUID(),
  model: 'bfl:5@1',
  positivePrompt: 'A lighthouse',
  width: 320,
  height: 256,
  ...fields,
})

const balance = async () => adapter.readBalance?.(await post(adapter.account?.(randomUUID()).body))

describe('a generation at the emulator', () => {
  test.each([{}, async])('ends with a real image of the size asked for and its price, with options %j', async (options) => {
    const { outcome } = await generate({ options, seed: '42' })
    expect(outcome).toMatchObject({ kind: 'done', cost: { amount: '0.03' }, images: [{ seed: '42' }] })
    const answer = await linkOf(outcome)
    expect(answer.headers.get('content-type')).toBe('image/jpeg')
    expect(await sharp(Buffer.from(await answer.arrayBuffer())).metadata()).toMatchObject({ format: 'jpeg', width: 320, height: 256 })
    expect(sandbox.submits()).toBe(1)
  })

  test('of a batch has a seed and a price for each, and is one purchase', async () => {
    const { outcome } = await generate({ count: 4, seed: '7', references: ['https://images.example/a.png'] })
    if (outcome.kind !== 'done') throw new Error(outcome.kind)
    expect(outcome.images.map(({ seed }) => seed)).toEqual(['7', '8', '9', '10'])
    expect(outcome.cost).toMatchObject({ amount: '0.18' })
    expect(sandbox.submits()).toBe(1)
  })

  test('shows its progress while it is in work', async () => {
    await sandbox.close()
    sandbox = await startEmulator({ typicalMs: 500 })
    const { seen } = await generate({ count: 2, options: async })
    const progress = seen.flatMap((outcome) => (outcome.kind === 'pending' && outcome.progress !== undefined ? [outcome.progress] : []))
    expect(progress.length).toBeGreaterThan(0)
    expect(progress).toEqual([...progress].sort((left, right) => left - right))
  })

  test('bills each reference by its own megapixels, up to four', async () => {
    const reference = async (width: number, height: number) => {
      const bytes = await sharp({ create: { width, height, channels: 3, background: 'teal' } })
        .jpeg()
        .toBuffer()
      return `data:image/jpeg;base64,${bytes.toString('base64')}`
    }
    const references = [await reference(2048, 2048), await reference(512, 512), await reference(3000, 3000)]
    expect((await generate({ references })).outcome).toMatchObject({ kind: 'done', cost: { amount: '0.165' } })
  })

  test('charges the account', async () => {
    expect(await balance()).toBe('1000')
    await generate({ count: 2 })
    expect(await balance()).toBe('999.94')
  })
})

describe('the stories', () => {
  test.each([
    ['moderated', { code: 'moderated', stage: 'request' }, 0],
    ['moderated-output', { code: 'moderated', stage: 'output' }, 1],
    ['always-rate-limited', { code: 'rate_limited', billed: false, retry_after_ms: 1000 }, 0],
    ['unauthorized', { code: 'provider_unauthorized', billed: false }, 0],
    ['no-credit', { code: 'insufficient_credit', billed: false }, 0],
    ['unavailable', { code: 'provider_unavailable', billed: false }, 0],
    ['crash', { code: 'outcome_unknown', billed: 'unknown' }, 0],
    ['error', { code: 'provider_unavailable', billed: 'unknown' }, 1],
    ['vanished', { code: 'outcome_unknown', billed: 'unknown' }, 1],
  ] as const)('%s fails as %j', async (story, failure, bought) => {
    const { outcome } = await generate({ prompt: `sandbox:${story}` })
    expect(['failed', 'refused']).toContain(outcome.kind)
    expect(outcome).toMatchObject({ failure })
    expect(sandbox.submits()).toBe(bought)
  })

  test.each(['moderated-output', 'error', 'vanished'])('%s fails asynchronously too', async (story) => {
    expect(['failed', 'refused']).toContain((await generate({ prompt: `sandbox:${story}`, options: async })).outcome.kind)
    expect(sandbox.submits()).toBe(1)
  })

  test.each(['lost-reply', 'half', 'garbage', 'unknown-status', 'slow'])('%s ends with the image, bought once', async (story) => {
    for (const options of [{}, async]) {
      const before = sandbox.submits()
      expect((await generate({ prompt: `sandbox:${story}`, options })).outcome).toMatchObject({ kind: 'done', cost: { amount: '0.03' } })
      expect(sandbox.submits() - before).toBe(1)
    }
  })

  test('unknown-status is said, and never taken for success', async () => {
    const { seen } = await generate({ prompt: 'sandbox:unknown-status' })
    expect(seen[0]).toMatchObject({ kind: 'pending', note: 'unknown status "warmingUp"' })
  })

  test('rate-limited refuses the first submit and takes the next', async () => {
    expect((await generate({ prompt: 'sandbox:rate-limited' })).outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'rate_limited' },
    })
    expect((await generate({ prompt: 'sandbox:rate-limited' })).outcome.kind).toBe('done')
  })

  test('partial delivers all but the last of a batch', async () => {
    const { outcome } = await generate({ prompt: 'sandbox:partial', count: 3 })
    if (outcome.kind !== 'done') throw new Error(outcome.kind)
    expect(outcome.images).toHaveLength(2)
    expect(outcome.failures).toMatchObject([{ code: 'provider_unavailable', billed: 'unknown' }])
    expect(outcome.cost, 'whether the failed one is billed is not known').toBeUndefined()
  })

  test('big-seed keeps every digit', async () => {
    const { outcome } = await generate({ prompt: 'sandbox:big-seed' })
    if (outcome.kind !== 'done') throw new Error(outcome.kind)
    expect(outcome.images[0]?.seed).toMatch(/^922337203685477\d{4}$/)
  })

  test('never stays in work', async () => {
    const { body } = submitOf({ prompt: 'sandbox:never', options: async })
    await post(body)
    const [{ taskUUID }] = body as unknown as readonly [{ readonly taskUUID: string }]
    expect((await post([{ taskType: 'getResponse', taskUUID }])).body).toMatchObject({ data: [{ status: 'processing' }] })
    await expect(generate({ prompt: 'sandbox:never', options: async }, 20)).rejects.toThrow('still pending')
  })

  test('never holds a synchronous reply until the client leaves, and the task is still known', async () => {
    const { body } = submitOf({ prompt: 'sandbox:never' })
    const leaving = fetch(`${sandbox.url}/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${SANDBOX_KEY}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30),
    })
    await expect(leaving).rejects.toThrow()
    const [{ taskUUID }] = body as unknown as readonly [{ readonly taskUUID: string }]
    expect((await post([{ taskType: 'getResponse', taskUUID }])).body).toMatchObject({ data: [{ status: 'processing' }] })
  })

  test('expired-link delivers a dead link', async () => {
    expect((await linkOf((await generate({ prompt: 'sandbox:expired-link' })).outcome)).status).toBe(404)
  })

  test('not-an-image delivers a page', async () => {
    const answer = await linkOf((await generate({ prompt: 'sandbox:not-an-image' })).outcome)
    expect(await answer.text()).toContain('<html>')
  })

  test('half-image breaks off', async () => {
    const answer = await linkOf((await generate({ prompt: 'sandbox:half-image' })).outcome)
    await expect(answer.arrayBuffer()).rejects.toThrow()
  })

  test('a story for another vendor is plain success here', async () => {
    expect((await generate({ prompt: 'sandbox:crash@elsewhere' })).outcome.kind).toBe('done')
  })
})

const signIn = (apiKey: string) => post([{ taskType: 'authentication', apiKey }, task()], 'none')

const firstOf = (said: Reply) => (said.body as unknown as { readonly data: readonly object[] }).data[0]

describe('the wire of the emulator', () => {
  test('a task is never bought twice: its UUID is taken, whatever the second says', async () => {
    const first = task()
    await post([first])
    for (const second of [first, { ...first, positivePrompt: 'Another' }]) {
      expect(await post([second])).toMatchObject({
        status: 400,
        body: { errors: [{ code: 'conflictTaskUUID', taskUUID: first.taskUUID }] },
      })
    }
    expect(sandbox.submits()).toBe(1)
  })

  test('a wrong key is refused with the documented error', async () => {
    expect(await post([task()], 'wrong')).toMatchObject({ status: 401, body: { errors: [{ code: 'invalidApiKey', parameter: 'apiKey' }] } })
    expect(sandbox.submits()).toBe(0)
  })

  test('the key may come as a leading task instead of a header', async () => {
    expect((await signIn(SANDBOX_KEY)).status).toBe(200)
    expect((await signIn('wrong')).status).toBe(401)
  })

  test.each([
    ['an object instead of an array', task(), 'invalidPayload'],
    ['an empty array', [], 'invalidPayload'],
    ['an array of anything', [1], 'invalidPayload'],
    ['broken JSON', '[{', 'invalidJson'],
    ['an unknown taskType', [{ taskType: 'paint', taskUUID: randomUUID() }], 'invalidTaskType'],
    ['an unknown parameter', [task({ guidance: 3 })], 'unknownParameter'],
    ['flex parameters for pro', [task({ CFGScale: 3 })], 'unknownParameter'],
    ['an unknown model', [task({ model: 'bfl:9@9' })], 'invalidModel'],
    ['no prompt', [task({ positivePrompt: undefined })], 'missingPositivePrompt'],
    ['a width without a height', [task({ height: undefined })], 'incompatibleParameters'],
    ['a width off the step', [task({ width: 321 })], 'invalidWidth'],
    ['a width as text', [task({ width: '320' })], 'invalidWidth'],
    ['a lower-case format', [task({ outputFormat: 'png' })], 'invalidOutputFormat'],
    ['too many results', [task({ numberResults: 21 })], 'invalidNumberResults'],
    ['a seed of -1', [task({ seed: -1 })], 'invalidSeed'],
    ['a UUID that is not v4', [task({ taskUUID: '57dfe0a1-910d-1be7-ba1a-bdc5c876e655' })], 'invalidTaskUUID'],
    ['too loose a safety', [task({ providerSettings: { bfl: { safetyTolerance: 7 } } })], 'invalidProviderSettings'],
    ['settings of another vendor', [task({ providerSettings: { other: {} } })], 'invalidProviderSettings'],
    [
      'too many references',
      [task({ inputs: { referenceImages: Array.from({ length: 9 }, () => 'https://x.example/a.png') } })],
      'invalidInputs',
    ],
    ['a webhook that is no URI', [task({ webhookURL: 'x' })], 'invalidWebhookURL'],
    ['a task nobody knows', [{ taskType: 'getResponse', taskUUID: randomUUID() }], 'taskNotFound'],
  ])('%s is refused, and nothing is bought', async (_, body, code) => {
    const said = await post(body)
    expect(said.status).toBeGreaterThanOrEqual(400)
    expect(said.body).toMatchObject({ errors: [{ code }] })
    expect(sandbox.submits()).toBe(0)
  })

  test('one bad task of an array does not spoil the good one', async () => {
    const said = await post([task(), task({ width: 1 })])
    expect(said).toMatchObject({
      status: 200,
      body: { data: [{ taskType: 'imageInference' }], errors: [{ code: 'invalidWidth', parameter: 'width' }] },
    })
  })

  test('the price is said only where it is asked for', async () => {
    expect(firstOf(await post([task()]))).not.toHaveProperty('cost')
    expect(firstOf(await post([task({ includeCost: true })]))).toHaveProperty('cost', 0.03)
  })

  test.each([
    ['base64Data', 'imageBase64Data', /^iVBORw0K/],
    ['dataURI', 'imageDataURI', /^data:image\/png;base64,iVBORw0K/],
    ['URL', 'imageURL', /^http:\/\/127\.0\.0\.1:\d+\/image\/[0-9a-f-]{36}\.png$/],
  ])('the output type %s comes as %s', async (outputType, field, form) => {
    const said = await post([task({ outputType, outputFormat: 'PNG' })])
    expect(said.body).toMatchObject({ data: [{ [field]: expect.stringMatching(form) }] })
  })

  test('a webhook brings each result as a flat object, again until it is taken', async () => {
    const bodies: string[] = []
    const receiver = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        bodies.push(Buffer.concat(chunks).toString())
        response.writeHead(bodies.length === 1 ? 500 : 204).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    try {
      const address = receiver.address()
      const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/hook`
      const call = submitOf({ webhook: { url, secret: 'unused' } })
      const accepted = adapter.interpret(await post(call.body), call)
      if (accepted.kind !== 'pending') throw new Error(accepted.kind)
      await expect.poll(() => bodies.length, { timeout: 3000, interval: 10 }).toBe(2)
      expect(bodies[1]).toBe(bodies[0])
      const announced: Reply = { status: 200, headers: {}, body: parseBody(Buffer.from(bodies[0] ?? '')).body }
      expect(adapter.interpret(announced, accepted.next)).toMatchObject({ kind: 'done', cost: { amount: '0.03' } })
    } finally {
      receiver.close()
    }
  })
})
