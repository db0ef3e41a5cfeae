import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { writeFiles } from '../catalogue/fake-providers.ts'
import { LONE_MANIFESTS } from '../support/lone-manifests.ts'
import { freePort } from '../support/free-port.ts'
import { json } from './gateway.ts'
import { launchProcess, type GatewayProcess } from './gateway-process.ts'
import { QUEUE_KEY, startStrictQueue } from './strict-queue.ts'

let queue: Awaited<ReturnType<typeof startStrictQueue>>
let gateway: GatewayProcess
let folder: string

beforeAll(async () => {
  queue = await startStrictQueue()
  folder = await mkdtemp(join(tmpdir(), 'imagegate-queue-'))
  await writeFiles(folder, LONE_MANIFESTS)
  const port = await freePort()
  gateway = await launchProcess({
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
  await expect.poll(() => queue.tasks.at(-1)?.polls ?? 0).toBeGreaterThan(0)
  await gateway.post(`/v1/generations/${id}/cancel`, {})
  const ended = async () => json<Generation>(await gateway.ask(`/v1/generations/${id}`))
  await expect.poll(async () => (await ended()).attempts[0]?.ended_at ?? null).not.toBeNull()
  return ended()
}

describe('a manifest alone that names the shape of a queue', () => {
  test('goes on with the addresses that the vendor gave, and bills the units it counted', async () => {
    const asked = { model: 'big', width: 640, height: 480, seed: 7, output_format: 'jpeg', reference_images: [] }
    const generation = await gateway.generate(asked, { prefer: 'wait=60' })
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
    expect(await gateway.generate({ model: 'big', prompt: 'blocked' }, { prefer: 'wait=60' })).toMatchObject({
      error: { code: 'moderated', billed: 'unknown', provider_code: 'content_policy_violation' },
    })
    const before = queue.tasks.length
    expect(await gateway.generate({ model: 'big', prompt: 'lost' }, { prefer: 'wait=60' })).toMatchObject({
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
      gateway.generate({ model: 'listed', prompt: 'one that is lost' }, { prefer: 'wait=60' }),
      gateway.generate({ model: 'listed', prompt: 'another that is lost' }, { prefer: 'wait=60' }),
    ])
    expect([first.status, second.status]).toEqual(['succeeded', 'succeeded'])
    expect(queue.tasks.length).toBe(before + 2)
    const prompts = [first, second].map(({ attempts }) => {
      const task = queue.tasks.find(({ id }) => id === attempts[0]?.provider_task_id)
      return task?.body['input']
    })
    expect(prompts).toMatchObject([{ prompt: 'one that is lost' }, { prompt: 'another that is lost' }])
  })
})
