import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, test } from 'vitest'
import type { GenerationRequest } from '#contract'
import type { GenerationRecord } from '../../../src/core/records.ts'
import { Refusal } from '../../../src/core/generation/accept.ts'
import type { Accept } from '../../../src/core/generation/accept.ts'
import { createCompare } from '../../../src/core/comparisons/compare.ts'
import { createIdempotency, IdempotencyMismatch } from '../../../src/core/generation/idempotency.ts'
import type { Ports, Store } from '../../../src/core/ports.ts'
import { migrate } from '../../../src/store/sqlite/migrations.ts'
import { sqliteStore } from '../../../src/store/sqlite/store.ts'
import { generationRecord, routeTo } from '../../store/records.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const request: GenerationRequest = { model: 'm', prompt: 'p', provider: { allow_fallbacks: false, max_price_usd: '1' } }

let store: Store
let now: number
let logged: object[]
beforeEach(() => {
  const database = new DatabaseSync(':memory:')
  migrate(database)
  store = sqliteStore(database)
  now = 1_000
  logged = []
})

type Begin = (provider: string, idempotencyKey: string) => string

/** A gateway whose offers are `north`, `south` and, never eligible, `west`; `begin` decides what asking one comes to. */
function gateway(begin: Begin = (provider) => `gen_${provider}`, isSandbox = true, quoted: string | null = null) {
  const asked: { request: GenerationRequest; idempotencyKey: string; comparison: string }[] = []
  const planned: GenerationRequest[] = []
  const prepare: Accept['prepare'] = async (one, _key, agree): Promise<GenerationRecord> => {
    planned.push(one)
    const isAllowed = (provider: string) => provider !== 'west' && (one.provider?.only?.includes(provider) ?? true)
    const considered = ['north', 'south', 'west'].map((provider) => ({
      provider,
      eligible: isAllowed(provider),
      fidelity: isAllowed(provider) ? ('exact' as const) : null,
      quoted,
      latency_ms: null,
      latency_samples: null,
      reasons: isAllowed(provider) ? [] : [`not ${provider}`],
    }))
    if (!considered.some(({ eligible }) => eligible))
      throw new Refusal(
        'no_eligible_offer',
        'nobody',
        considered.map(({ provider, reasons }) => ({ path: provider, message: reasons.join('; ') })),
      )
    agree?.(considered)
    return generationRecord('gen_planned', {
      routes: considered.filter(({ eligible }) => eligible).map(({ provider }) => routeTo(provider)),
      routing: { strategy: 'price', considered },
    })
  }
  const compare = createCompare({
    admit: () => null,
    ports: {
      store,
      clock: { now: () => now, monotonicMs: () => now, after: () => () => {} },
      settings: { sandbox: isSandbox } as Ports['settings'],
      log: { info() {}, warn() {}, error: (fields) => void logged.push(fields) },
    },
    accept: { prepare },
    installed: () => ['north', 'south', 'west', 'east'],
    shownTo: () => ['north', 'south', 'west', 'east'],
    run: { wait: (id) => store.generation(id) },
    idempotency: createIdempotency(store, { now: () => now, of: (instant) => now - instant }),
    newId: () => 'cmp_1',
    countPurchases: () => Promise.resolve(),
    async beginGeneration(one, _key, idempotencyKey, { comparison }) {
      asked.push({ request: one, idempotencyKey, comparison })
      return { id: begin(one.provider?.only?.[0] ?? '', idempotencyKey) }
    },
    links: plainLinks('http://x'),
  })
  return { compare, asked, planned }
}

const entries = async () => (await store.comparison('cmp_1'))?.entries

describe('beginning a comparison', () => {
  test('asks each provider by itself with every other field as it came, and plans with none left out', async () => {
    const { compare, asked, planned } = gateway()
    await compare.begin({ request }, 'team')
    expect(planned[0]?.provider).toEqual({ allow_fallbacks: true, max_price_usd: '1' })
    expect(asked).toEqual(
      ['north', 'south'].map((provider) => ({
        request: { ...request, provider: { allow_fallbacks: false, max_price_usd: '1', only: [provider] } },
        idempotencyKey: `cmp_1/${provider}`,
        comparison: 'cmp_1',
      })),
    )
    expect(await entries()).toEqual([
      { kind: 'begun', provider: 'north', generationId: 'gen_north' },
      { kind: 'begun', provider: 'south', generationId: 'gen_south' },
      { kind: 'ineligible', provider: 'west', reasons: ['not west'] },
    ])
    expect(await store.comparison('cmp_1')).toMatchObject({ key: 'team', unbegun: null })
  })

  test('asks a provider named twice once, and in the order they were named', async () => {
    const { compare, asked } = gateway()
    await compare.begin({ request, providers: ['south', 'north', 'south'] }, null)
    expect(asked.map(({ request: { provider } }) => provider?.only)).toEqual([['south'], ['north']])
  })

  test('that nobody can take keeps nothing', async () => {
    const { compare } = gateway()
    const refused = compare.begin({ request, providers: ['west', 'east'] }, null)
    await expect(refused).rejects.toMatchObject({
      code: 'no_eligible_offer',
      errors: [
        { path: 'west', message: 'not west' },
        { path: 'east', message: 'providers: east has no offer of m.' },
      ],
    })
    expect(await store.comparison('cmp_1')).toBeNull()
  })

  test('keeps a refusal at the last step, such as a budget’s, as that provider’s row', async () => {
    const { compare } = gateway((provider) => {
      if (provider === 'south') throw new Refusal('budget_exceeded', 'nothing is left')
      return 'gen_north'
    })
    await compare.begin({ request }, null)
    expect((await entries())?.[1]).toEqual({ kind: 'refused', provider: 'south', code: 'budget_exceeded', reasons: ['nothing is left'] })
  })
})

