import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const IMAGE = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()

/** Its task is done with a link that is dead, at the cost `first`; asked again it has one that lives, or the same, and says `later`. */
async function generate(first: string | null, later: string, isDelivered: boolean): Promise<Generation> {
  let polls = 0
  const url = await startOddVendor((sent, path, base) => {
    if (path === '/image.jpg') return { body: IMAGE }
    if (path === '/dead.jpg') return { status: 404, body: {} }
    if (sent !== '') return { body: { id: 'a-task', status: 'in_progress' } }
    const isFirst = polls++ === 0
    const image = `${base}/${isFirst || !isDelivered ? 'dead' : 'image'}.jpg`
    const cost = isFirst ? first : later
    const usage = cost === null ? {} : { usage: { cost } }
    return { body: { id: 'a-task', status: 'completed', output: [{ content: [{ type: 'image', url: image }] }], ...usage } }
  })
  const config = `network: { allow: ["127.0.0.0/8"] }\nproviders: { vtrix: { api_key: a-vendor-key-0123, base_url: "${url}" } }\n`
  const gateway = await gatewayWith(config, { patience: { linkMs: 1_500, longestLinkMs: 1_500, deadLinkMs: 1_500 } })
  const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024 })
  const headers = { 'content-type': 'application/json', prefer: 'wait=40' }
  return (await (await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
}

test('a vendor that is asked again for a dead link and says then what the task cost is believed, as it is at every poll', async () => {
  const [delivered, refunded] = await Promise.all([generate(null, '0.012', true), generate('0.03', '0', false)])
  expect(delivered).toMatchObject({ status: 'succeeded', cost: { amount: '0.012', basis: 'billed' } })
  expect(refunded).toMatchObject({ status: 'failed', error: { code: 'result_expired' }, cost: { amount: '0', basis: 'billed' } })
}, 60_000)
