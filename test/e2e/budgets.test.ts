import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterEach, describe, expect, test } from 'vitest'
import type { CostReport, Generation, Quote } from '#contract'
import { json, problem, launchGateway, type Gateway } from './gateway.ts'

const keyHash = (key: string) => createHash('sha256').update(key).digest('hex')
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

let gateway: Gateway | null = null
afterEach(async () => {
  await gateway?.close()
  gateway = null
})

const withKeys = async (keys: string, rest = ''): Promise<Gateway> => (gateway = await launchGateway({ config: `keys:\n${keys}\n${rest}` }))
const team = (fields: string) => `  - { name: team, key_hash: ${keyHash('team')}, ${fields} }`
const request = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 1024, height: 1024 }
const costs = async (from: Gateway, query = '', key = 'team') =>
  json<CostReport>(await from.ask(`/v1/costs?${query}`, { headers: bearer(key) }))

describe('a budget', () => {
  test('that fits 7 requests lets 200 at once buy exactly 7, and refuses the rest with what is left', async () => {
    const server = await withKeys(team('budget_usd: "0.21"'))
    const replies = await Promise.all(Array.from({ length: 200 }, () => server.post('/v1/generations', request, bearer('team'))))
    const bought = replies.filter(({ status }) => status === 200)
    expect(bought).toHaveLength(7)
    const generations = await Promise.all(bought.map((reply) => json<Generation>(reply)))
    expect(generations.map(({ status }) => status)).toEqual(Array(7).fill('succeeded'))
    const refused = replies.filter(({ status }) => status === 402)
    expect(refused).toHaveLength(193)
    expect(await problem(refused[0] as Response)).toMatchObject({
      code: 'budget_exceeded',
      detail: expect.stringMatching(/0 of 0\.21 USD is left; it renews at \d{4}-\d\d-01T00:00:00\.000Z/),
    })
    const report = await costs(server)
    expect(report.total).toMatchObject({ spend: '0.21', generations: 7, images: 7, cost_per_image: '0.03' })
    expect(report.budgets).toEqual([expect.objectContaining({ key: 'team', limit: '0.21', used: '0.21', left: '0', period: 'month' })])
    const again = await server.post('/v1/generations', request, bearer('team'))
    expect([again.status, (await problem(again)).code]).toEqual([402, 'budget_exceeded'])
  })

  test('counts references behind links at their real size, in the purchase as in the quote', async () => {
    const large = await sharp({ create: { width: 2048, height: 1536, channels: 3, background: '#468' } })
      .jpeg()
      .toBuffer()
    const images = createServer((_, response) => response.setHeader('content-type', 'image/jpeg').end(large))
    await new Promise<void>((resolve) => images.listen(0, '127.0.0.1', resolve))
    const host = `127.0.0.1:${(images.address() as AddressInfo).port}`
    const server = await withKeys(team('budget_usd: "0.07"'), `network: { allow: ["${host}"] }`)
    // 0.03 + 3 × 0.015; at one megapixel it would be 0.045.
    const body = { ...request, reference_images: [`http://${host}/1.jpg`], provider: { only: ['bfl'] } }
    const reply = await server.post('/v1/generations', body, bearer('team'))
    expect([reply.status, await problem(reply)]).toEqual([
      402,
      expect.objectContaining({
        code: 'budget_exceeded',
        detail: expect.stringMatching(/^The quote exceeds what is left of the budget.*bfl: quoted at 0\.075/),
      }),
    ])
    expect((await costs(server)).total.generations).toBe(0)
    images.closeAllConnections()
    await new Promise((resolve) => images.close(resolve))
  })

  test('gives back what a generation provably did not cost', async () => {
    const server = await withKeys(team('budget_usd: "0.03", providers: [bfl]'))
    const first = await server.post('/v1/generations', { ...request, prompt: 'sandbox:no-credit' }, bearer('team'))
    expect((await json<Generation>(first)).cost.amount).toBe('0')
    expect((await costs(server)).budgets[0]).toMatchObject({ used: '0', left: '0.03' })
    expect((await server.post('/v1/generations', request, bearer('team'))).status).toBe(200)
  })

  test('refuses unpriced offers unless the key allows them, and then learns what they are billed', async () => {
    const only = { provider: { only: ['vtrix'] } }
    const strict = await withKeys(team('budget_usd: "1"'))
    const refused = await strict.post('/v1/generations', { ...request, ...only }, bearer('team'))
    expect([refused.status, (await problem(refused)).detail]).toEqual([422, expect.stringContaining('allow_unpriced')])
    await strict.close()
    const others = `  - { name: other, key_hash: ${keyHash('other')} }\n  - { name: boss, key_hash: ${keyHash('boss')}, admin: true }`
    const open = await withKeys(`${team('budget_usd: "1", allow_unpriced: true')}\n${others}`)
    const reply = await open.post('/v1/generations', { ...request, ...only }, bearer('team'))
    const { cost } = await json<Generation>(reply)
    expect(cost).toMatchObject({ quoted: null, basis: 'billed' })
    expect((await costs(open)).budgets[0]?.used).toBe(cost.amount)
    const quote = await json<Quote>(await open.post('/v1/quotes', { ...request, n: 3 }, bearer('team')))
    const vtrix = quote.offers.find(({ provider }) => provider === 'vtrix')
    expect(vtrix).toMatchObject({ cost: null, observed: { samples: 1, as_of: expect.stringMatching(/^20/) } })
    const seenBy = async (key: string) =>
      (await json<Quote>(await open.post('/v1/quotes', request, bearer(key)))).offers.find(({ provider }) => provider === 'vtrix')?.observed
    // What another key had made, and when, is its own.
    expect([await seenBy('other'), await seenBy('boss')]).toEqual([null, expect.objectContaining({ samples: 1 })])
    const other = await json<Quote>(await open.post('/v1/quotes', { ...request, width: 512, height: 512 }, bearer('team')))
    expect(other.offers.find(({ provider }) => provider === 'vtrix')?.observed).toBeNull()
  })
})

