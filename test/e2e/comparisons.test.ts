import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Comparison } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import { ComparisonList } from '../../src/http/api/comparisons.ts'
import { hashOfKey } from '../../src/http/access.ts'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { FIXTURE_PROVIDERS, json, problem, launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

async function compare(body: object, headers: Record<string, string> = {}, at: Gateway = gateway): Promise<Comparison> {
  const reply = await at.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a lighthouse', ...body }, headers)
  if (reply.status !== 200 && reply.status !== 202) throw new Error(`${reply.status}: ${await reply.text()}`)
  return Comparison.parse(await reply.json())
}

const row = ({ summary }: Comparison, provider: string) => summary.find((one) => one.provider === provider)
const count = async (at: Gateway): Promise<number> =>
  (await json<{ data: readonly unknown[] }>(await at.ask('/v1/generations?limit=100'))).data.length

interface ServerEvent {
  readonly id: string
  readonly type: string
  readonly data: {
    readonly provider?: string
    readonly status: string
    readonly type?: string
    readonly progress?: number | null
    readonly generation?: { readonly status: string; readonly comparison: string | null; readonly images: readonly unknown[] }
    readonly summary?: readonly unknown[]
  }
}

async function events(url: string, headers: Record<string, string> = {}): Promise<readonly ServerEvent[]> {
  const text = await (await fetch(url, { headers })).text()
  return [...text.matchAll(/^id: (\S+)\nevent: (\S+)\ndata: (.*)$/gm)].map(([, id = '', type = '', data = '']) => ({
    id,
    type,
    data: JSON.parse(data) as ServerEvent['data'],
  }))
}

const facts = ({ type, data }: ServerEvent): string => [type, data.provider, data.type, data.progress, data.status].join(' ')

describe('a comparison', () => {
  test('that no provider can take is refused with the reason of each, and nothing is bought', async () => {
    const before = await count(gateway)
    const reply = await gateway.post('/v1/comparisons', {
      model: 'flux-2-pro',
      prompt: 'x',
      width: 1000,
      height: 1001,
      on_unsupported: 'reject',
    })
    expect(reply.status).toBe(422)
    const refused = await problem(reply)
    expect(refused.code).toBe('no_eligible_offer')
    expect(refused.errors?.map(({ path }) => path).toSorted()).toEqual(['bfl', 'runware', 'vtrix'])
    expect(await count(gateway)).toBe(before)
    expect(ComparisonList.parse(await json(await gateway.ask('/v1/comparisons'))).data).toEqual([])
  })

  test('at a provider that does not sell the model is refused with the reason of that one alone', async () => {
    const reply = await gateway.post('/v1/comparisons', { model: 'flux-2-flex', prompt: 'x', providers: ['vtrix'] })
    expect(reply.status).toBe(422)
    expect((await problem(reply)).errors?.map(({ path }) => path)).toEqual(['vtrix'])
  })

  test.each([
    ['an unknown field', { colour: 'red' }, 'colour'],
    ['an empty list of providers', { providers: [] }, 'providers'],
    ['a width without a height', { width: 512 }, 'height'],
  ])('with %s is a problem that names it', async (_, more, path) => {
    const reply = await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'x', ...more })
    expect([reply.status, (await problem(reply)).errors?.[0]?.path]).toEqual([400, path])
  })

  test('of an unknown model is 404', async () => {
    const reply = await gateway.post('/v1/comparisons', { model: 'no-such', prompt: 'x' })
    expect([reply.status, (await problem(reply)).code]).toEqual([404, 'model_not_found'])
  })

  test('that is not there, or another key’s, is 404', async () => {
    for (const path of ['/v1/comparisons/cmp_none', '/v1/comparisons/cmp_none/events']) expect((await gateway.ask(path)).status).toBe(404)
    const hash = (name: string) => `{ name: ${name}, key_hash: "${hashOfKey(`${name}-key`)}" }`
    const keyed = await launchGateway({ config: `keys: [${hash('one')}, ${hash('two')}]` })
    try {
      const as = (name: string) => ({ authorization: `Bearer ${name}-key` })
      const { id } = await compare({}, as('one'), keyed)
      expect((await keyed.ask(`/v1/comparisons/${id}`, { headers: as('one') })).status).toBe(200)
      expect((await keyed.ask(`/v1/comparisons/${id}`, { headers: as('two') })).status).toBe(404)
      const list = async (name: string) => ComparisonList.parse(await json(await keyed.ask('/v1/comparisons', { headers: as(name) }))).data
      expect([(await list('one')).length, (await list('two')).length]).toEqual([1, 0])
    } finally {
      await keyed.close()
    }
  })

  test('runs at every provider that can take it and sets them side by side', async () => {
    const comparison = await compare({ width: 768, height: 512, seed: 4, metadata: { run: 'all' } })
    expect(comparison).toMatchObject({ object: 'comparison', status: 'succeeded', sandbox: true, request: { width: 768, seed: 4 } })
    expect(comparison.summary.map(({ provider }) => provider).toSorted()).toEqual(['bfl', 'runware', 'vtrix'])
    expect(comparison.generations.map((generation) => generation.comparison)).toEqual(comparison.generations.map(() => comparison.id))
    expect((await gateway.generate({})).comparison).toBeNull()
    for (const one of comparison.summary) {
      const generation = comparison.generations.find(({ id }) => id === one.generation_id)
      expect(generation).toMatchObject({ provider: one.provider, status: 'succeeded', metadata: { run: 'all' }, request: { seed: 4 } })
      expect(one).toMatchObject({ status: 'succeeded', width: 768, height: 512, images: 1, error_code: null, reasons: [] })
      expect([one.amount, one.total_ms, one.bytes]).toEqual([
        generation?.cost.amount,
        generation?.timing.total_ms,
        generation?.images[0]?.bytes,
      ])
    }
    expect(comparison.summary.map(({ vs_cheapest: above }) => above)).toContain('+0%')
    const last = comparison.generations
      .map((generation) => generation.completed_at ?? '')
      .toSorted()
      .at(-1)
    expect(comparison.completed_at).toBe(last)
  })

  test('keeps a provider’s failure as a row, and asks nobody else instead', async () => {
    const comparison = await compare({ prompt: 'a lighthouse sandbox:error@bfl', providers: ['runware', 'bfl'] })
    expect(comparison.status).toBe('succeeded')
    expect(comparison.summary.map(({ provider, status }) => [provider, status])).toEqual([
      ['runware', 'succeeded'],
      ['bfl', 'failed'],
    ])
    expect(row(comparison, 'bfl')).toMatchObject({ vs_cheapest: null, images: 0, bytes: null, error_code: expect.stringMatching(/./) })
    const failed = comparison.generations.find(({ id }) => id === row(comparison, 'bfl')?.generation_id)
    expect(new Set(failed?.attempts.map(({ provider }) => provider))).toEqual(new Set(['bfl']))
  })

  test('in which everybody fails has failed', async () => {
    const comparison = await compare({ prompt: 'sandbox:moderated', providers: ['bfl', 'runware'] })
    expect(comparison.status).toBe('failed')
    expect(comparison.summary.map(({ error_code: code }) => code)).toEqual(['moderated', 'moderated'])
  })

  test('keeps a provider that cannot take it as a row with the reason, unasked', async () => {
    const comparison = await compare({ safety_tolerance: 0 })
    expect(comparison.status).toBe('succeeded')
    expect(comparison.generations).toHaveLength(2)
    expect(row(comparison, 'vtrix')).toMatchObject({
      status: 'ineligible',
      error_code: 'no_eligible_offer',
      generation_id: null,
      quoted: null,
      reasons: [expect.stringContaining('safety_tolerance')],
    })
  })

  test('keeps what the request says of providers beside its own list', async () => {
    const comparison = await compare({ provider: { ignore: ['bfl'], max_price_usd: '0.03' } })
    expect(Object.fromEntries(comparison.summary.map(({ provider, status }) => [provider, status]))).toEqual({
      bfl: 'ineligible',
      runware: 'succeeded',
      vtrix: 'ineligible',
    })
    expect(row(comparison, 'bfl')?.reasons).toEqual(['provider.ignore: bfl is in it.'])
  })

  test('shows its references by their ids', async () => {
    const first = await gateway.generate({ width: 640, height: 448 })
    const comparison = await compare({ prompt: 'at night', reference_images: [{ image: first.images[0]?.id }] })
    expect(comparison.request['reference_images']).toEqual([
      { image: first.images[0]?.id, sha256: first.images[0]?.sha256, width: 640, height: 448 },
    ])
    expect(comparison.summary.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded'])
  })
})

