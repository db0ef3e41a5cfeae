import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const IMAGE = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: 'teal' } })
  .jpeg()
  .toBuffer()

test('a vendor that takes note of a cancel and delivers all the same: the image is kept, its cost counts, and the end says that it is billed', async () => {
  let isAsked = false
  const url = await startOddVendor((sent, path, base) => {
    if (path === '/image.jpg') return { body: IMAGE }
    const task = { id: 'a-task', urls: { get: `${base}/a-task`, cancel: `${base}/a-task/cancel` } }
    if (path.endsWith('/cancel')) {
      isAsked = true
      return { body: { ...task, status: 'processing' } }
    }
    return { body: isAsked ? { ...task, status: 'succeeded', output: `${base}/image.jpg` } : { ...task, status: 'processing' } }
  })
  const gateway = await gatewayWith(
    `network: { allow: ["127.0.0.0/8"] }\nproviders: { replicate: { api_key: a-key-0123456, base_url: "${url}" } }\n`,
  )
  const ask = async (path: string, body?: object): Promise<Generation> => {
    const headers = { 'content-type': 'application/json', prefer: 'wait=1' }
    const reply = await fetch(`${gateway.url}${path}`, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) })
    return (await reply.json()) as Generation
  }
  const { id } = await ask('/v1/generations', { model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024 })
  const canceled = await ask(`/v1/generations/${id}/cancel`, {})
  expect(canceled).toMatchObject({ status: 'canceled', error: { code: 'canceled', billed: 'unknown' } })
  const show = () => ask(`/v1/generations/${id}`)
  await expect.poll(async () => (await show()).cost.amount, { timeout: 20_000 }).toBe('0.03')
  expect(await show()).toMatchObject({
    status: 'canceled',
    images: [{ width: 1024 }],
    error: { code: 'canceled', billed: true, message: 'canceled; replicate bills what it had begun' },
  })
}, 60_000)
