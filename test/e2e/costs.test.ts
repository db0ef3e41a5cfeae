import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CostReport, type Generation } from '#contract'
import { useRealSockets } from '../transport/real-sockets.ts'
import { launchProcess } from './gateway-process.ts'
import { json, problem } from './gateway.ts'
import type { Gateway } from './gateway.ts'

useRealSockets()

let gateway: Gateway
const bought: Record<string, Generation> = {}

beforeAll(async () => {
  gateway = await launchProcess()
  const size = { width: 1024, height: 1024 }
  bought['bfl'] = await gateway.generate({ ...size, model: 'bfl/flux-2-pro', metadata: { project: '=north' } })
  bought['runware'] = await gateway.generate({ width: 1536, height: 1024, model: 'runware/flux-2-pro', n: 2 })
  bought['flex'] = await gateway.generate({ ...size, model: 'bfl/flux-2-flex' })
  bought['moderated'] = await gateway.generate({ ...size, model: 'bfl/flux-2-pro', prompt: 'sandbox:moderated-output' })
  bought['lost'] = await gateway.generate({ ...size, model: 'bfl/flux-2-pro', prompt: 'sandbox:lost-reply' })
}, 120_000)
afterAll(() => gateway.close())

const costs = async (query = '') => json<CostReport>(await gateway.ask(`/v1/costs?${query}`))

