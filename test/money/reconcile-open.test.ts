import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation, Reconciliation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const IMAGE = await sharp({ create: { width: 256, height: 256, channels: 3, background: 'teal' } })
  .jpeg()
  .toBuffer()

/** A vendor that names its tasks as the prompt says: those called `open` go on until `end` is called, and those called `twice` fail. */
async function startVendor() {
  let hasEnded = false
  const url = await startOddVendor((sent, path, base) => {
    if (path === '/image.jpg') return { body: IMAGE }
    const id = /"prompt":"([a-z-]+)/.exec(sent)?.[1] ?? new URL(path, base).searchParams.get('id') ?? ''
    if (sent !== '') return { body: { id, polling_url: `${base}/v1/get_result?id=${id}` } }
    if (id === 'twice') return { body: { id, status: 'Error' } }
    return {
      body: id === 'open' && !hasEnded ? { id, status: 'Pending' } : { id, status: 'Ready', result: { sample: `${base}/image.jpg` } },
    }
  })
  return { url, end: () => (hasEnded = true) }
}

async function startShop() {
  const { url, end } = await startVendor()
  const key = `{ name: boss, key_hash: ${createHash('sha256').update('boss').digest('hex')}, admin: true, budget_usd: "1" }`
  const network = 'network: { allow: ["127.0.0.0/8"] }'
  const gateway = await gatewayWith(`keys: [${key}]\n${network}\nproviders: { bfl: { api_key: a-key-0123456, base_url: "${url}" } }\n`)
  const ask = async (path: string, body?: string, type = 'application/json'): Promise<unknown> => {
    const headers = { authorization: 'Bearer boss', 'content-type': type, prefer: 'wait=1' }
    return (await fetch(`${gateway.url}${path}`, { headers, ...(body === undefined ? {} : { method: 'POST', body }) })).json()
  }
  const show = async (id: string) => (await ask(`/v1/generations/${id}`)) as Generation
  return {
    end,
    show,
    async buy(prompt: string): Promise<Generation> {
      const body = JSON.stringify({ model: 'bfl/flux-2-pro', width: 256, height: 256, prompt })
      return (await ask('/v1/generations', body)) as Generation
    },
    ended: (id: string) => expect.poll(async () => (await show(id)).status, { timeout: 20_000 }).not.toMatch(/queued|running/),
    reconcile: async (csv: string, query = '') => (await ask(`/v1/reconciliations?${query}`, csv, 'text/csv')) as Reconciliation,
  }
}

test('a task of an invoice that is under way is said to be: it is no task that nobody bought, to be attached to another', async () => {
  const shop = await startShop()
  const { id } = await shop.buy('open')
  for (const query of ['apply=true', 'provider=bfl']) {
    const { rows } = await shop.reconcile('id,amount\nopen,0.05\n', query)
    expect(rows).toMatchObject([
      { outcome: 'under_way', task_id: 'open', provider: 'bfl', generation_id: id, invoiced: '0.05', quoted: '0.03' },
    ])
  }
  expect((await shop.reconcile('id,amount\nopen,0.05\n', 'provider=runware')).rows).toMatchObject([{ outcome: 'unknown_task' }])
  shop.end()
  await shop.ended(id)
  expect((await shop.reconcile('id,amount\nopen,0.05\n')).rows).toMatchObject([{ outcome: 'differs', recorded: '0.03' }])
}, 60_000)

test('an invoice with one id of two purchases settles the one that the operator names', async () => {
  const shop = await startShop()
  const bought = [await shop.buy('twice'), await shop.buy('twice')]
  for (const { id } of bought) await shop.ended(id)
  const [ambiguous] = (await shop.reconcile('id,amount\ntwice,0.02\n', 'apply=true')).rows
  expect(ambiguous).toMatchObject({ outcome: 'ambiguous', explanation: expect.stringContaining('attach the task to one attempt') })
  const attempts = [...(ambiguous?.explanation ?? '').matchAll(/att_\w+/g)].map(([attempt]) => attempt)
  expect(attempts).toHaveLength(2)
  const { rows } = await shop.reconcile('id,amount\ntwice,0.02\n', `apply=true&attach=twice=${attempts[1]}`)
  expect(rows).toMatchObject([
    { outcome: 'settled', attempt_id: attempts[1], invoiced: '0.02' },
    { outcome: 'not_on_invoice', attempt_id: attempts[0] },
  ])
  const amounts = await Promise.all(bought.map(async ({ id }) => (await shop.show(id)).cost.amount))
  expect(amounts).toEqual([null, '0.02'])
}, 60_000)
