import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway, type Gateway } from '../../../test/e2e/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({ providers: ['fal'] })
})
afterAll(() => gateway.close())

test('a sandbox with fal alone sells, meters what fal counts where its unit is known, and takes a cancel', async () => {
  const image = await gateway.generate({ model: 'flux-kontext-pro', prompt: 'a lighthouse' }, { prefer: 'wait=20' })
  expect(image).toMatchObject({ status: 'succeeded', provider: 'fal', cost: { amount: '0.04', basis: 'metered' } })
  const tokens = await gateway.generate({ model: 'gpt-image-2', prompt: 'a lighthouse', width: 1024, height: 1024 }, { prefer: 'wait=20' })
  // 20 tokens of text at 5 and 1,800 of images at 30 dollars a million.
  expect(tokens).toMatchObject({ status: 'succeeded', cost: { amount: '0.0541', basis: 'metered' } })

  const { id } = await gateway.generate({ model: 'flux-2-pro', prompt: 'a hill sandbox:never' }, { prefer: 'respond-async' })
  const known = async () => json<Generation>(await gateway.ask(`/v1/generations/${id}`))
  await expect.poll(async () => (await known()).attempts[0]?.provider_task_id ?? null, { timeout: 5_000 }).not.toBeNull()
  await gateway.post(`/v1/generations/${id}/cancel`, {})
  await expect.poll(async () => (await known()).status, { timeout: 5_000 }).toBe('canceled')
})