describe('GET /v1/costs', () => {
  test('groups by provider unless asked otherwise, and has what its schema says', async () => {
    const report = await costs()
    expect(CostReport.parse(report)).toEqual(report)
    expect(report.groups.map(({ group }) => group)).toEqual([{ provider: 'bfl' }, { provider: 'runware' }])
    expect(report.total).toMatchObject({ generations: 5, images: 4, unknown_cost_generations: 1, wasted: { unknown: '0.03' } })
    expect(report.budgets).toEqual([])
  })

  test('has the same amounts as the generations', async () => {
    const { groups } = await costs('group_by=model,provider')
    const spent = (model: string, provider: string) =>
      groups.find(({ group }) => group['model'] === model && group['provider'] === provider)?.spend
    expect(spent('flux-2-flex', 'bfl')).toBe(bought['flex']?.cost.amount)
    expect(spent('flux-2-pro', 'runware')).toBe(bought['runware']?.cost.amount)
  })

  test('says what the same would have cost at every other provider', async () => {
    const { groups } = await costs('group_by=model')
    const flex = groups.find(({ group }) => group['model'] === 'flux-2-flex')
    expect(flex?.what_if).toEqual([
      {
        provider: 'runware',
        amount: '0.06',
        spent: '0.05',
        vs_spent: '+20.0%',
        images: 1,
        not_priced: 0,
        cost_unknown: 0,
        full_coverage: true,
        rank: 2,
        vs_cheapest: '+20.0%',
        leaves_out: [],
      },
    ])
    expect(flex?.cheapest).toMatchObject({
      provider: 'bfl',
      amount: '0.05',
      saving: '0',
      next: { provider: 'runware', vs_cheapest: '+20.0%' },
    })
    const pro = groups.find(({ group }) => group['model'] === 'flux-2-pro')
    expect(pro?.what_if.at(-1)).toMatchObject({
      provider: 'vtrix',
      amount: null,
      images: 0,
      not_priced: 3,
      full_coverage: false,
      rank: null,
      vs_cheapest: null,
      leaves_out: [{ images: 3, reason: 'flux-2-pro has no published price there' }],
    })
  })

  test('answers in one call which provider is cheapest for images like these, and by how much', async () => {
    const month = new Date().toISOString().slice(0, 7)
    const like = await costs('model=flux-2-pro&megapixels=2&fidelity=exact&group_by=month,megapixels,fidelity')
    expect(like.groups.map(({ group, spend }) => [group, spend])).toEqual([[{ month, megapixels: '2', fidelity: 'exact' }, '0.09']])
    expect(like).toMatchObject({
      filters: { model: 'flux-2-pro', megapixels: 2, fidelity: 'exact' },
      total: { count: 1, images: 2, spend: bought['runware']?.cost.amount },
      cheapest: { provider: 'bfl', amount: '0.09', spent: '0.09', saving: '0', next: { provider: 'runware', vs_cheapest: '+0.0%' } },
    })
    expect(like.what_if).toEqual(like.total.what_if)
  })

  test.each([
    ['provider=runware', ['runware']],
    ['model=flux-2-flex', ['flex']],
    ['metadata.project=%3Dnorth', ['bfl']],
    ['metadata.project=south', []],
    ['megapixels=1&model=flux-2-pro', ['bfl', 'moderated', 'lost']],
    ['provider=bfl&metadata.project=%3Dnorth&megapixels=1', ['bfl']],
  ])('filters by %s, rows of the CSV too', async (query, names) => {
    const expected = names.map((name) => bought[name]?.id ?? name).toSorted()
    expect((await costs(query)).total.count).toBe(names.length)
    const text = await (await gateway.ask(`/v1/costs?${query}&format=csv`)).text()
    const ids = text
      .split('\r\n')
      .slice(1, -1)
      .map((line) => line.split(',')[1] ?? '')
    expect([...new Set(ids)].toSorted()).toEqual(expected)
  })

  test.each([
    ['provider=runwear', 'provider', 'did you mean "runware"?'],
    ['provider=dall-e', 'provider', 'there are bfl, runware, vtrix'],
    ['model=flux-2-por', 'model', 'did you mean "flux-2-pro"?'],
    ['model=bfl/flux-2-pro', 'model', 'did you mean "flux-2-pro"?'],
    ['key=team', 'key', 'there is no key "team"'],
    ['megapixels=1.5', 'megapixels', 'rounded up'],
    ['group_by=vendor', 'group_by', 'did you mean "provider"?'],
    ['group_by=provider,moth', 'group_by', 'did you mean "month"?'],
    ['group_by=size', 'group_by', 'did you mean "megapixels"?'],
    ['since=2026-11-01', 'since', 'did you mean "from"?'],
    ['modle=flux-2-pro', 'modle', 'did you mean "model"?'],
    ['groupby=day', 'groupby', 'did you mean "group_by"?'],
    ['metadata=north', 'metadata', 'metadata.<key>'],
  ])('refuses %s with the nearest right name, as JSON and as CSV', async (query, path, message) => {
    for (const format of ['json', 'csv']) {
      const reply = await gateway.ask(`/v1/costs?${query}&format=${format}`)
      expect(reply.status).toBe(400)
      expect((await problem(reply)).errors).toContainEqual({ path, message: expect.stringContaining(message) })
    }
  })

  test('takes days as whole days and instants as they are', async () => {
    const today = new Date().toISOString().slice(0, 10)
    expect((await costs(`from=${today}&to=${new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)}`)).total.generations).toBe(5)
    expect((await costs('to=2026-01-01')).total.generations).toBe(0)
    const at = encodeURIComponent(bought['flex']?.completed_at ?? '')
    expect((await costs(`from=${at}`)).total.generations).toBeLessThan(5)
    expect((await costs('from=&to=')).total.generations).toBe(5)
  })

  test('as CSV has a row for each attempt, with the vendor’s task id and the asked metadata', async () => {
    const reply = await gateway.ask('/v1/costs?format=csv&group_by=metadata.project')
    expect(reply.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present')
    expect(reply.headers.get('content-disposition')).toContain('.csv')
    const [header = '', ...lines] = (await reply.text()).split('\r\n')
    expect(lines.pop()).toBe('')
    const rows = lines.map((line) => Object.fromEntries(line.split(',').map((cell, index) => [header.split(',')[index], cell])))
    const attempts = Object.values(bought).flatMap((generation) => generation.attempts)
    expect(rows).toHaveLength(attempts.length)
    expect(new Set(rows.map((row) => row['provider_task_id']))).toEqual(new Set(attempts.map((attempt) => attempt.provider_task_id ?? '')))
    expect(rows.find((row) => row['generation_id'] === bought['bfl']?.id)).toMatchObject({
      provider: 'bfl',
      provider_model: 'flux-2-pro',
      width: '1024',
      height: '1024',
      amount_usd: '0.03',
      quoted_usd: '0.03',
      basis: 'billed',
      created_at: bought['bfl']?.created_at,
      megapixels: '1',
      fidelity: 'exact',
      group: "'=north",
      'metadata.project': "'=north",
    })
    expect(rows.find((row) => row['generation_id'] === bought['lost']?.id)).toMatchObject({
      amount_usd: '',
      basis: 'unknown',
      error_code: 'outcome_unknown',
    })
  })

  test.each([
    ['group_by=vendor', 'group_by', /provider, model, day, month, key, megapixels, fidelity, metadata/],
    ['group_by=metadata.', 'group_by', /metadata/],
    [
      'group_by=metadata.a,metadata.b,metadata.c,metadata.d,metadata.e,metadata.f,metadata.g,metadata.h,metadata.i',
      'group_by',
      /at most 8/,
    ],
    ['from=yesterday', 'from', /2026-11-21/],
    ['from=2026-02-30', 'from', /2026-11-21/],
    ['to=11/21/2026', 'to', /2026-11-21/],
    ['from=2026-11-02&to=2026-10-31', 'to', /before from/],
    ['format=xml', 'format', /json/],
    ['until=2026-11-02', 'until', /unknown field/],
    ['from=2026-11-01&from=2026-11-02', 'from', /string/],
  ])('refuses %s and names the field', async (query, path, message) => {
    const reply = await gateway.ask(`/v1/costs?${query}`)
    expect(reply.status).toBe(400)
    expect((await problem(reply)).errors).toContainEqual({ path, message: expect.stringMatching(message) })
  })

  test('is described in the OpenAPI document', async () => {
    const document = await json<{ paths: Record<string, unknown>; components: { schemas: Record<string, unknown> } }>(
      await gateway.ask('/openapi.json'),
    )
    expect(JSON.stringify(document.paths['/v1/costs'])).toContain('metadata.<key>')
  })
})