describe('waiting for a comparison', () => {
  test('that does not end in time is answered 202 with its Location, where it is read at once or waited for', async () => {
    const slow = await launchGateway({ typicalMs: 1_000 })
    try {
      const reply = await slow.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'x' }, { prefer: 'respond-async' })
      expect([reply.status, reply.headers.get('preference-applied')]).toEqual([202, 'respond-async'])
      const location = reply.headers.get('location') ?? ''
      expect(await json(reply)).toMatchObject({ status: 'running', completed_at: null })
      expect(await json(await slow.ask(location))).toMatchObject({ status: 'running' })
      expect(await json(await slow.ask(location, { headers: { prefer: 'wait=60' } }))).toMatchObject({ status: 'succeeded' })
    } finally {
      await slow.close()
    }
  })

  test('sends each row by its events as it ends, then the whole; Last-Event-ID resumes without a gap or a repetition', async () => {
    const slow = await launchGateway({ typicalMs: 40 })
    try {
      const { id } = await compare({ prompt: 'sandbox:slow@bfl', safety_tolerance: 0 }, { prefer: 'respond-async' }, slow)
      const url = `${slow.url}/v1/comparisons/${id}/events`
      const everything = await events(url)
      const of = (provider: string) => everything.filter(({ type, data }) => type === 'generation' && data.provider === provider)
      for (const provider of ['runware', 'bfl']) {
        const kinds = of(provider).map(({ data }) => data.type)
        expect([...new Set(kinds)]).toEqual(['queued', 'running', ...(kinds.includes('progress') ? ['progress'] : []), 'succeeded'])
        expect(of(provider).at(-1)?.data.generation).toMatchObject({ status: 'succeeded', comparison: id, images: [{ width: 1024 }] })
      }
      // Wherever a client stops reading, what it has had and what comes after it are everything, once.
      for (const [index, event] of everything.entries()) {
        const after = event === everything.at(-1) ? [] : await events(url, { 'last-event-id': event.id })
        expect(after.map(facts).toSorted()).toEqual(
          everything
            .slice(index + 1)
            .map(facts)
            .toSorted(),
        )
      }
      const all = everything.filter(({ type }) => type !== 'generation')
      expect(all.map(({ type, data }) => [type, data.provider, data.status])).toEqual([
        ['row', 'vtrix', 'ineligible'],
        ['row', 'runware', 'succeeded'],
        ['row', 'bfl', 'succeeded'],
        ['succeeded', undefined, 'succeeded'],
      ])
      expect(all.at(-1)?.data.summary).toHaveLength(3)
      const again = (await events(url)).filter(({ type }) => type !== 'generation')
      expect(again.map(({ type, data }) => [type, data.provider])).toEqual(all.map(({ type, data }) => [type, data.provider]))
      // As ids were before they named changes.
      const rest = (await events(url, { 'last-event-id': '2.1' })).filter(({ type }) => type !== 'generation')
      expect(rest.map(({ type, data }) => [type, data.provider])).toEqual([
        ['row', 'bfl'],
        ['succeeded', undefined],
      ])
    } finally {
      await slow.close()
    }
  })
})

