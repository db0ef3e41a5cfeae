import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Call, Json, Order, Outcome, Reply } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import type { Sandbox } from '#sandbox'
import { adapter } from '../adapter.ts'
import { startEmulator } from '../emulator.ts'
import type { BflOptions } from '../wire.ts'
import { parseJson } from '../../../src/transport/json.ts'
import { orderOf } from './order.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: TYPICAL_MS })
})
afterAll(() => sandbox.close())

const TYPICAL_MS = 8
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const parse = (text: string): Json => {
  try {
    return parseJson(text)
  } catch {
    return text === '' ? null : text
  }
}

async function say(call: Call, { key = SANDBOX_KEY, base = sandbox.url } = {}): Promise<Reply> {
  const answer = await fetch(new URL(call.url, base), {
    method: call.method,
    headers: { 'x-key': key, 'content-type': 'application/json' },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  })
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: parse(await answer.text()) }
}

const post = (model: string, body: Json) => say({ purpose: 'submit', method: 'POST', url: `/v1/${model}`, body })

/** Plays an order to its end, as the run does. */
async function play(
  order: Order<BflOptions>,
  base = sandbox.url,
): Promise<{ readonly outcome: Outcome; readonly notes: readonly string[] }> {
  let call = adapter.translate(order).call
  const notes: string[] = []
  for (let polls = 0; polls < 400; polls += 1) {
    const outcome = adapter.interpret(await say(call, { base }), call)
    if (outcome.kind !== 'pending') return { outcome, notes }
    if (outcome.note !== undefined) notes.push(outcome.note)
    call = outcome.next
    await pause(4)
  }
  throw new Error('the task does not end')
}

const playing = (story: string) => orderOf('flux-2-pro', { prompt: `a lighthouse sandbox:${story}`, width: 64, height: 64 })

async function delivered(outcome: Outcome): Promise<Response> {
  if (outcome.kind !== 'done') throw new Error(`not done: ${JSON.stringify(outcome)}`)
  const source = outcome.images[0]?.source
  if (source?.kind !== 'url') throw new Error('no link')
  return fetch(source.url)
}

const failureIn = ({ outcome }: { readonly outcome: Outcome }) =>
  outcome.kind === 'failed' || outcome.kind === 'refused' ? outcome.failure : outcome

const promptUsed = async (model: string, fields: Partial<Order<BflOptions>> = {}) => {
  const { outcome } = await play(orderOf(model, { width: 256, height: 256, ...fields }))
  return outcome.kind === 'done' ? outcome.promptUsed : null
}

describe('an image is made', () => {
  test.each([
    ['flux-2-pro', { width: 1536, height: 1024, outputFormat: 'webp' }, { width: 1536, height: 1024, format: 'webp' }, '0.045'],
    ['flux-2-pro', {}, { width: 1024, height: 1024, format: 'jpeg' }, '0.03'],
    ['flux-2-flex', { width: 1024, height: 1040, outputFormat: 'png' }, { width: 1024, height: 1040, format: 'png' }, '0.1'],
    ['flux-1.1-pro', {}, { width: 1024, height: 768, format: 'jpeg' }, '0.04'],
  ] as const)('by %s with %o', async (model, fields, image, cost) => {
    const { outcome } = await play(orderOf(model, { ...fields, seed: '42' }))
    expect(outcome).toMatchObject({ kind: 'done', cost: { amount: cost }, images: [{ seed: '42' }] })
    const answer = await delivered(outcome)
    const bytes = Buffer.from(await answer.arrayBuffer())
    expect(answer.headers.get('content-type')).toBe(`image/${image.format}`)
    expect(await sharp(bytes).metadata()).toMatchObject(image)
    if (outcome.kind === 'done') expect(Date.parse(outcome.images[0]?.expiresAt ?? '')).toBeGreaterThan(Date.now() + 9 * 60_000)
  })

  test.each(['png', 'jpeg', 'webp'] as const)('in the size of the first reference, a %s, which is read and charged', async (format) => {
    const bytes = await sharp({ create: { width: 1600, height: 801, channels: 3, background: 'teal' } })
      .toFormat(format)
      .toBuffer()
    const references = [bytes.toString('base64'), 'https://images.example/second.png']
    const { outcome } = await play(orderOf('flux-2-pro', { references }))
    expect(await sharp(Buffer.from(await (await delivered(outcome)).arrayBuffer())).metadata()).toMatchObject({ width: 1600, height: 800 })
    expect(outcome).toMatchObject({ cost: { amount: '0.09' } })
  })

  test('whose prompt shows whether it was upsampled, by each model’s own default', async () => {
    expect(await promptUsed('flux-2-pro')).not.toBe('a lighthouse at dusk')
    expect(await promptUsed('flux-2-pro', { promptUpsampling: false })).toBe('a lighthouse at dusk')
    expect(await promptUsed('flux-2-flex', { promptUpsampling: false })).toBe('a lighthouse at dusk')
    expect(await promptUsed('flux-1.1-pro')).toBe('a lighthouse at dusk')
  })
})

