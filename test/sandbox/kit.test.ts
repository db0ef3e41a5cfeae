import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import sharp from 'sharp'
import { bearer, check, createEmulator, json, pollRoute, replyTable, SANDBOX_KEY, sentencesOf, submitRoute } from '#sandbox'
import type { Sandbox } from '#sandbox'

const REPLIES = replyTable((status, problem) => json(status, { problem }))

/** A vendor that does not exist: all that its emulator needs to say. */
const startEmulator = createEmulator<object>({
  provider: 'made-up',
  typicalMs: 4,
  startBalance: '1',
  maxUnfinished: 2,
  unplayed: [],
  models: {
    small: {
      schema: check.fields(
        {
          prompt: check.text(1, 20),
          seed: check.whole(),
          style: check.oneOf('oil', 'ink'),
          source: check.fields({ image: check.text(1) }),
          ...check.each(['width', 'height'], check.whole({ min: 64, max: 256, step: 8 })),
        },
        { required: ['prompt'], together: ({ width, height }) => (width === 256 && height === 256 ? 'too many pixels' : null) },
      ),
      size: { isFollowing: true, usual: { width: 128, height: 96 } },
      price: { flat: '0.25' },
    },
  },
  fields: { references: ['source.image'] },
  newId: () => crypto.randomUUID(),
  facts: () => ({}),
  delivery: { path: '/files', dead: json(410, {}) },
  key: bearer,
  replies: REPLIES,
  refused: REPLIES,
  invalid: (problems) => json(400, { problem: sentencesOf(problems) }),
  states: {
    unknown: () => json(404, { problem: 'no such task' }),
    vanished: () => json(404, { problem: 'lost' }),
    refused: (status) => json(status, {}),
    strange: () => json(200, { state: 'dreaming' }),
    pending: (progress) => json(200, { state: 'drawing', progress }),
    failed: (failure) => json(200, { state: failure }),
    ready: async (task, kit) => json(200, { links: await Promise.all(task.images.map((image) => kit.link(task, image))) }),
  },
  routes: (kit) => [
    submitRoute(kit, '/draw/:model', ({ id }) => json(202, { id })),
    pollRoute(kit, '/tasks/:id'),
    { method: 'GET', path: '/balance', answer: () => json(200, { dollars: kit.balance() }) },
  ],
})

let sandbox: Sandbox
beforeEach(async () => {
  sandbox = await startEmulator()
})
afterEach(() => sandbox.close())

async function ask(path: string, body?: object, key = SANDBOX_KEY) {
  const answer = await fetch(`${sandbox.url}${path}`, {
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown>, retryAfter: answer.headers.get('retry-after') }
}

async function linksOf(id: unknown): Promise<readonly string[]> {
  const links = async () => (await ask(`/tasks/${String(id)}`)).body['links']
  await expect.poll(links, { interval: 4 }).toBeDefined()
  return (await links()) as readonly string[]
}

const sizeAt = async (link: string) => sharp(await (await fetch(link)).arrayBuffer()).metadata()

describe('an emulator that states its wire alone', () => {
  test('takes a task, charges it and delivers a real image in its usual size', async () => {
    const submitted = await ask('/draw/small', { prompt: 'a hill' })
    expect(submitted.status).toBe(202)
    expect((await ask('/balance')).body).toEqual({ dollars: '0.75' })
    const [link = ''] = await linksOf(submitted.body['id'])
    expect(link).toMatch(/\/files\/[0-9a-f-]{36}\.jpg$/)
    expect(await sizeAt(link)).toMatchObject({ format: 'jpeg', width: 128, height: 96 })
  })

  test('follows a reference that stands deeper in the body', async () => {
    const image = await sharp({ create: { width: 72, height: 80, channels: 3, background: 'teal' } })
      .png()
      .toBuffer()
    const { body } = await ask('/draw/small', { prompt: 'a hill', source: { image: image.toString('base64') } })
    expect(await sizeAt((await linksOf(body['id']))[0] ?? '')).toMatchObject({ width: 72, height: 80 })
  })

  test.each([
    [{}, 'prompt: is required'],
    [{ prompt: 'a hill at the end of the day' }, 'prompt: must have at most 20 entries or characters'],
    [{ prompt: 'a hill', width: 68 }, 'width: must be a multiple of 8'],
    [{ prompt: 'a hill', style: 'chalk', seed: 1.5 }, 'style: must be one of oil, ink; seed: must be an integer'],
    [{ prompt: 'a hill', source: { image: 7 } }, 'source.image: must be a string'],
    [{ prompt: 'a hill', colour: 'red' }, 'colour: is not a known parameter'],
    [{ prompt: 'a hill', width: 256, height: 256 }, 'body: too many pixels'],
  ])('refuses %o in the words of its own envelope, and charges nothing', async (body, problem) => {
    expect(await ask('/draw/small', body)).toMatchObject({ status: 400, body: { problem } })
    expect(sandbox.submits()).toBe(0)
  })

  test('refuses a wrong key, a model nobody sells, and one task more than an account may have', async () => {
    expect((await ask('/draw/small', { prompt: 'a hill' }, 'other')).status).toBe(401)
    expect((await ask('/draw/large', { prompt: 'a hill' })).status).toBe(404)
    for (const _ of [1, 2]) await ask('/draw/small', { prompt: 'sandbox:never' })
    expect(await ask('/draw/small', { prompt: 'a hill' })).toMatchObject({ status: 429, retryAfter: '1' })
    expect(sandbox.submits()).toBe(2)
  })

  test.each([
    ['no-credit', 402],
    ['unavailable', 503],
    ['crash', 500],
  ])('plays the story %s at the submit', async (story, status) => {
    expect((await ask('/draw/small', { prompt: `sandbox:${story}` })).status).toBe(status)
    expect(sandbox.submits()).toBe(0)
  })

  test('plays the stories of polls in its own words', async () => {
    const failed = await ask('/draw/small', { prompt: 'sandbox:error' })
    const state = async () => (await ask(`/tasks/${String(failed.body['id'])}`)).body['state']
    await expect.poll(state, { interval: 4 }).toBe('error')
    const { body } = await ask('/draw/small', { prompt: 'sandbox:vanished' })
    expect(await ask(`/tasks/${String(body['id'])}`)).toMatchObject({ status: 404, body: { problem: 'lost' } })
    expect(await ask('/tasks/nobody')).toMatchObject({ status: 404, body: { problem: 'no such task' } })
  })
})
