import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway, type Gateway } from '../../../test/e2e/gateway.ts'
import { freePort } from '../../../test/support/free-port.ts'
import manifest from '../manifest.json' with { type: 'json' }

let gateway: Gateway
beforeAll(async () => {
  const port = await freePort()
  gateway = await launchGateway({
    providers: [manifest.id, 'bfl'],
    port,
    config: `server: { public_url: "http://127.0.0.1:${port}" }`,
  })
})
afterAll(() => gateway.close())

const buy = (prompt: string, prefer = 'wait=60') => gateway.generate({ prompt, provider: { only: [manifest.id] } }, { prefer })
const submits = async (): Promise<number> => {
  const text = await (await gateway.ask('/metrics')).text()
  const lines = text.split('\n').filter((line) => line.startsWith('imagegate_submits_total') && line.includes(manifest.id))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

describe('a sandbox with this provider among the others', () => {
  test('delivers an image at the price of our rule, for the reply says none', async () => {
    const generation = await buy('a lighthouse')
    expect(generation).toMatchObject({
      status: 'succeeded',
      provider: manifest.id,
      images: [{ format: 'webp' }],
      cost: { amount: '0.03', basis: 'computed' },
    })
  })

  test('finds what a lost or unreadable reply bought in the list of predictions, and buys nothing more', async () => {
    const before = await submits()
    const ended = await Promise.all([buy('sandbox:lost-reply'), buy('sandbox:garbage'), buy('sandbox:half')])
    expect(ended.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    expect(new Set(ended.map(({ attempts }) => attempts[0]?.provider_task_id)).size).toBe(3)
    expect(ended.map(({ attempts }) => attempts.length)).toEqual([1, 1, 1])
    expect((await submits()) - before).toBe(3)
  })

  test('cancels a prediction at the vendor', async () => {
    const { id } = await buy('sandbox:never', 'respond-async')
    const shown = async () => json<Generation>(await gateway.ask(`/v1/generations/${id}`))
    await expect.poll(async () => (await shown()).attempts[0]?.provider_task_id ?? null, { timeout: 5_000 }).not.toBeNull()
    await gateway.post(`/v1/generations/${id}/cancel`, {})
    await expect.poll(async () => (await shown()).attempts[0]?.ended_at ?? null, { timeout: 5_000 }).not.toBeNull()
    expect(await shown()).toMatchObject({ status: 'canceled', attempts: [{ error: { code: 'canceled' } }] })
  })
})
