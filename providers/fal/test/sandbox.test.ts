import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway, type Gateway } from '../../../test/e2e/gateway.ts'

const TYPICAL_MS = 500
/** A fifth of a task's time is spent in the queue, and the longest takes twice as long as usual. */
const LEFT_QUEUE_MS = TYPICAL_MS * 0.5
let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({ providers: ['fal'], typicalMs: TYPICAL_MS })
})
afterAll(() => gateway.close())

/** What becomes of a generation that is canceled so long after fal has its task. */
async function canceled(prompt: string, afterMs = 0): Promise<Generation> {
  const { id } = await gateway.generate({ model: 'flux-2-pro', prompt }, { prefer: 'respond-async' })
  const known = async () => json<Generation>(await gateway.ask(`/v1/generations/${id}`))
  await expect.poll(async () => (await known()).attempts[0]?.provider_task_id ?? null, { timeout: 5_000, interval: 20 }).not.toBeNull()
  await pause(afterMs)
  await gateway.post(`/v1/generations/${id}/cancel`, {})
  await expect.poll(async () => (await known()).attempts[0]?.ended_at ?? null, { timeout: 10_000 }).not.toBeNull()
  return known()
}

test('a sandbox with fal alone sells, meters what fal counts where its unit is known, and cancels what runs and what waits', async () => {
  const image = await gateway.generate({ model: 'flux-kontext-pro', prompt: 'a lighthouse' }, { prefer: 'wait=60' })
  expect(image).toMatchObject({ status: 'succeeded', provider: 'fal', cost: { amount: '0.04', basis: 'metered' } })
  const tokens = await gateway.generate({ model: 'gpt-image-2', prompt: 'a lighthouse', width: 1024, height: 1024 }, { prefer: 'wait=60' })
  // 20 tokens of text at 5 and 1,800 of images at 30 dollars a million.
  expect(tokens).toMatchObject({ status: 'succeeded', cost: { amount: '0.0541', basis: 'metered' } })

  // The task runs for ever, so fal takes note of the cancel, and the next polls find its end.
  expect(await canceled('a hill sandbox:never', LEFT_QUEUE_MS)).toMatchObject({
    attempts: [{ error: { code: 'canceled', provider_code: 'request_cancelled', billed: 'unknown' }, cost: { amount: null } }],
  })
  // So early it still waits in fal's queue, from which it is removed.
  expect(await canceled('a hill sandbox:slow')).toMatchObject({
    attempts: [{ error: { code: 'canceled', provider_code: 'OK', billed: false }, cost: { amount: '0' } }],
  })
})
