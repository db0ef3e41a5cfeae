import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SANDBOX_KEY, type Sandbox, type Story } from '#sandbox'
import { usdFromDecimal, type Call, type Json, type Outcome, type Reply } from '#contract'
import { adapter } from '../adapter.ts'
import { startEmulator } from '../emulator.ts'
import { orderOf, type LegalRequest } from './order.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: 10 })
})
afterAll(() => sandbox.close())

async function send(call: Call, key = SANDBOX_KEY): Promise<Reply> {
  const response = await fetch(sandbox.url + call.url, {
    method: call.method,
    headers: { authorization: `Bearer ${key}`, ...(call.body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  return { status: response.status, headers: Object.fromEntries(response.headers), body: isJson ? (JSON.parse(text) as Json) : text }
}

/** Plays a request to its end; `notes` are what the adapter remarked on the way. */
async function play(request: LegalRequest, maxPolls = 1000): Promise<{ outcome: Outcome; notes: string[] }> {
  let { call } = adapter.translate(orderOf(request))
  const notes: string[] = []
  for (let turn = 0; ; turn += 1) {
    const outcome = adapter.interpret(await send(call), call)
    if (outcome.kind !== 'pending' || turn >= maxPolls) return { outcome, notes }
    if (outcome.note) notes.push(outcome.note)
    call = outcome.next
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

const playing = (story: Story) => ({ model: 'flux-2-pro', prompt: `a cat sandbox:${story}`, width: 128, height: 64 })
const imageUrl = (outcome: Outcome): string => {
  const source = outcome.kind === 'done' ? outcome.images[0]?.source : undefined
  if (source?.kind !== 'url') throw new Error(`expected an image, got ${JSON.stringify(outcome)}`)
  return source.url
}
const submitBody = (body: Json): Call => ({ purpose: 'submit', method: 'POST', url: '/model/v1/generation', body })
const nested = (params: Json, model = 'flux_2_pro'): Call => submitBody({ model, input: [{ params }] })

describe('the emulator refuses', () => {
  it('any key but its own', async () => {
    const call = adapter.translate(orderOf({ model: 'flux-2-pro', prompt: 'a cat' })).call
    expect(adapter.interpret(await send(call, 'other'), call)).toMatchObject({ kind: 'failed', failure: { code: 'provider_unauthorized' } })
  })

  it.each([
    ['a flat body', submitBody({ model: 'flux_2_pro', prompt: 'a cat' }), /input/],
    ['a model it does not sell', nested({ prompt: 'a cat' }, 'flux_2_flex'), /model/],
    ['no prompt', nested({}), /prompt/],
    ['safety as an integer for flux_2_pro', nested({ prompt: 'a cat', safety_tolerance: 2 }), /safety_tolerance/],
    ['safety "0" for flux_2_pro', nested({ prompt: 'a cat', safety_tolerance: '0' }), /safety_tolerance/],
    ['safety as a string for flux_pro_11', nested({ prompt: 'a cat', safety_tolerance: '2' }, 'flux_pro_11'), /safety_tolerance/],
    ['a width off the step of 32', nested({ prompt: 'a cat', width: 1000, height: 1024 }), /width/],
    ['a width below 64', nested({ prompt: 'a cat', width: 32, height: 1024 }), /width/],
    ['more than four megapixels', nested({ prompt: 'a cat', width: 2080, height: 2048 }), /pixels/],
    ['1472 pixels for flux_pro_11', nested({ prompt: 'a cat', width: 1472, height: 1024 }, 'flux_pro_11'), /width/],
    ['webp', nested({ prompt: 'a cat', output_format: 'webp' }), /output_format/],
    ['upsampling for flux_2_pro', nested({ prompt: 'a cat', prompt_upsampling: true }), /prompt_upsampling/],
    ['a link as image_prompt', nested({ prompt: 'a cat', image_prompt: 'https://example.com/a.png' }, 'flux_pro_11'), /image_prompt/],
    ['a data URI as input_image', nested({ prompt: 'a cat', input_image: 'data:image/png;base64,AAAA' }), /input_image/],
  ])('%s, buying nothing', async (_what, call, names) => {
    const before = sandbox.submits()
    const reply = await send(call)
    expect(reply.status).toBe(400)
    expect((reply.body as { message: string }).message).toMatch(names)
    expect(sandbox.submits()).toBe(before)
  })

  it('malformed JSON, as a message', async () => {
    const response = await fetch(`${sandbox.url}/model/v1/generation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SANDBOX_KEY}`, 'content-type': 'application/json' },
      body: '{"model":',
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toHaveProperty('message')
  })
})

describe('the emulator delivers', () => {
  it.each([
    ['flux-2-pro', 'png', '0.0285'],
    ['flux-1.1-pro', 'jpeg', '0.038'],
  ] as const)('a real image of %s in the asked size as %s, with its cost and no seed', async (model, output_format, cost) => {
    const { outcome, notes } = await play({
      model,
      prompt: 'a cat',
      width: 320,
      height: 256,
      seed: '7',
      output_format,
      safety_tolerance: 2,
    })
    const response = await fetch(imageUrl(outcome))
    expect(await sharp(await response.arrayBuffer()).metadata()).toMatchObject({ width: 320, height: 256, format: output_format })
    expect(outcome.cost).toMatchObject({ amount: usdFromDecimal(cost) })
    expect(JSON.stringify(outcome)).not.toContain('seed')
    expect(notes).toEqual([])
  })

  it('an image without the key, as a delivery host does', async () => {
    const { outcome } = await play({ model: 'flux-2-pro', prompt: 'a dog', width: 64, height: 64 })
    expect((await fetch(imageUrl(outcome))).status).toBe(200)
    expect((await fetch(imageUrl(outcome).replace('.jpg', '.png'))).status).toBe(404)
  })

  it('an edit of eight references', async () => {
    const reference_images = Array.from({ length: 8 }, (_, index) => `https://example.com/${index}.png`)
    const { outcome } = await play({ model: 'flux-2-pro', prompt: 'all of them', width: 64, height: 64, reference_images })
    expect(outcome.kind).toBe('done')
  })
})

describe('an edit without a size', () => {
  const png = async (width: number, height: number) =>
    (
      await sharp({ create: { width, height, channels: 3, background: 'teal' } })
        .png()
        .toBuffer()
    ).toString('base64')
  const sizeOf = async (outcome: Outcome) => sharp(await (await fetch(imageUrl(outcome))).arrayBuffer()).metadata()
  const edit = async (image: string, size = {}) => {
    const reference_images = [`data:image/png;base64,${image}`]
    return sizeOf((await play({ model: 'flux-2-pro', prompt: 'a cat', reference_images, ...size })).outcome)
  }

  it('is as large as its first reference, on the grid of 32; a size that is asked stays', async () => {
    expect(await edit(await png(192, 320))).toMatchObject({ width: 192, height: 320 })
    expect(await edit(await png(200, 330))).toMatchObject({ width: 192, height: 320 })
    expect(await edit(await png(192, 320), { width: 128, height: 64 })).toMatchObject({ width: 128, height: 64 })
  })
})

describe('the emulator plays', () => {
  const ends: readonly (readonly [Story, object, number])[] = [
    ['moderated', { code: 'moderated', stage: 'request', billed: 'unknown' }, 1],
    ['moderated-output', { code: 'moderated', stage: 'output', billed: 'unknown' }, 1],
    ['always-rate-limited', { code: 'rate_limited', billed: false, retry_after_ms: 1000 }, 0],
    ['unauthorized', { code: 'provider_unauthorized', billed: false }, 0],
    ['no-credit', { code: 'insufficient_credit', billed: false }, 0],
    ['unavailable', { code: 'provider_unavailable', billed: false }, 0],
    ['crash', { code: 'provider_unavailable', billed: 'unknown' }, 0],
    ['error', { code: 'provider_rejected', billed: 'unknown' }, 1],
    ['vanished', { code: 'outcome_unknown', billed: 'unknown' }, 1],
    ['garbage', { code: 'bad_reply', billed: 'unknown' }, 1],
  ]
  it.each(ends)('%s', async (story, failure, bought) => {
    const before = sandbox.submits()
    const { outcome } = await play(playing(story))
    expect(['failed', 'refused']).toContain(outcome.kind)
    expect(outcome).toMatchObject({ failure })
    expect(sandbox.submits() - before).toBe(bought)
  })

  it.each(['lost-reply', 'half'] as const)('%s: the task is bought and its reply never comes whole', async (story) => {
    const before = sandbox.submits()
    await expect(send(adapter.translate(orderOf(playing(story))).call)).rejects.toThrow()
    expect(sandbox.submits() - before).toBe(1)
  })

  it('rate-limited: the first submit waits, the next succeeds', async () => {
    const before = sandbox.submits()
    expect((await play(playing('rate-limited'))).outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'rate_limited', retry_after_ms: 1000 },
    })
    expect(sandbox.submits()).toBe(before)
    expect((await play(playing('rate-limited'))).outcome.kind).toBe('done')
  })

  it('unknown-status: said on the first polls, then the task succeeds', async () => {
    const { outcome, notes } = await play(playing('unknown-status'))
    expect(outcome.kind).toBe('done')
    expect(notes).toEqual(['unknown status "warming_up"', 'unknown status "warming_up"'])
  })

  it('never: still pending when any other task would be done', async () => {
    expect((await play(playing('never'), 20)).outcome).toMatchObject({ kind: 'pending' })
  })

  it('slow: takes at least ten times the typical time, then succeeds', async () => {
    const startedAt = performance.now()
    expect((await play(playing('slow'))).outcome.kind).toBe('done')
    expect(performance.now() - startedAt).toBeGreaterThan(95)
  })

  it.each(['partial', 'big-seed'] as const)('%s as plain success, since the wire has no words for it', async (story) => {
    expect((await play(playing(story))).outcome.kind).toBe('done')
  })

  it('expired-link: the image is gone', async () => {
    expect((await fetch(imageUrl((await play(playing('expired-link'))).outcome))).status).toBe(403)
  })

  it('not-an-image: the link delivers a page', async () => {
    const response = await fetch(imageUrl((await play(playing('not-an-image'))).outcome))
    await expect(sharp(await response.arrayBuffer()).metadata()).rejects.toThrow()
  })

  it('half-image: the connection breaks in the image', async () => {
    const url = imageUrl((await play(playing('half-image'))).outcome)
    await expect(fetch(url).then((response) => response.arrayBuffer())).rejects.toThrow()
  })
})