describe('an Idempotency-Key', () => {
  test('makes one comparison however often it is posted, and another body is refused', async () => {
    const before = await count(gateway)
    const ask = (body: object) =>
      gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'once', ...body }, { 'idempotency-key': 'cmp-1' })
    const replies = await Promise.all(Array.from({ length: 8 }, () => ask({})))
    const comparisons = await Promise.all(replies.map((reply) => json<Comparison>(reply)))
    expect(new Set(comparisons.map(({ id }) => id)).size).toBe(1)
    expect(new Set(comparisons.map(({ summary }) => summary.map((one) => one.generation_id).join())).size).toBe(1)
    expect(replies.filter((reply) => reply.headers.get('idempotent-replayed') === 'true')).toHaveLength(7)
    expect(await count(gateway)).toBe(before + 3)
    expect((await ask({ providers: ['bfl'] })).status).toBe(422)
  })

  test('of a generation may be the key of a comparison too', async () => {
    const headers = { 'idempotency-key': 'both' }
    const generation = await gateway.generate({}, headers)
    const comparison = await compare({}, headers)
    expect(comparison.generations.map(({ id }) => id)).not.toContain(generation.id)
  })
})

describe('the list', () => {
  test('is newest first and pages by cursor', async () => {
    const ids: string[] = []
    for (const providers of [['bfl'], ['runware'], ['vtrix']]) ids.push((await compare({ providers })).id)
    const list = async (query: string) => ComparisonList.parse(await json(await gateway.ask(`/v1/comparisons?${query}`)))
    const first = await list('limit=2')
    expect(first.data.map(({ id }) => id)).toEqual([ids[2], ids[1]])
    expect(first.has_more).toBe(true)
    expect((await list(`limit=1&cursor=${first.next_cursor}`)).data.map(({ id }) => id)).toEqual([ids[0]])
    expect((await gateway.ask('/v1/comparisons?cursor=nonsense')).status).toBe(400)
  })
})

