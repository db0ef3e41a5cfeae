import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const IMAGE = await sharp({ create: { width: 2048, height: 2048, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()

test('an image at the vendor, which nobody here can see, takes no key beyond its budget', { timeout: 60_000 }, async () => {
  let bought = 0
  /** BFL’s page has five cents for a megapixel: the image at the vendor has four, and the one that is made takes its size. */
  const vendor = await startOddVendor((sent, path, base) => {
    if (path === '/image.jpg') return { body: IMAGE }
    if (sent === '') return { body: { id: path.slice(1), status: 'Ready', result: { sample: `${base}/image.jpg` }, cost: 40 } }
    return { body: { id: `task-${++bought}`, polling_url: `${base}/task-${bought}`, cost: 40 } }
  })
  const key = `{ name: team, key_hash: ${createHash('sha256').update('team').digest('hex')}, budget_usd: "0.75" }`
  const { url } = await gatewayWith(`keys: [${key}]\nproviders: { bfl: { api_key: a-vendor-key-0123, base_url: "${vendor}" } }\n`)
  const headers = { authorization: 'Bearer team', 'content-type': 'application/json', prefer: 'wait=30' }
  const buy = async () => {
    const body = JSON.stringify({
      model: 'flux-2-flex',
      prompt: 'a tree',
      provider_options: { bfl: { input_image_blob_path: 'mine/large.png' } },
    })
    const reply = await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })
    return { status: reply.status, body: (await reply.json()) as Generation }
  }
  const answers = await Promise.all(Array.from({ length: 7 }, buy))
  expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, ...Array.from({ length: 6 }, () => 402)])
  expect(answers.find(({ status }) => status === 200)?.body.cost).toMatchObject({ quoted: '0.1', amount: '0.4', basis: 'billed' })
  expect(bought).toBe(1)
})
