import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sumUsd } from '#contract'
import type { Comparison, CostReport, Generation, Model, PriceEntry, Problem, Quote } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { startBillingVendor } from './billing-vendor.ts'
import type { BillingVendor } from './billing-vendor.ts'

/** Money as its payer sees it: a process with real provider settings, whose vendors are emulated, or bill what the prompt says. */
useRealSockets()

const PIXELS = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 1024, height: 1024 }
const folder = mkdtempSync(join(tmpdir(), 'imagegate-money-'))
let bfl: BillingVendor
let vendors: Vendors
let server: ServerProcess
beforeAll(async () => {
  bfl = await startBillingVendor()
  vendors = await startVendors({ providers: ['runware', 'vtrix'], typicalMs: 20 })
  const key = (name: string, fields: string) =>
    `  - { name: ${name}, key_hash: ${createHash('sha256').update(`key-of-${name}`).digest('hex')}, ${fields} }\n`
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(
    config,
    `keys:
${key('boss', 'admin: true')}${key('shop', 'budget_usd: "0.15", period: total')}${key('race', 'budget_usd: "0.13", period: total')}
providers:
  bfl: { api_key: any, base_url: "${bfl.url}", surcharge_percent: "5.5" }
  runware: { api_key: ${SANDBOX_KEY}, base_url: "${vendors.front('runware').url}", discount_percent: 12.35 }
  vtrix:
    api_key: ${SANDBOX_KEY}
    base_url: "${vendors.front('vtrix').url}"
    surcharge_percent: "50"
    prices: { flux-2-pro: { per_image: "0.012345679", as_of: 2026-11-01 } }
`,
  )
  server = await startOverridden(
    { IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data') },
    { providers: ['bfl', 'runware', 'vtrix'] },
  )
}, 60_000)
afterAll(async () => {
  await server.kill('SIGTERM')
  await Promise.all([bfl.close(), vendors.close()])
  rmSync(folder, { recursive: true, force: true })
})

async function ask(path: string, body?: object, key = 'boss'): Promise<{ readonly status: number; readonly body: unknown }> {
  const headers = { authorization: `Bearer key-of-${key}`, 'content-type': 'application/json', prefer: 'wait=60' }
  const reply = await fetch(`${server.url}${path}`, { headers, ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}) })
  return { status: reply.status, body: await reply.json() }
}
const quote = async (more: object) => (await ask('/v1/quotes', { ...PIXELS, ...more })).body as Quote
const buy = async (more: object, key = 'boss') => (await ask('/v1/generations', { ...PIXELS, ...more }, key)).body as Generation
const offer = (quoted: Quote, provider: string) => quoted.offers.find((one) => one.provider === provider)
const addsUp = (cost: { readonly amount: string | null; readonly lines: readonly { readonly amount: string }[] } | null | undefined) =>
  expect(sumUsd((cost?.lines ?? []).map(({ amount }) => amount))).toBe(cost?.amount)

describe('a quote', () => {
  test('is exact to the ninth decimal, rounded half up there, and its lines add up to it, the surcharge as one of them', async () => {
    const quoted = await quote({ n: 3 })
    expect(offer(quoted, 'bfl')?.cost).toMatchObject({
      amount: '0.09495',
      lines: [
        { what: 'first output megapixel', quantity: 3, unit_amount: '0.03', amount: '0.09' },
        { what: 'surcharge of 5.5 %', amount: '0.00495' },
      ],
    })
    // 0.03 less 12.35 % is 0.026295.
    expect(offer(quoted, 'runware')?.cost).toMatchObject({ amount: '0.078885' })
    // Half of 0.012345679 is 0.0061728395.
    expect(offer(await quote({}), 'vtrix')?.cost).toMatchObject({ amount: '0.018518519', lines: [{}, { amount: '0.00617284' }] })
    for (const { cost } of quoted.offers) addsUp(cost)
    expect(quoted.cheapest, 'what it costs you decides, the surcharge in it').toBe('vtrix')
  })

  test('and every generation are held to max_price_usd as a whole: all images and the surcharge', async () => {
    const only = { only: ['bfl'] }
    expect(offer(await quote({ n: 3, provider: { ...only, max_price_usd: '0.09495' } }), 'bfl')?.eligible).toBe(true)
    const refused = await ask('/v1/generations', { ...PIXELS, n: 3, provider: { ...only, max_price_usd: '0.094949999' } })
    expect([refused.status, refused.body]).toMatchObject([
      422,
      { code: 'no_eligible_offer', detail: expect.stringContaining('the quote is 0.09495, and at most 0.094949999 is allowed') },
    ])
    const { body } = await ask('/v1/comparisons', { ...PIXELS, providers: ['bfl', 'runware'], provider: { max_price_usd: '0.03' } })
    expect((body as Comparison).summary.map(({ provider, status }) => [provider, status])).toEqual([
      ['bfl', 'ineligible'],
      ['runware', 'succeeded'],
    ])
  })
})