describe('a key', () => {
  test('may use its own models and providers only', async () => {
    const server = await withKeys(team('models: [flux-2-pro], providers: [runware]'))
    const model = await server.post('/v1/generations', { ...request, model: 'flux-2-flex' }, bearer('team'))
    expect([model.status, await problem(model)]).toEqual([
      404,
      expect.objectContaining({
        code: 'model_not_found',
        detail: expect.stringMatching(/^There is no model ".+"; this key may use others/),
      }),
    ])
    const provider = await server.post('/v1/generations', { ...request, model: 'bfl/flux-2-pro' }, bearer('team'))
    expect([provider.status, (await problem(provider)).detail]).toEqual([422, expect.stringContaining('key: team may not use bfl')])
    const allowed = await server.post('/v1/generations', request, bearer('team'))
    expect((await json<Generation>(allowed)).provider).toBe('runware')
  })

  test('sees its own costs; an admin key sees everybody’s', async () => {
    const keys = `${team('budget_usd: "5"')}\n  - { name: other, key_hash: ${keyHash('other')} }\n  - { name: boss, key_hash: ${keyHash('boss')}, admin: true }`
    const server = await withKeys(keys)
    await server.post('/v1/generations', request, bearer('team'))
    await server.post('/v1/generations', { ...request, metadata: { project: 'north' } }, bearer('other'))
    expect((await costs(server, 'group_by=key')).groups.map(({ group }) => group)).toEqual([{ key: 'team' }])
    expect((await costs(server, 'group_by=key', 'other')).budgets).toEqual([])
    const all = await costs(server, 'group_by=key,metadata.project', 'boss')
    expect(all.groups.map(({ group, spend }) => [group, spend])).toEqual([
      [{ key: 'other', 'metadata.project': 'north' }, '0.03'],
      [{ key: 'team', 'metadata.project': null }, '0.03'],
    ])
    expect([all.key, all.budgets.map(({ key }) => key)]).toEqual([null, ['team']])
    const csv = await (await server.ask('/v1/costs?format=csv', { headers: bearer('other') })).text()
    expect(csv.trim().split('\r\n')).toHaveLength(2)
  })
})