describe('a restart in the middle', () => {
  test('loses nothing: what was bought is delivered under the same comparison, and nothing is bought again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-compare-'))
    const dataDirectory = join(folder, 'data')
    const { emulators, config } = await standingVendors()
    try {
      const first = await launchGateway({ dataDirectory, config })
      const begun = await compare({ prompt: 'a lighthouse' }, { prefer: 'respond-async', 'idempotency-key': 'k' }, first)
      expect(begun.status).toBe('running')
      await first.close()
      const second = await launchGateway({ dataDirectory, config })
      try {
        const reply = await second.ask(`/v1/comparisons/${begun.id}`, { headers: { prefer: 'wait=60' } })
        const ended = Comparison.parse(await json(reply))
        expect(ended.status).toBe('succeeded')
        expect(ended.summary.map((one) => one.generation_id)).toEqual(begun.summary.map((one) => one.generation_id))
        expect(ended.summary.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded'])
        const replayed = await compare({ prompt: 'a lighthouse' }, { 'idempotency-key': 'k' }, second)
        expect(replayed.id).toBe(begun.id)
        expect(emulators.map((emulator) => emulator.submits())).toEqual([1, 1, 1])
      } finally {
        await second.close()
      }
    } finally {
      await Promise.all(emulators.map((emulator) => emulator.close()))
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

/** Emulated vendors that outlive a gateway, and the configuration that calls them. */
async function standingVendors() {
  const catalogue = await loadCatalogue()
  const ids = [...catalogue.providers.keys()].filter((id) => FIXTURE_PROVIDERS.some((fixture) => fixture === id))
  const emulators = await Promise.all(ids.map(async (id) => (await catalogue.loadEmulator(id))({ typicalMs: 600 })))
  const providers = ids.map((id, index) => `  ${id}: { api_key: ${SANDBOX_KEY}, base_url: "${emulators[index]?.url}" }`)
  return { emulators, config: `providers:\n${providers.join('\n')}\n` }
}
