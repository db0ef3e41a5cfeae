import { BLANK_ATTEMPT, blankGeneration } from '../../../../src/core/blank-records.ts'
import fastify from 'fastify'
import OpenAI from 'openai'
import { afterEach, describe, expect, test } from 'vitest'
import { generationError } from '#contract'
import type { Failure, GenerationRequest } from '#contract'
import type { GenerationRecord, ImageRecord } from '../../../../src/core/records.ts'
import type { OpenaiDependencies } from '../../../../src/http/compatible/openai/answer.ts'
import { openaiApi } from '../../../../src/http/compatible/openai/openai-api.ts'
import { EVERYBODY, know } from '../../../../src/http/access.ts'
import { clientOf, rejection } from './client.ts'
import { plainLinks } from '../../../../src/core/present/image-link.ts'

const base = { model: 'm', prompt: 'x' } as const
const stored: ImageRecord = {
  id: 'img_1',
  generationId: '',
  sha256: 'aa',
  format: 'png',
  width: 1,
  height: 1,
  bytes: 3,
  seed: null,
  flagged: null,
  link: null,
}
const linked: ImageRecord = { ...stored, sha256: null, link: { url: 'https://vendor.test/a.png', expiresAt: null } }

const record = (id: string, fields: Partial<GenerationRecord> = {}): GenerationRecord => ({
  ...blankGeneration(),
  id,
  sandbox: true,
  createdAt: 1_000,
  request: base,
  model: 'm',
  routing: { strategy: 'price', considered: [] },
  routes: [],
  status: 'running',
  ...fields,
})

const delivered = (id: string, image: ImageRecord) => record(id, { status: 'succeeded', images: [image], completedAt: 5_000 })
const succeeded = (id: string) => delivered(id, stored)
const failed = (id: string, failure: Failure) =>
  record(id, { status: 'failed', error: generationError(failure, 'someone'), completedAt: 5_000 })

let close = async () => {}
afterEach(() => close())