describe('a ceiling of all rows together', () => {
  const shared = { request, isCeilingShared: true }
  const ceilings = ({ asked }: ReturnType<typeof gateway>) => asked.map((one) => one.request.provider?.max_price_usd)

  test('is held against what the plan costs, and each row is begun at most at its part of it, after a crash too', async () => {
    const crashing = gateway(
      () => {
        throw new Error('the disk is full')
      },
      true,
      '0.4',
    )
    await crashing.compare.begin(shared, null)
    expect(ceilings(crashing)).toEqual(['0.4', '0.4'])
    const dearer = gateway(undefined, true, '0.9')
    await dearer.compare.resume()
    expect(ceilings(dearer)).toEqual(['0.4', '0.4'])
  })

  test('that the plan exceeds refuses it whole; as the ceiling of each row it is not exceeded', async () => {
    const { compare, asked } = gateway(undefined, true, '0.6')
    await expect(compare.begin(shared, null)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(
        /^max_price_usd: the comparison is quoted at 1\.2 USD \(north 0\.6, south 0\.6\), and at most 1 is allowed/,
      ),
    })
    expect(asked).toEqual([])
    const each = gateway(undefined, true, '0.6')
    await each.compare.begin({ request }, null)
    expect(ceilings(each)).toEqual(['1', '1'])
  })

  test('is not judged again where the key was used: what was bought is answered, whatever it costs now', async () => {
    await gateway(undefined, true, '0.4').compare.begin(shared, null, 'k')
    expect(await gateway(undefined, true, '0.9').compare.begin(shared, null, 'k')).toMatchObject({ id: 'cmp_1', replayed: true })
  })
})

describe('a crash while a comparison is being begun', () => {
  const breaksAtSouth: Begin = (provider) => {
    if (provider === 'south') throw new Error('the disk is full')
    return 'gen_north'
  }
  /** It is on disk, which is no error for its caller. */
  const accepted = async (key?: string): Promise<void> => {
    expect(await gateway(breaksAtSouth).compare.begin({ request }, null, key)).toMatchObject({ id: 'cmp_1', replayed: false })
  }

  test('leaves who was asked and who was not on disk; the next start asks the rest with the same keys', async () => {
    await accepted()
    expect(await entries()).toMatchObject([{ kind: 'begun', generationId: 'gen_north' }, { kind: 'planned', provider: 'south' }, {}])
    const { compare, asked } = gateway()
    expect(await compare.resume()).toBe(1)
    expect(asked.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['cmp_1/south'])
    expect(await entries()).toMatchObject([{ generationId: 'gen_north' }, { generationId: 'gen_south' }, {}])
    expect(await compare.resume()).toBe(0)
  })

  test('is made good by posting again with the same Idempotency-Key, as the same comparison', async () => {
    await accepted('k')
    const { compare } = gateway()
    expect(await compare.begin({ request }, null, 'k')).toMatchObject({ id: 'cmp_1', replayed: true })
    expect((await entries())?.[1]).toEqual({ kind: 'begun', provider: 'south', generationId: 'gen_south' })
    await expect(compare.begin({ request: { ...request, seed: 1 } }, null, 'k')).rejects.toBeInstanceOf(IdempotencyMismatch)
  })

  test('never asks again after the keys are forgotten: the row says that it is not known', async () => {
    await accepted()
    now += DAY_MS + 1
    const { compare, asked } = gateway()
    await compare.resume()
    expect(asked).toEqual([])
    expect((await entries())?.[1]).toMatchObject({ kind: 'refused', provider: 'south', code: 'outcome_unknown' })
  })

  test('in a sandbox is not made good with real providers: nobody is asked, and the row says why', async () => {
    await accepted()
    const { compare, asked } = gateway(undefined, false)
    await compare.resume()
    expect(asked).toEqual([])
    const reasons = [expect.stringContaining('begun in the sandbox')]
    expect((await entries())?.[1]).toEqual({ kind: 'refused', provider: 'south', code: 'provider_unavailable', reasons })
    expect(await compare.resume()).toBe(0)
  })

  test('whose cause is still there at the next start is logged and does not stop the start', async () => {
    await accepted()
    expect(await gateway(breaksAtSouth).compare.resume()).toBe(1)
    expect(logged).toMatchObject([{ comparison: 'cmp_1' }, { comparison: 'cmp_1' }])
  })
})
