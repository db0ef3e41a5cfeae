import { ApiError, createFalClient, ValidationError } from '@fal-ai/client'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { startEmulator } from '../emulator.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: 10 })
})
afterAll(() => sandbox.close())

/** The client builds every address below `https://queue.fal.run`; only that is exchanged. */
const client = (credentials: string = SANDBOX_KEY, url = sandbox.url) =>
  createFalClient({
    credentials,
    retry: { maxRetries: 0 },
    requestMiddleware: async (request) => ({ ...request, url: request.url.replace('https://queue.fal.run', url) }),
  })

test('the emulator is the real thing to fal’s own client: it submits, polls, fetches the result, and reads errors by their class', async () => {
  const input = { prompt: 'a lighthouse at dusk', image_size: { width: 768, height: 512 }, seed: 42, output_format: 'png' as const }
  const { data, requestId } = await client().subscribe('fal-ai/flux-2-pro', { input, pollInterval: 5 })
  expect(data).toMatchObject({ seed: 42, images: [{ content_type: 'image/png', width: 768, height: 512 }] })
  expect(requestId).toMatch(/^[0-9a-f-]{36}$/)
  const bytes = await (await fetch(data.images[0]?.url ?? '')).arrayBuffer()
  expect(await sharp(Buffer.from(bytes)).metadata()).toMatchObject({ format: 'png', width: 768, height: 512 })

  const edit = { prompt: 'two of them', image_urls: ['https://images.example/one.png', 'https://images.example/two.png'] }
  expect((await client().subscribe('fal-ai/flux-pro/kontext/multi', { input: edit, pollInterval: 5 })).data.has_nsfw_concepts).toEqual([
    false,
  ])

  const asking = (prompt: string) => client().subscribe('fal-ai/flux-2-pro', { input: { prompt }, pollInterval: 5 })
  const flagged = await asking('a hill sandbox:moderated').catch((error: unknown) => error)
  expect(flagged).toBeInstanceOf(ValidationError)
  expect((flagged as ValidationError).fieldErrors).toMatchObject([{ loc: ['body', 'prompt'], type: 'content_policy_violation' }])
  const refused = await client('a-wrong-key')
    .queue.submit('fal-ai/flux-2-pro', { input: { prompt: 'a hill' } })
    .catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(ApiError)
  expect(refused).toMatchObject({ status: 401 })
})

test('the emulator cancels for fal’s own client what it works on, and answers that it was canceled', async () => {
  const { request_id: requestId, cancel_url: cancel } = await client().queue.submit('fal-ai/flux-2-pro/edit', {
    input: { prompt: 'a hill sandbox:never', image_urls: ['https://images.example/one.png'] },
  })
  expect(cancel).toBe(`${sandbox.url}/fal-ai/flux-2-pro/requests/${requestId}/cancel`)
  const state = async (): Promise<string> => (await client().queue.status('fal-ai/flux-2-pro/edit', { requestId })).status
  await vi.waitFor(async () => expect(await state()).toBe('IN_PROGRESS'), { timeout: 20_000 })
  await client().queue.cancel('fal-ai/flux-2-pro/edit', { requestId })
  expect(await client().queue.status('fal-ai/flux-2-pro/edit', { requestId })).toMatchObject({ status: 'COMPLETED' })
  await expect(client().queue.result('fal-ai/flux-2-pro/edit', { requestId })).rejects.toMatchObject({ status: 400 })
})

test('the emulator takes out of its queue what fal’s own client cancels before its turn', async () => {
  const slow = await startEmulator({ typicalMs: 600_000 })
  onTestFinished(() => slow.close())
  const { queue } = client(SANDBOX_KEY, slow.url)
  const { request_id: requestId } = await queue.submit('fal-ai/flux-2-pro', { input: { prompt: 'a hill' } })
  await queue.cancel('fal-ai/flux-2-pro', { requestId })
  await expect(queue.status('fal-ai/flux-2-pro', { requestId })).rejects.toMatchObject({ status: 404 })
})