/** OpenAI's API on a real socket before an intake whose ends the test decides. Waits are answered in turn by `waits`. */
async function openaiOnSocket(
  waits: readonly ((id: string, waitMs: number) => GenerationRecord | Promise<GenerationRecord>)[],
  over: Partial<OpenaiDependencies> = {},
) {
  const asked: GenerationRequest[] = []
  const waited: { readonly id: string; readonly ms: number }[] = []
  const left = [...waits]
  const app = fastify({ forceCloseConnections: true })
  app.decorateRequest('gatewayKey', null)
  app.addHook('onRequest', async (request) => {
    know(request, EVERYBODY)
    request.untilKeyEnds = () => () => {}
  })
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  await app.register(openaiApi, {
    intake: {
      read: (body) => body as GenerationRequest,
      begin: async (request) => ({ id: `gen_${asked.push(request)}`, replayed: false }),
      wait: async (id, ms) => {
        waited.push({ id, ms })
        return left.shift()?.(id, ms) ?? null
      },
    },
    run: { watch: () => () => {}, watchPartials: () => () => {} },
    partialImagesAt: () => [],
    assets: { read: async () => Buffer.from('png') } as unknown as OpenaiDependencies['assets'],
    clock: { now: () => 0, monotonicMs: () => 0, after: () => () => {} },
    links: plainLinks('http://gate.test'),
    limits: { takeStream: () => ({ kind: 'taken', release: () => {} }) },
    bodyLimitBytes: 100_000,
    ...over,
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  close = async () => app.close()
  return { url, asked, waited, openai: clientOf(url) }
}

test('the bytes of several images stand in the order of their tasks, whatever arrived first', async () => {
  const first: ImageRecord = { ...stored, id: 'img_1', sha256: 'first' }
  const second: ImageRecord = { ...stored, id: 'img_2', sha256: 'second' }
  const attempt = (task: number, image: string) => ({ ...BLANK_ATTEMPT, id: image, taskId: image, startedAt: 0, task, imageIds: [image] })
  const both = record('gen_1', {
    status: 'succeeded',
    images: [second, first],
    attempts: [attempt(0, 'img_1'), attempt(1, 'img_2')],
    completedAt: 5_000,
  })
  const { openai } = await openaiOnSocket([() => both], {
    assets: { read: async (sha256: string) => Buffer.from(sha256) } as unknown as OpenaiDependencies['assets'],
  })
  const { data } = await openai.images.generate({ ...base, response_format: 'b64_json' })
  expect(data?.map(({ b64_json }) => Buffer.from(b64_json ?? '', 'base64').toString())).toEqual(['first', 'second'])
})

describe('the SDK’s own retries', () => {
  test('repeat what cost nothing and may succeed later, as often as the caller set', async () => {
    const unavailable = (id: string) => failed(id, { code: 'provider_unavailable', message: 'down', billed: false })
    const { url, asked } = await openaiOnSocket([unavailable, succeeded])
    const images = await clientOf(url, { maxRetries: 1 }).images.generate(base)
    expect(images.data).toHaveLength(1)
    expect(asked).toHaveLength(2)
  })

  test('are off where the caller turned them off', async () => {
    const { openai, asked } = await openaiOnSocket([(id) => failed(id, { code: 'provider_unavailable', message: 'down', billed: false })])
    const error = await rejection(openai.images.generate(base))
    expect(error).toBeInstanceOf(OpenAI.InternalServerError)
    expect(error).toMatchObject({ status: 503, code: 'provider_unavailable' })
    expect(asked).toHaveLength(1)
  })

  test.for(['outcome_unknown', 'provider_timeout', 'bad_reply', 'result_expired', 'internal'] as const)(
    'never repeat %s that may have been billed',
    async (code) => {
      const { url, asked } = await openaiOnSocket([(id) => failed(id, { code, message: 'lost', billed: 'unknown' })])
      expect(await rejection(clientOf(url, { maxRetries: 5 }).images.generate(base))).toMatchObject({ status: 424, code })
      expect(asked).toHaveLength(1)
    },
  )

  test('after the client’s own time limit find the generation that is already under way, not a second one', async () => {
    const never = () => new Promise<GenerationRecord>(() => {})
    const { url, asked, waited } = await openaiOnSocket([never, succeeded])
    const { response } = await clientOf(url, { maxRetries: 1, timeout: 100 }).images.generate(base).withResponse()
    expect(response.headers.get('x-imagegate-generation-id')).toBe('gen_1')
    expect(response.headers.get('idempotent-replayed')).toBe('true')
    expect(asked).toHaveLength(1)
    expect(waited.map(({ id }) => id)).toEqual(['gen_1', 'gen_1'])
  })

  test('another request than the one that hung up is a new generation', async () => {
    const never = () => new Promise<GenerationRecord>(() => {})
    const { url, asked } = await openaiOnSocket([never, succeeded])
    await rejection(clientOf(url, { timeout: 100 }).images.generate(base))
    await clientOf(url).images.generate({ ...base, prompt: 'y' })
    expect(asked).toHaveLength(2)
  })

  test('the same request after a delivered answer is a new generation', async () => {
    const { openai, asked } = await openaiOnSocket([succeeded, succeeded])
    await openai.images.generate(base)
    await openai.images.generate(base)
    expect(asked).toHaveLength(2)
  })
})

describe('when the wait is over', () => {
  test('an answer to what still runs names the generation, and the same request then takes it up', async () => {
    const { openai, asked, waited } = await openaiOnSocket([(id) => record(id), succeeded])
    const error = await rejection(openai.images.generate(base))
    expect(error).toMatchObject({ status: 424, code: 'still_running', message: expect.stringContaining('gen_1') })
    expect((error as InstanceType<typeof OpenAI.APIError>).headers?.get('x-should-retry')).toBe('false')
    expect(waited[0]?.ms).toBeGreaterThan(500_000)
    // The SDK's own limit is ten minutes.
    expect(waited[0]?.ms).toBeLessThan(600_000)
    const { response } = await openai.images.generate(base).withResponse()
    expect(response.headers.get('x-imagegate-generation-id')).toBe('gen_1')
    expect(asked).toHaveLength(1)
  })

  test('a store that breaks after the purchase is reported without leaving the generation unnamed, and is not bought again', async () => {
    const { url, asked } = await openaiOnSocket([
      () => {
        throw new Error('disk')
      },
      succeeded,
    ])
    const eager = clientOf(url, { maxRetries: 3 })
    const error = await rejection(eager.images.generate(base))
    expect(error).toMatchObject({ status: 424, message: expect.stringContaining('gen_1') })
    expect(String(error)).not.toContain('disk')
    expect((await eager.images.generate(base)).data).toHaveLength(1)
    expect(asked).toHaveLength(1)
  })
})

describe('images that are not stored here', () => {
  test('come as the vendor’s link, with a warning where bytes were asked for', async () => {
    const { openai } = await openaiOnSocket([(id) => delivered(id, linked)])
    const { data, response } = await openai.images.generate({ ...base, response_format: 'b64_json' }).withResponse()
    expect(data.data).toEqual([{ url: 'https://vendor.test/a.png' }])
    expect(response.headers.get('x-imagegate-warnings')).toContain('response_format')
  })

  test('cannot be streamed, which is said with the way to their links', async () => {
    const { openai } = await openaiOnSocket([(id) => delivered(id, linked)])
    const error = await rejection(openai.images.generate({ ...base, stream: true }))
    expect(error).toMatchObject({ code: 'images_not_stored', message: expect.stringContaining('/v1/generations/gen_1') })
  })
})

describe('a stream that takes its time', () => {
  const collect = async (stream: AsyncIterable<OpenAI.ImageGenStreamEvent>) => {
    const events = []
    for await (const event of stream) events.push(event)
    return events
  }

  test('is opened before the end is known, and the SDK sees the image and nothing else', async () => {
    const { openai, url } = await openaiOnSocket([(id) => record(id), succeeded, (id) => record(id), succeeded])
    const events = await collect(await openai.images.generate({ ...base, stream: true }))
    expect(events).toEqual([
      expect.objectContaining({ type: 'image_generation.completed', b64_json: Buffer.from('png').toString('base64') }),
    ])
    const raw = await fetch(`${url}/v1/images/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...base, stream: true }),
    })
    expect(raw.headers.get('content-type')).toContain('text/event-stream')
    expect(raw.headers.get('x-imagegate-generation-id')).toBe('gen_2')
    expect(await raw.text()).toMatch(/^: still here\n\nevent: image_generation.completed\ndata: \{.*\}\n\n$/)
  })

  test('ends with an error the SDK throws, code and all', async () => {
    const moderated: Failure = { code: 'moderated', message: 'no', billed: false, stage: 'output' }
    const { openai } = await openaiOnSocket([(id) => record(id), (id) => failed(id, moderated)])
    const error = await rejection(openai.images.generate({ ...base, stream: true }).then(collect))
    expect(error).toBeInstanceOf(OpenAI.APIError)
    expect(error).toMatchObject({ code: 'moderation_blocked', message: expect.stringContaining('gen_1') })
  })

  test('that breaks on our side ends with an error, not in the middle', async () => {
    const broken = () => {
      throw new Error('disk')
    }
    const { openai } = await openaiOnSocket([(id) => record(id), broken])
    const error = await rejection(openai.images.generate({ ...base, stream: true }).then(collect))
    expect(error).toMatchObject({ code: 'internal', message: expect.stringContaining('gen_1') })
  })

  test('whose wait is over ends with an error that names the generation', async () => {
    const { openai } = await openaiOnSocket([(id) => record(id), (id) => record(id)])
    const error = await rejection(openai.images.generate({ ...base, stream: true }).then(collect))
    expect(error).toMatchObject({ code: 'still_running', message: expect.stringContaining('gen_1') })
  })
})