describe('the wire', () => {
  test('floats are written as floats, and the polling URL is absolute', async () => {
    const answer = await fetch(`${sandbox.url}/v1/flux-2-pro`, {
      method: 'POST',
      headers: { 'x-key': SANDBOX_KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'x', width: 1024, height: 1024 }),
    })
    const text = await answer.text()
    expect(text).toContain('"cost":3.0,"input_mp":0.0,"output_mp":1.0}')
    expect(text).toContain(`"polling_url":"${sandbox.url}/v1/get_result?id=`)
  })

  test('an older model says its cost and leaves the megapixels null, as the schema allows', async () => {
    expect(await post('flux-pro-1.1', { prompt: 'x' })).toMatchObject({ status: 200, body: { cost: 4, input_mp: null, output_mp: null } })
  })

  test('a wrong key is refused on a submit and on the balance', async () => {
    const submit = adapter.translate(orderOf('flux-2-pro')).call
    expect(await say(submit, { key: 'other' })).toMatchObject({ status: 401, body: { detail: 'Not authenticated' } })
    const account = adapter.account?.('id')
    expect(account && (await say(account, { key: '' })).status).toBe(401)
  })

  test.each<[string, Record<string, Json>, string, string]>([
    ['flux-2-pro', {}, 'prompt', 'missing'],
    ['flux-2-pro', { prompt: 'x', width: 0 }, 'width', 'greater_than_equal'],
    ['flux-2-pro', { prompt: 'x', width: 64.5 }, 'width', 'int_from_float'],
    ['flux-2-pro', { prompt: 'x', seed: 'seven' }, 'seed', 'int_type'],
    ['flux-2-pro', { prompt: 'x', safety_tolerance: 6 }, 'safety_tolerance', 'less_than_equal'],
    ['flux-2-pro', { prompt: 'x', input_image_3: 5 }, 'input_image_3', 'string_type'],
    ['flux-2-pro', { prompt: 'x', webhook_url: '' }, 'webhook_url', 'string_too_short'],
    ['flux-2-pro', { prompt: 'x', webhook_url: 'x' }, 'webhook_url', 'url_parsing'],
    ['flux-2-pro', { prompt: 'x', webhook_url: 'javascript:1' }, 'webhook_url', 'url_parsing'],
    ['flux-2-flex', { prompt: 'x', output_format: 'avif' }, 'output_format', 'enum'],
    ['flux-2-flex', { prompt: 'x', guidance: 1 }, 'guidance', 'greater_than_equal'],
    ['flux-2-flex', { prompt: 'x', steps: 51 }, 'steps', 'less_than_equal'],
    ['flux-kontext-pro', { prompt: 'x', safety_tolerance: 7 }, 'safety_tolerance', 'less_than_equal'],
    ['flux-pro-1.1-ultra', { image_prompt_strength: 1.5 }, 'image_prompt_strength', 'less_than_equal'],
    ['flux-pro-1.1', { width: 1000 }, 'width', 'multiple_of'],
    ['flux-pro-1.1', { height: 1472 }, 'height', 'less_than_equal'],
    ['flux-pro-1.1', { prompt_upsampling: null }, 'prompt_upsampling', 'bool_type'],
  ])('%s refuses %o as FastAPI does, naming %s', async (model, body, field, type) => {
    expect(await post(model, body)).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', field], type }] } })
  })

  test.each([{ width: 4096, height: 2048 }, { transparent_bg: true }])('%o is refused as a whole', async (fields) => {
    expect(await post('flux-2-pro', { prompt: 'x', ...fields })).toMatchObject({ status: 422, body: { detail: [{ loc: ['body'] }] } })
  })

  test('broken JSON, a body that is no object and an unknown endpoint are refused', async () => {
    const broken = await fetch(`${sandbox.url}/v1/flux-2-pro`, {
      method: 'POST',
      headers: { 'x-key': SANDBOX_KEY, 'content-type': 'application/json' },
      body: '{"prompt":',
    })
    expect(broken.status).toBe(422)
    expect(await post('flux-2-pro', [])).toMatchObject({ status: 422 })
    expect(await post('flux-9', { prompt: 'x' })).toMatchObject({ status: 404, body: { detail: 'Not Found' } })
    expect(await post('constructor', { prompt: 'x' })).toMatchObject({ status: 404 })
  })

  test('an unknown task is not found', async () => {
    const poll: Call = { purpose: 'poll', method: 'GET', url: '/v1/get_result?id=nobody' }
    expect(await say(poll)).toMatchObject({ status: 404, body: { status: 'Task not found' } })
    expect((await say({ ...poll, url: '/v1/get_result' })).status).toBe(422)
  })

  test('the balance goes down by what was charged, and moderation is not charged', async () => {
    const own = await startEmulator({ typicalMs: 4 })
    const balance = async () => {
      const call = adapter.account?.('id')
      return call ? adapter.readBalance?.(await say(call, { base: own.url })) : undefined
    }
    expect(await balance()).toBe('1000')
    await play(orderOf('flux-2-pro', { width: 64, height: 64 }), own.url)
    await play(playing('moderated'), own.url)
    expect(await balance()).toBe('999.97')
    expect(own.submits()).toBe(2)
    await own.close()
  })

  test('the 25th unfinished task is refused, and costs nothing', async () => {
    const own = await startEmulator({ typicalMs: 60_000 })
    const { call } = adapter.translate(orderOf('flux-2-pro'))
    const answers = await Promise.all(Array.from({ length: 25 }, () => say(call, { base: own.url })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(24)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(1)
    expect(own.submits()).toBe(24)
    await own.close()
  })

  test('a webhook gets the result with the secret in its header, and the submit’s reply has no polling URL', async () => {
    const arrived = Promise.withResolvers<{ readonly secret: unknown; readonly body: Json }>()
    const receiver = createServer((request, response) => {
      response.end()
      const secret = request.headers['x-webhook-secret']
      textOf(request).then((text) => arrived.resolve({ secret, body: parse(text) }), arrived.reject)
    })
    await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
    const { call } = adapter.translate(orderOf('flux-2-pro', { webhook: { url, secret: 's3cret' } }))
    const submitted = await say(call)
    expect(submitted.body).not.toHaveProperty('polling_url')
    const pending = adapter.interpret(submitted, call)
    const { secret, body } = await arrived.promise
    receiver.close()
    expect(secret).toBe('s3cret')
    if (pending.kind !== 'pending') throw new Error('not pending')
    expect(adapter.interpret({ status: 200, headers: {}, body }, pending.next)).toMatchObject({ kind: 'done', cost: { amount: '0.03' } })
  })
})

describe('the stories', () => {
  test.each([
    ['moderated', { code: 'moderated', stage: 'request', billed: false, reasons: ['Violence'] }],
    ['moderated-output', { code: 'moderated', stage: 'output', billed: false }],
    ['always-rate-limited', { code: 'rate_limited', retry_after_ms: 1000, billed: false }],
    ['unauthorized', { code: 'provider_unauthorized', billed: false }],
    ['no-credit', { code: 'insufficient_credit', billed: false }],
    ['unavailable', { code: 'provider_unavailable', billed: false }],
    ['crash', { code: 'provider_unavailable', billed: 'unknown' }],
    ['error', { code: 'provider_rejected', billed: 'unknown' }],
    ['vanished', { code: 'outcome_unknown', billed: 'unknown' }],
    ['garbage', { code: 'bad_reply', billed: 'unknown' }],
  ])('%s ends as %o', async (story, failure) => {
    expect(failureIn(await play(playing(story)))).toMatchObject(failure)
  })

  test('a story for another vendor is not played', async () => {
    expect((await play(playing('crash@somebody'))).outcome.kind).toBe('done')
    expect(failureIn(await play(playing('crash@bfl')))).toMatchObject({ code: 'provider_unavailable' })
  })

  test('rate-limited refuses the first submit and takes the next', async () => {
    expect(failureIn(await play(playing('rate-limited')))).toMatchObject({ code: 'rate_limited' })
    expect((await play(playing('rate-limited'))).outcome.kind).toBe('done')
  })

  test('unknown-status is noted and then succeeds', async () => {
    const { outcome, notes } = await play(playing('unknown-status'))
    expect(outcome.kind).toBe('done')
    expect(notes).toEqual(['BFL answered with an undocumented status: Warming Up', 'BFL answered with an undocumented status: Upscaling'])
  })

  test('a seed of −1 is a random one', async () => {
    const { outcome } = await play(orderOf('flux-2-pro', { options: { seed: -1 } }))
    expect(outcome).toMatchObject({ images: [{ seed: expect.stringMatching(/^\d+$/) }] })
  })

  test('big-seed keeps every digit', async () => {
    const { outcome } = await play(playing('big-seed'))
    expect(outcome).toMatchObject({ images: [{ seed: '9223372036854775807' }] })
  })

  test.each(['lost-reply', 'half'])('%s is bought, and the reply never arrives whole', async (story) => {
    const before = sandbox.submits()
    await expect(say(adapter.translate(playing(story)).call)).rejects.toThrow()
    expect(sandbox.submits()).toBe(before + 1)
  })

  test('never stays pending', async () => {
    const { call } = adapter.translate(playing('never'))
    const pending = adapter.interpret(await say(call), call)
    await pause(40)
    if (pending.kind !== 'pending') throw new Error('not pending')
    expect(adapter.interpret(await say(pending.next), pending.next)).toMatchObject({ kind: 'pending', progress: 0.99 })
  })

  test('slow takes longer than any other task', async () => {
    const startedAt = performance.now()
    expect((await play(playing('slow'))).outcome.kind).toBe('done')
    expect(performance.now() - startedAt).toBeGreaterThan(TYPICAL_MS * 10)
  })

  test('expired-link, not-an-image and half-image finish, and fail where the image is fetched', async () => {
    const expired = await delivered((await play(playing('expired-link'))).outcome)
    expect(expired.status).toBe(403)
    const strange = await delivered((await play(playing('not-an-image'))).outcome)
    await expect(sharp(Buffer.from(await strange.arrayBuffer())).metadata()).rejects.toThrow()
    const half = await delivered((await play(playing('half-image'))).outcome)
    await expect(half.arrayBuffer()).rejects.toThrow()
  })

  test('a link opens nothing without its signature or with a later end', async () => {
    const { outcome } = await play(orderOf('flux-2-pro', { width: 64, height: 64 }))
    if (outcome.kind !== 'done' || outcome.images[0]?.source.kind !== 'url') throw new Error('not done')
    const link = new URL(outcome.images[0].source.url)
    expect((await fetch(`${link.origin}${link.pathname}`)).status).toBe(403)
    link.searchParams.set('se', '2099-01-01T00:00:00Z')
    expect((await fetch(link)).status).toBe(403)
  })
})
