import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { readBooks } from './books.ts'
import { startProcess } from './process.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const

let vendors: Vendors
beforeAll(async () => {
  vendors = await startVendors({ providers: PROVIDERS, typicalMs: 5_000 })
})
afterAll(() => vendors.close())

const post = (url: string, model: string, prefer: string, prompt = 'a lighthouse') =>
  fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer },
    body: JSON.stringify({ model, prompt, width: 256, height: 256, provider_options: { runware: { deliveryMethod: 'async' } } }),
  })

describe('on SIGTERM', () => {
  test(
    'a server answers those who wait, leaves within seconds, and completes what is open at the next start',
    { timeout: 40_000 },
    async () => {
      const folder = vendors.folder()
      const server = await startProcess(folder.environment)
      const replies = PROVIDERS.map(async (provider) => post(server.url, `${provider}/flux-2-pro`, 'wait=60'))
      const events = await post(server.url, 'bfl/flux-2-pro', 'respond-async')
        .then((reply) => reply.json() as Promise<Generation>)
        .then(({ id }) => fetch(`${server.url}/v1/generations/${id}/events`))
      await until(() => vendors.submits('bfl') === 2 && vendors.submits('runware') === 1 && vendors.submits('vtrix') === 1)

      const stoppedAt = Date.now()
      expect(await server.kill('SIGTERM')).toBe('0')
      expect(Date.now() - stoppedAt).toBeLessThan(8_000)
      const answers = await Promise.all(replies)
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
      await events.text().catch(() => '')
      const books = await readBooks(folder.dataDirectory)
      expect(books.open).toBe(4)
      expect(books.generations.flatMap(({ attempts }) => attempts.map(({ status }) => status))).toEqual(Array(4).fill('pending'))

      const next = await startProcess(folder.environment)
      for (const { id } of books.generations) {
        const done = await fetch(`${next.url}/v1/generations/${id}`, { headers: { prefer: 'wait=60' } })
        expect(await done.json()).toMatchObject({ status: 'succeeded', attempts: [{ status: 'succeeded' }] })
      }
      expect(await next.kill('SIGTERM')).toBe('0')
      expect([vendors.submits('bfl'), vendors.submits('runware'), vendors.submits('vtrix')]).toEqual([2, 1, 1])
      folder.remove()
    },
  )

  test('a generation that is about to end does, and is answered with its image', { timeout: 30_000 }, async () => {
    const quick = await startVendors({ providers: ['bfl'], typicalMs: 40 })
    const folder = quick.folder()
    const server = await startProcess(folder.environment)
    const arrived = Promise.withResolvers<void>()
    quick.front('bfl').beforeReply = async ({ purpose }) => {
      if (purpose !== 'image') return
      arrived.resolve()
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    const answer = post(server.url, 'bfl/flux-2-pro', 'wait=60')
    await arrived.promise
    expect(await server.kill('SIGTERM')).toBe('0')
    const reply = await answer
    expect([reply.status, (await reply.json()) as Generation]).toMatchObject([200, { status: 'succeeded', images: [{ format: 'jpeg' }] }])
    folder.remove()
    await quick.close()
  })

  test('a submit under way gets its reply recorded before the server leaves', { timeout: 30_000 }, async () => {
    const folder = vendors.folder()
    const server = await startProcess(folder.environment)
    const front = vendors.front('vtrix')
    const arrived = Promise.withResolvers<void>()
    front.beforeReply = async ({ purpose }) => {
      if (purpose !== 'submit') return
      arrived.resolve()
      await new Promise((resolve) => setTimeout(resolve, 3_000))
    }
    const answer = post(server.url, 'vtrix/flux-2-pro', 'respond-async', 'a slow answer')
    await arrived.promise
    expect(await server.kill('SIGTERM')).toBe('0')
    front.beforeReply = () => {}
    expect((await answer).status).toBe(202)
    const [record] = (await readBooks(folder.dataDirectory)).generations
    expect(record?.attempts).toMatchObject([{ status: 'pending', providerTaskId: expect.stringMatching(/./) }])
    folder.remove()
  })
})

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}
