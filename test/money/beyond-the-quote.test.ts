import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { CostReport, Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const image = sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } }).jpeg()
const IMAGE = (await image.toBuffer()).toString('base64')
/** As long as a prompt may be, of characters of which a tokenizer makes four tokens each: 25.6 cents beside the half a cent of the image. */
const LONG = '𓀀'.repeat(32_000)

/** Bills what its page says of the tokens of prompt and image, in millionths of a dollar, and counts them in its reply but where the prompt asks not to. */
async function startVendor(): Promise<{ readonly url: string; readonly bills: number[] }> {
  const bills: number[] = []
  const url = await startOddVendor((sent) => {
    const { prompt, partial_images: shown = 0 } = JSON.parse(sent) as { readonly prompt: string; readonly partial_images?: number }
    const text = Buffer.byteLength(prompt)
    const output = 625 + 100 * shown
    bills.push(2 * text + 8 * output)
    const usage = { input_tokens: text, input_tokens_details: { text_tokens: text, image_tokens: 0 }, output_tokens: output }
    const end = { type: 'image_generation.completed', b64_json: IMAGE, ...(prompt.startsWith('uncounted') ? {} : { usage }) }
    return { body: `event: ${end.type}\ndata: ${JSON.stringify(end)}\n\n` }
  })
  return { url, bills }
}

const keyOf = (name: string, more: string): string =>
  `{ name: ${name}, key_hash: ${createHash('sha256').update(name).digest('hex')}, ${more} }`

async function startAll(budget: string) {
  const vendor = await startVendor()
  const gateway = await gatewayWith(`keys: [${keyOf('team', `budget_usd: "${budget}"`)}, ${keyOf('boss', 'admin: true')}]
# By its manifest the vendor has ended it; the operator knows of a later day.
models: { gpt-image-1-mini: { retires_on: 2099-01-01 } }
providers: { openai: { api_key: a-vendor-key-0123, base_url: "${vendor.url}" } }
`)
  const as = (key: string) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'wait=60' })
  const asked = { model: 'gpt-image-1-mini', quality: 'low', width: 1024, height: 1024 }
  const buy = async (more: object): Promise<Generation & { readonly code?: string }> => {
    const body = JSON.stringify({ ...asked, ...more })
    const reply = await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers: as('team'), body })
    return (await reply.json()) as Generation
  }
  const costs = async () => (await (await fetch(`${gateway.url}/v1/costs`, { headers: as('team') })).json()) as CostReport
  return { ...vendor, gateway: gateway.url, as, buy, costs }
}

test(
  'a key spends no more than its budget by long prompts, whose tokens the quote of an image leaves out',
  { timeout: 60_000 },
  async () => {
    const { bills, buy, costs } = await startAll('0.6')
    const bought = await Promise.all(Array.from({ length: 6 }, () => buy({ prompt: LONG })))
    expect(bought.map(({ status, code }) => code ?? status).toSorted()).toEqual([
      'budget_exceeded',
      'budget_exceeded',
      'budget_exceeded',
      'budget_exceeded',
      'succeeded',
      'succeeded',
    ])
    expect(bills).toEqual([261_000, 261_000])
    expect(await costs()).toMatchObject({
      total: { spend: '0.522', unknown_cost_generations: 0 },
      budgets: [{ limit: '0.6', used: '0.522' }],
    })
    expect(await buy({ prompt: 'a tree' })).toMatchObject({ status: 'succeeded', cost: { quoted: '0.005', amount: '0.005012' } })
  },
)

test('nor by images that are shown on their way', { timeout: 60_000 }, async () => {
  const { bills, buy, costs } = await startAll('0.0074')
  const shown = { prompt: 'a tree', provider_options: { openai: { partial_images: 3 } } }
  expect(await buy(shown)).toMatchObject({ code: 'budget_exceeded' })
  expect(await buy({ prompt: 'a tree' })).toMatchObject({ status: 'succeeded' })
  expect(bills).toEqual([5_012])
  expect(await costs()).toMatchObject({ budgets: [{ used: '0.005012' }] })
})

test('a cost that nobody said counts with the tokens of its prompt, until an invoice has it', { timeout: 60_000 }, async () => {
  const { bills, gateway, as, buy, costs } = await startAll('0.6')
  const { id, attempts } = await buy({ prompt: `uncounted${LONG.slice(20)}` })
  expect(attempts).toMatchObject([{ status: 'succeeded', cost: { amount: null, basis: 'unknown' } }])
  const [billed = 0] = bills
  expect(await costs()).toMatchObject({ budgets: [{ used: `${billed / 1e6}` }] })
  const headers = { ...as('boss'), 'content-type': 'text/csv' }
  const body = 'task_id,amount\nthe-task,0.25\n'
  const settled = await fetch(`${gateway}/v1/reconciliations?provider=openai&apply=true&attach=the-task=${id}`, {
    method: 'POST',
    headers,
    body,
  })
  expect(await settled.json()).toMatchObject({ rows: [{ outcome: 'settled' }] })
  expect(await costs()).toMatchObject({ total: { spend: '0.25' }, budgets: [{ used: '0.25' }] })
})

test('nor by a reference that is at the vendor alone, and the image that gets its size', { timeout: 60_000 }, async () => {
  let submits = 0
  const [sent, drawn] = [{ status: 'Ready', cost: 40 }, await image.toBuffer()]
  const vendor = await startOddVendor((body, path, base) => {
    if (path === '/image.jpg') return { body: drawn }
    if (body === '') return { body: { id: 'task', ...sent, result: { sample: `${base}/image.jpg` } } }
    submits++
    // Four megapixels of each, at five cents.
    return { body: { id: 'task', polling_url: `${base}/task`, cost: 40 } }
  })
  const { url } = await gatewayWith(`keys: [${keyOf('poor', 'budget_usd: "0.39"')}, ${keyOf('team', 'budget_usd: "0.45"')}]
network: { allow: ["127.0.0.0/8"] }
providers: { bfl: { api_key: a-vendor-key-0123, base_url: "${vendor}" } }
`)
  const body = JSON.stringify({ model: 'flux-2-flex', prompt: 'a tree', provider_options: { bfl: { input_image_blob_path: 'a/blob' } } })
  const buyAs = async (key: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'wait=60' }
    return (await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })).json()
  }
  expect(await buyAs('poor')).toMatchObject({ code: 'budget_exceeded' })
  expect(submits).toBe(0)
  expect(await buyAs('team')).toMatchObject({ status: 'succeeded', cost: { quoted: '0.1', amount: '0.4', basis: 'billed' } })
  expect(await buyAs('team')).toMatchObject({ code: 'budget_exceeded' })
})