test('prices and models say what stands in the configuration: the operator’s price, the discount, the surcharge', async () => {
  const { data } = (await ask('/v1/prices')).body as { readonly data: readonly PriceEntry[] }
  const of = (provider: string) => data.find((entry) => entry.provider === provider && entry.model === 'flux-2-pro')
  expect(of('bfl')).toMatchObject({
    currency: 'USD',
    price: { first_output: '0.03' },
    surcharge_percent: '5.5',
    source_url: expect.stringMatching(/^https:/),
  })
  expect(of('bfl')?.price).not.toHaveProperty('source')
  expect(of('runware')).toMatchObject({ price: { first_output: '0.026295', source: 'configuration' }, surcharge_percent: null })
  expect(of('vtrix')).toMatchObject({
    price: { per_image: '0.012345679', source: 'configuration' },
    surcharge_percent: '50',
    as_of: '2026-11-01',
  })
  expect(data.find(({ provider, model }) => provider === 'vtrix' && model === 'flux-1.1-pro')).toMatchObject({ price: null, as_of: null })
  const model = (await ask('/v1/models/flux-2-pro')).body as Model
  expect(model.offers.map(({ provider, surcharge_percent: percent }) => [provider, percent])).toEqual([
    ['bfl', '5.5'],
    ['runware', null],
    ['vtrix', '50'],
  ])
})

describe('a cost', () => {
  test('is what the provider billed and its surcharge, to the digit, in the generation, the report and the CSV', async () => {
    const { id, cost } = await buy({ prompt: 'cost:7', model: 'bfl/flux-2-pro', metadata: { job: 'seven' } })
    expect(cost).toMatchObject({ quoted: '0.03165', amount: '0.07385', basis: 'billed' })
    expect(cost.lines).toMatchObject([{ amount: '0.07' }, { what: 'surcharge of 5.5 %', amount: '0.00385' }])
    addsUp(cost)
    const report = (await ask('/v1/costs?metadata.job=seven&group_by=provider')).body as CostReport
    expect(report.total).toMatchObject({
      spend: '0.07385',
      images: 1,
      cost_per_image: '0.07385',
      wasted: { amount: '0' },
      drift: { amount: '0.0422' },
    })
    expect(report.what_if.map(({ provider, amount }) => [provider, amount])).toEqual([
      ['vtrix', '0.018518519'],
      ['runware', '0.026295'],
    ])
    const csv = await fetch(`${server.url}/v1/costs?format=csv&metadata.job=seven`, { headers: { authorization: 'Bearer key-of-boss' } })
    const [names = '', row = ''] = (await csv.text()).trim().split('\r\n')
    const cells = Object.fromEntries(names.split(',').map((name, at) => [name, row.split(',')[at]]))
    expect(cells).toMatchObject({ generation_id: id, amount_usd: '0.07385', surcharge_usd: '0.00385', basis: 'billed' })
    expect(cells['provider_task_id']).toMatch(/^task-/)
  })

  test('of ten times the quote is believed, and of more is unknown, beside the vendor’s figure, in no sum and in the log', async () => {
    const most = await buy({ prompt: 'cost:30', model: 'bfl/flux-2-pro', metadata: { job: 'ten' } })
    expect(most.cost).toMatchObject({ quoted: '0.03165', amount: '0.3165', basis: 'billed' })
    const beyond = await buy({ prompt: 'cost:31', model: 'bfl/flux-2-pro', metadata: { job: 'ten' } })
    expect([beyond.status, beyond.cost]).toMatchObject(['succeeded', { amount: null, basis: 'unknown', lines: [] }])
    const { total } = (await ask('/v1/costs?metadata.job=ten')).body as CostReport
    expect(total).toMatchObject({ spend: '0.3165', unknown_cost_generations: 1 })
    expect(server.said()).toMatch(new RegExp(`"level":50.*${beyond.id}.*0\\.31`))
  })

  test('that nobody knows is null and never 0, and the quote of it stays held of the budget', async () => {
    const lost = await buy({ prompt: 'cost:lost', model: 'bfl/flux-2-pro', n: 2 }, 'shop')
    expect([lost.status, lost.error?.code, lost.cost.amount, lost.cost.basis]).toEqual(['failed', 'outcome_unknown', null, 'unknown'])
    const report = (await ask('/v1/costs', undefined, 'shop')).body as CostReport
    expect(report.total).toMatchObject({ spend: '0', unknown_cost_generations: 1, cost_per_image: null })
    // Two calls were made; both are held.
    expect(report.budgets).toMatchObject([{ key: 'shop', used: '0.0633', left: '0.0867' }])
    const refused = await ask('/v1/generations', { ...PIXELS, model: 'bfl/flux-2-pro', n: 3 }, 'shop')
    expect([refused.status, (refused.body as Problem).code]).toEqual([402, 'budget_exceeded'])
  })
})

test('a budget holds the whole quote of every image before the submit, whoever asks at once', async () => {
  const asked = await Promise.all(
    Array.from({ length: 4 }, () => ask('/v1/generations', { ...PIXELS, model: 'bfl/flux-2-pro', n: 2 }, 'race')),
  )
  expect(asked.map(({ status }) => String(status)).toSorted()).toEqual(['200', '200', '402', '402'])
  const { budgets, total } = (await ask('/v1/costs', undefined, 'race')).body as CostReport
  expect([total.spend, budgets[0]?.used, budgets[0]?.left]).toEqual(['0.1266', '0.1266', '0.0034'])
})
