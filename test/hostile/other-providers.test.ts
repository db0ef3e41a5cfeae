import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Comparison, ConfigurationState, CostReport, Generation, Quote } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { gatewayWith } from '../support/for-one-test.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
/** What this operator pays at BFL is between the two of them. */
const CONFIGURATION = `keys:
  - { name: boss, admin: true, key_hash: ${hashOf('boss')} }
  - { name: few, providers: [runware], key_hash: ${hashOf('few')} }
providers: { bfl: { prices: { flux-2-pro: { per_image: "0.0123" } } } }
`
const start = async (): Promise<Ask> =>
  askerOf((await gatewayWith(CONFIGURATION, { providers: ['bfl', 'runware', 'vtrix'], sandboxTypicalMs: 20 })).url)

const order = { model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024 }

type Ask = <Answer>(key: string, path: string, body?: object) => Promise<Answer & { readonly code?: string; readonly detail?: string }>

const askerOf =
  (url: string): Ask =>
  async (key, path, body) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'wait=60' }
    const reply = await fetch(url + path, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) })
    return (await reply.json()) as never
  }

/** Everything that a key can read that says what offers there are, or what they charge. */
async function seenBy(ask: Ask, key: string): Promise<string> {
  const bought = await ask<Generation>(key, '/v1/generations', order)
  const compared = await ask<Comparison>(key, '/v1/comparisons', order)
  const refused = await ask<unknown>(key, '/v1/generations', { ...order, provider: { max_price_usd: '0.000001' } })
  expect([bought.status, compared.object, refused.code]).toEqual(['succeeded', 'comparison', 'no_eligible_offer'])
  const answers = [
    bought,
    compared,
    refused,
    await ask<unknown>(key, '/v1/generations', { ...order, on_unsupported: 'reject', seed: 1, provider: { max_price_usd: '0.000001' } }),
    await ask<Generation>(key, `/v1/generations/${bought.id}`),
    await ask<Quote>(key, '/v1/quotes', order),
    await ask<CostReport>(key, '/v1/costs?group_by=provider'),
    await ask<unknown>(key, '/v1/models'),
    await ask<unknown>(key, '/v1/prices'),
    await ask<unknown>(key, '/v1/providers'),
  ]
  return JSON.stringify(answers)
}

/** Not `bfl:5@1`, as Runware names a model. */
const FACTS = ['"bfl"', 'bfl: ', '"vtrix"', 'vtrix: ', '0.0123']

test('a key that is limited to some providers sees neither the names nor the prices of others', async () => {
  const ask = await start()
  const all = await seenBy(ask, 'boss')
  expect(FACTS.filter((words) => all.includes(words))).toEqual(FACTS)
  const few = await seenBy(ask, 'few')
  expect(FACTS.filter((words) => few.includes(words))).toEqual([])
})

test('a provider that such a key names itself is refused by that name, without its price', async () => {
  const ask = await start()
  const refusals = [
    await ask<unknown>('few', '/v1/generations', { ...order, model: 'bfl/flux-2-pro' }),
    await ask<unknown>('few', '/v1/generations', { ...order, provider: { only: ['bfl'] } }),
    await ask<unknown>('few', '/v1/comparisons', { ...order, providers: ['bfl'] }),
  ]
  for (const { code, detail } of refusals)
    expect([code, detail]).toEqual(['no_eligible_offer', expect.stringContaining('few may not use bfl')])
  const bought = await ask<Generation>('few', '/v1/generations', { ...order, provider: { order: ['bfl', 'runware'] } })
  expect(bought).toMatchObject({ provider: 'runware', status: 'succeeded' })
  expect(JSON.stringify([...refusals, bought])).not.toContain('0.0123')
})

/** A relay of this operator's own, whose name, model and alias are nobody's business but its own. */
const WITH_RELAY = `keys:
  - { name: boss, admin: true, key_hash: ${hashOf('boss')} }
  - { name: few, providers: [runware], key_hash: ${hashOf('few')} }
  - { name: plain, models: [flux-2-pro], key_hash: ${hashOf('plain')} }
providers:
  runware: { api_key: a-vendor-key-0123, base_url: "http://127.0.0.1:9" }
  our-relay: { shape: openai-images, api_key: a-relay-key-0123, base_url: "http://127.0.0.1:9", models: { our-model: { provider_model: x, price: { per_image: "0.07" } } } }
models: { our-alias: { model: our-model } }
`
const SLIPS: readonly (readonly [path: string, body?: object])[] = [
  ['/v1/quotes', { ...order, model: 'our-mode' }],
  ['/v1/quotes', { ...order, model: 'zzzzzzzzzz' }],
  ['/v1/images/generations', { model: 'our-mode', prompt: 'a tree' }],
  ['/v1/costs?model=our-mode'],
  ['/v1/costs?model=zzzzzzzzzz'],
  ['/v1/costs?model=our-alias'],
  ['/v1/generations?model=our-mode'],
]
const SLIPS_OF_PROVIDERS: typeof SLIPS = [
  ['/v1/quotes', { ...order, model: 'our-rela/flux-2-pro' }],
  ['/v1/quotes', { ...order, provider: { only: ['our-rela'] } }],
  ['/v1/quotes', { ...order, provider: { ignore: ['zzzzzzzzzz'] } }],
  ['/v1/comparisons', { ...order, providers: ['our-rela'] }],
  ['/v1/comparisons', { ...order, providers: ['zzzzzzzzzz'] }],
  ['/v1/costs?provider=our-rela'],
  ['/v1/costs?provider=zzzzzzzzzz'],
  ['/v1/generations?provider=our-rela'],
]

