import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison, Generation } from '#contract'
import { createClient, type ComparisonEvent, type GenerationEvent } from '../../src/client/index.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { json, launchGateway, type Gateway } from './gateway.ts'
import { startStreamingVendor, type StreamingVendor } from './streaming-vendor.ts'

const MODEL = { model: 'openai/gpt-image-2', width: 1024, height: 1024 }
const PARTIALS = { provider_options: { openai: { partial_images: 2 } } }
const VENDOR_KEY = 'a-key-for-streams'
let vendor: StreamingVendor
let gateway: Gateway
let openai: OpenAI
useRealSockets()
beforeAll(async () => {
  vendor = await startStreamingVendor(VENDOR_KEY)
  const config = `providers: { openai: { base_url: "${vendor.url}", api_key: ${VENDOR_KEY} } }`
  gateway = await launchGateway({ providers: ['openai'], config })
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any', maxRetries: 0 })
})
afterAll(async () => {
  await gateway.close()
  vendor.close()
})

/** The stream is followed, or has shown what was sent: the vendor may go on. */
const isStep = (event: GenerationEvent | ComparisonEvent): boolean =>
  event.kind === 'change' && (event.type === 'running' || event.type === 'partial_image')

/** What became of it, and how many bodies the vendor took money for. */
async function buy(prompt: string, more: object = {}): Promise<{ readonly generation: Generation; readonly bought: number }> {
  const before = vendor.bought.length
  const generation = await gateway.generate({ ...MODEL, ...more, prompt })
  return { generation, bought: vendor.bought.length - before }
}

const begin = async (path: string, body: object) =>
  json<{ readonly id: string }>(await gateway.post(path, body, { prefer: 'respond-async' }))

describe('a reply that comes as events', () => {
  test('shows our key nowhere, though its vendor says it as data and as the name of an event', async () => {
    const { generation } = await buy('a reply that says our key back')
    const calls = await (await gateway.ask(`/v1/generations/${generation.id}/attempts/1/calls`)).text()
    expect(calls).toContain('[redacted]')
    expect(`${calls}${JSON.stringify(generation)}`).not.toContain(VENDOR_KEY)
  })

  test.each(['comes in drops', 'comes in one piece', 'breaks after the image'])(
    'delivers once and is metered where it %s',
    async (story) => {
      const { generation, bought } = await buy(`a reply that ${story}`)
      expect(generation).toMatchObject({ status: 'succeeded', images: [{ width: 1024, format: 'png' }], cost: { basis: 'metered' } })
      expect(generation.attempts).toMatchObject([{ provider_task_id: `req_${vendor.bought.length}` }])
      expect(bought).toBe(1)
      expect(vendor.bought.at(-1)).toMatchObject({ stream: true })
    },
  )

  test.each([
    ['breaks before it begins', 'may have arrived and its reply was lost', null],
    ['breaks after an event', 'arrived and its reply broke off', 'req_'],
    ['breaks within the image', 'arrived and its reply broke off', 'req_'],
  ])('that %s leaves the outcome unknown, and nothing is bought again', async (story, words, task) => {
    const { generation, bought } = await buy(`a reply that ${story}`, PARTIALS)
    expect(generation).toMatchObject({
      status: 'failed',
      error: { code: 'outcome_unknown', billed: 'unknown', message: expect.stringContaining(words) },
      cost: { amount: null, basis: 'unknown' },
    })
    const [attempt] = generation.attempts
    if (task === null) expect(attempt?.provider_task_id).toBeNull()
    else expect(attempt?.provider_task_id).toContain(task)
    expect(bought).toBe(1)
  })

  test.each([
    ['ends in an error', { code: 'moderated', stage: 'output', reasons: ['violence'], billed: 'unknown' }],
    ['ends without an image', { code: 'bad_reply', billed: 'unknown' }],
    ['is huge', { code: 'bad_reply', billed: 'unknown' }],
  ])('that %s fails once, and says how', async (story, error) => {
    const { generation, bought } = await buy(`a reply that ${story}`)
    expect(generation).toMatchObject({ status: 'failed', error })
    expect(bought).toBe(1)
  })

  test('is not asked for where several images are bought at once, and the option for images on their way is then ignored aloud', async () => {
    const { generation } = await buy('a reply that comes in one piece', { ...PARTIALS, n: 2 })
    expect(vendor.bought.at(-1)).not.toHaveProperty('stream')
    expect(generation.warnings).toContainEqual(
      expect.objectContaining({ code: 'ignored_option', field: 'provider_options.openai.partial_images', requested: 2 }),
    )
  })
})

describe('an image on its way', () => {
  test('is shown in the stream of its generation, is no result, and does not come again', async () => {
    const client = createClient({ url: gateway.url })
    const { id } = await begin('/v1/generations', { ...MODEL, ...PARTIALS, prompt: 'it is held' })
    const seen: GenerationEvent[] = []
    for await (const event of client.stream(id)) {
      seen.push(event)
      if (isStep(event)) vendor.step()
    }
    expect(vendor.bought.at(-1)).toMatchObject({ stream: true, partial_images: 2 })
    const partials = seen.filter((event) => event.kind === 'change' && event.type === 'partial_image')
    expect(partials).toMatchObject(
      [0, 1].map((index) => ({
        provider: 'openai',
        partial_image: { attempt: 1, index, format: 'png', b64_json: expect.stringMatching(/^iVBOR/) },
      })),
    )
    expect(seen.at(-1)).toMatchObject({ kind: 'end', generation: { status: 'succeeded', images: [{ format: 'png' }] } })
    const again = await (await gateway.ask(`/v1/generations/${id}/events`)).text()
    expect(again).toContain('event: succeeded')
    expect(again).not.toContain('event: partial_image')
  })

  test('is shown in the stream of a comparison', async () => {
    const client = createClient({ url: gateway.url })
    const { id } = await begin('/v1/comparisons', { ...MODEL, model: 'gpt-image-2', ...PARTIALS, prompt: 'it is held' })
    const seen: ComparisonEvent[] = []
    for await (const event of client.streamComparison(id)) {
      seen.push(event)
      if (isStep(event)) vendor.step()
    }
    const partials = seen.flatMap((event) => (event.kind === 'change' && event.partial_image ? [event.partial_image.index] : []))
    expect(partials).toEqual([0, 1])
    const comparison = await json<Comparison>(await gateway.ask(`/v1/comparisons/${id}`))
    expect(comparison).toMatchObject({ status: 'succeeded', generations: [{ images: [{ format: 'png' }] }] })
  })

  test('reaches OpenAI’s own SDK before the finished image', async () => {
    vendor.step()
    const stream = await openai.images.generate({
      model: 'gpt-image-2',
      prompt: 'it is held',
      size: '1024x1024',
      stream: true,
      partial_images: 2,
    })
    const types: string[] = []
    for await (const event of stream) {
      types.push(event.type)
      expect(Buffer.from(event.b64_json, 'base64').subarray(1, 4).toString()).toBe('PNG')
      vendor.step()
    }
    expect(types).toEqual(['image_generation.partial_image', 'image_generation.partial_image', 'image_generation.completed'])
  })

  test('is shown before what fails afterwards, which ends the stream as the SDK’s own error', async () => {
    const asked = { model: 'gpt-image-2', prompt: 'it ends in an error', size: '1024x1024', stream: true, partial_images: 1 } as const
    const read = async () => {
      for await (const event of await openai.images.generate(asked)) expect(event.type).toBe('image_generation.partial_image')
    }
    await expect(read()).rejects.toMatchObject({ code: 'moderation_blocked' })
  })
})
