import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { manifest, modelEntry, writeFiles } from '../catalogue/fake-providers.ts'
import { freePort } from '../support/free-port.ts'
import { json, launchGateway, type Gateway } from './gateway.ts'
import { QUEUE_KEY, startStrictQueue } from './strict-queue.ts'

const entry = modelEntry()
const limits = { ...entry.limits, seed: { type: 'range', min: 0, max: 100 }, reference_images: { max: 2, forms: ['data_uri', 'url'] } }
const price = {
  kind: 'per_image',
  per_image: '0.04',
  unit_amount: '0.02',
  as_of: '2026-11-01',
  source_url: 'https://prices.example.com/',
}
const declares = { ...manifest('x', {}).declares, webhook: true, cancel: true }
const auth = (env: string) => ({ header: 'authorization', scheme: 'Key', env })

/** Where status and result have addresses of their own, and units are counted in a header. */
const queued = {
  ...manifest('queued', { big: { ...entry, limits, price, provider_model: 'acme/pro' } }),
  auth: auth('QUEUED_API_KEY'),
  shape: {
    name: 'queue-by-returned-urls',
    path: '/queue/{provider_model}',
    references_path: '/queue/{provider_model}/edit',
    body: {
      prompt: '/prompt',
      width: '/image_size/width',
      height: '/image_size/height',
      seed: '/seed',
      references: '/image_urls',
      output_format: { at: '/output_format', values: { jpeg: 'jpg' } },
    },
    webhook_query: 'hook',
    accepted: { id: '/request_id', poll: '/status_url', result: '/response_url', cancel: '/cancel_url' },
    status: { at: '/status', words: { IN_QUEUE: 'pending', IN_PROGRESS: 'pending', COMPLETED: 'done' } },
    images: ['/images/*/url'],
    seed: '/seed',
    cost: { header: 'x-billable-units', unit: 'units' },
    errors: { code: ['/detail/0/type', '/error_type'], message: ['/detail/0/msg', '/detail'], moderated: ['content_policy_violation'] },
    cancel_method: 'PUT',
  },
  declares: { ...declares, cost: 'at_result', seed_returned: true },
}

/** Where one address says everything, and tasks are listed. */
const listed = {
  ...manifest('listed', { listed: { ...entry, limits } }),
  auth: auth('LISTED_API_KEY'),
  shape: {
    name: 'queue-by-returned-urls',
    path: '/v1/predictions',
    body: { model: '/version', prompt: '/input/prompt', seed: '/input/seed', webhook: '/webhook' },
    accepted: { id: '/id', poll: '/urls/get', cancel: '/urls/cancel' },
    status: {
      at: '/status',
      words: { starting: 'pending', processing: 'pending', succeeded: 'done', failed: 'failed', canceled: 'canceled' },
    },
    images: ['/output/*', '/output'],
    errors: { message: ['/error', '/title'] },
    cancel_method: 'POST',
    listing: { path: '/v1/predictions', items: '/results', ours: '/webhook' },
  },
  declares: { ...declares, recover: true },
}

let queue: Awaited<ReturnType<typeof startStrictQueue>>
let gateway: Gateway
let folder: string

beforeAll(async () => {
  queue = await startStrictQueue()
  folder = await mkdtemp(join(tmpdir(), 'imagegate-queue-'))
  await writeFiles(folder, { 'queued/manifest.json': queued, 'listed/manifest.json': listed })
  const port = await freePort()
  gateway = await launchGateway({
    providersDirectory: folder,
    providers: ['queued', 'listed'],
    port,
    env: { QUEUED_API_KEY: QUEUE_KEY, LISTED_API_KEY: QUEUE_KEY },
    patience: { recoverMs: 2_000 },
    config: `server: { public_url: "http://127.0.0.1:${port}" }
providers: { queued: { base_url: "${queue.url}" }, listed: { base_url: "${queue.url}" } }`,
  })
})
afterAll(async () => {
  await gateway.close()
  queue.close()
  rmSync(folder, { recursive: true, force: true })
})

const canceledAt = async (model: string): Promise<Generation> => {
  const { id } = await gateway.generate({ model, prompt: 'a slow one' }, { prefer: 'respond-async' })
  await expect.poll(() => queue.tasks.at(-1)?.polls ?? 0, { timeout: 5_000 }).toBeGreaterThan(0)
  await gateway.post(`/v1/generations/${id}/cancel`, {})
  const ended = async () => json<Generation>(await gateway.ask(`/v1/generations/${id}`))
  await expect.poll(async () => (await ended()).attempts[0]?.ended_at ?? null, { timeout: 5_000 }).not.toBeNull()
  return ended()
}

describe('a manifest alone that names the shape of a queue', () => {
  test('goes on with the addresses that the vendor gave, and bills the units it counted', async () => {
    const asked = { model: 'big', width: 640, height: 480, seed: 7, output_format: 'jpeg', reference_images: [] }
    const generation = await gateway.generate(asked, { prefer: 'wait=20' })
    expect(queue.tasks.at(-1)).toMatchObject({
      path: '/queue/acme/pro',
      body: { prompt: 'a lighthouse', image_size: { width: 640, height: 480 }, seed: 7, output_format: 'jpg' },
      webhook: expect.stringContaining('/v1/hooks/queued/gen_'),
    })
    expect(generation).toMatchObject({
      status: 'succeeded',
      images: [{ seed: '7' }],
      cost: { amount: '0.03', basis: 'metered' },
      attempts: [{ provider_task_id: queue.tasks.at(-1)?.id }],
    })
  })

  test('says moderation found with the result, and never buys again what a lost reply may have bought', async () => {
    expect(await gateway.generate({ model: 'big', prompt: 'blocked' }, { prefer: 'wait=20' })).toMatchObject({
      error: { code: 'moderated', billed: 'unknown', provider_code: 'content_policy_violation' },
    })
    const before = queue.tasks.length
    expect(await gateway.generate({ model: 'big', prompt: 'lost' }, { prefer: 'wait=20' })).toMatchObject({
      error: { code: 'outcome_unknown' },
    })
    expect(queue.tasks.length).toBe(before + 1)
  })

  test('cancels a task at the address the vendor gave, whose word ends it', async () => {
    expect(await canceledAt('big')).toMatchObject({ status: 'canceled' })
    expect(await canceledAt('listed')).toMatchObject({ status: 'canceled', attempts: [{ error: { code: 'canceled' } }] })
    expect(queue.tasks.slice(-2).map(({ isCanceled }) => isCanceled)).toEqual([true, true])
  })

  test('finds a task whose submit was lost in the vendor’s list, by the address for callbacks that it gave, and buys nothing more', async () => {
    const before = queue.tasks.length
    const [first, second] = await Promise.all([
      gateway.generate({ model: 'listed', prompt: 'one that is lost' }, { prefer: 'wait=20' }),
      gateway.generate({ model: 'listed', prompt: 'another that is lost' }, { prefer: 'wait=20' }),
    ])
    expect([first.status, second.status]).toEqual(['succeeded', 'succeeded'])
    expect(queue.tasks.length).toBe(before + 2)
    const prompts = [first, second].map(({ attempts }) => {
      const task = queue.tasks.find(({ id }) => id === attempts[0]?.provider_task_id)
      return task?.body['input']
    })
    expect(prompts).toEqual([{ prompt: 'one that is lost' }, { prompt: 'another that is lost' }])
  })
})