/** The slips that are answered with a name which the key may not use and did not send. */
async function namedBehind(ask: Ask, key: string, slips: typeof SLIPS): Promise<readonly string[]> {
  const named: string[] = []
  for (const [path, body] of slips) {
    const sent = path + JSON.stringify(body ?? '')
    const said = JSON.stringify(await ask<unknown>(key, path, body))
    if (['our-relay', 'our-model', 'our-alias'].some((name) => said.includes(name) && !sent.includes(name))) named.push(sent)
  }
  return named
}

test('a slip in a name is not answered with one that the key may not use', async () => {
  const ask = askerOf((await gatewayWith(WITH_RELAY, { providers: ['bfl', 'runware'] })).url)
  const slips = [...SLIPS, ...SLIPS_OF_PROVIDERS]
  expect(await namedBehind(ask, 'boss', slips)).toHaveLength(slips.length)
  expect(await namedBehind(ask, 'few', slips)).toEqual([])
  expect(await namedBehind(ask, 'plain', SLIPS)).toEqual([])
})

test('a model, an alias or a provider that the key may not use is answered word for word as one that is not there', async () => {
  const ask = askerOf((await gatewayWith(WITH_RELAY, { providers: ['bfl', 'runware'] })).url)
  const asked = (name: string): typeof SLIPS => [
    ['/v1/quotes', { ...order, model: name }],
    ['/v1/generations', { ...order, model: name }],
    [`/v1/models/${name}`],
    [`/v1/costs?model=${name}`],
    [`/v1/generations?model=${name}`],
  ]
  const answers = async (key: string, name: string, some: typeof SLIPS) =>
    Promise.all(some.map(async ([path, body]) => JSON.stringify(await ask<unknown>(key, path, body)).replaceAll(name, '…')))
  for (const key of ['few', 'plain'])
    for (const name of ['our-model', 'our-alias'])
      expect(await answers(key, name, asked(name))).toEqual(await answers(key, 'qqqqqqqqq', asked('qqqqqqqqq')))
  const ofProvider = (name: string): typeof SLIPS => [
    [`/v1/costs?provider=${name}`],
    [`/v1/generations?provider=${name}`],
    [`/v1/providers/${name}/history`],
  ]
  expect(await answers('few', 'our-relay', ofProvider('our-relay'))).toEqual(await answers('few', 'qqqqqqqqq', ofProvider('qqqqqqqqq')))
})

test('the changes of a reload, and why one was refused, with names, budgets and prices of others, are shown to scope admin alone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-others-'))
  const file = join(folder, 'imagegate.yaml')
  const write = (budget: string, price: string): void => {
    const other = `  - { name: other-team, budget_usd: ${budget}, key_hash: ${hashOf('other-team')} }\nproviders:`
    writeFileSync(file, CONFIGURATION.replace('providers: {', `${other} {`).replace('0.0123', price))
  }
  write('"5"', '0.0123')
  const environment = { IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data') }
  const gateway = await startOverridden(environment, { providers: ['bfl', 'runware'], sandboxTypicalMs: 20 })
  onTestFinished(async () => {
    await gateway.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const ask = askerOf(gateway.url)
  const shownTo = async (key: string) => (await ask<{ readonly configuration: ConfigurationState }>(key, '/v1/providers')).configuration
  write('"7"', '0.0456')
  gateway.signal('SIGHUP')
  await expect.poll(async () => JSON.stringify(await shownTo('boss')), { timeout: 15_000 }).toMatch(/other-team.*0\.0456/)
  expect(await shownTo('few')).toMatchObject({ file: null, changes: [], refused: null })
  write('none', '0.0456')
  gateway.signal('SIGHUP')
  await expect.poll(async () => (await shownTo('boss')).refused?.problems.length, { timeout: 15_000 }).toBeGreaterThan(0)
  expect(await shownTo('few')).toMatchObject({ file: null, changes: [], refused: { problems: [] } })
})
