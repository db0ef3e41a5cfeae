import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BadCursor, IdempotencyConflict, type IdempotencyEntry, type ListQuery, type Store, type UnitOfWork } from '../../src/core/ports.ts'
import { costDaysConformance } from './cost-days-conformance.ts'
import { deliveryConformance } from './delivery-conformance.ts'
import { keyConformance } from './key-conformance.ts'
import { ledgerConformance } from './ledger-conformance.ts'
import { settlement } from './ledger-entries.ts'
import { attemptRecord, comparisonRecord, generationRecord, imageRecord, routeTo } from './records.ts'
import { searchConformance } from './search-conformance.ts'

/** An empty folder or database. `open` opens it, and opens it again after it was closed. */
export interface StoreLocation {
  readonly open: () => Promise<Store>
  readonly remove: () => Promise<void>
}

/** What every store must do, whatever is behind it. */
export function storeConformance(name: string, makeLocation: () => Promise<StoreLocation>, { skip = false } = {}): void {
  describe.skipIf(skip)(`${name} as a store`, () => {
    let location: StoreLocation
    let store: Store

    beforeEach(async () => {
      location = await makeLocation()
      store = await location.open()
    })
    afterEach(async () => {
      await store.close()
      await location.remove()
    })

    const idsOf = async (query: Partial<ListQuery>) => (await store.list({ limit: 100, ...query })).records.map(({ id }) => id)
    const entry = (overrides: Partial<IdempotencyEntry> = {}): IdempotencyEntry => ({
      scope: 'team-a',
      key: 'order 1',
      bodyHash: 'hash',
      generationId: 'gen_1',
      createdAt: 1_000,
      ...overrides,
    })

    describe('keeping generations', () => {
      test('gives back a generation exactly as it was committed', async () => {
        const record = generationRecord('gen_1', {
          metadata: { __proto: 'x', 'späße "q"': '' },
          attempts: [attemptRecord('att_1', { results: [{ source: { kind: 'base64', data: 'AAAA' }, seed: '18446744073709551615' }] })],
        })
        await store.commit({ generations: [record] })
        expect(await store.generation('gen_1')).toEqual(record)
      })

      test('keeps what was said in an attempt with its generation, once, whichever unit comes again', async () => {
        const said = { generationId: 'gen_1', attempt: 2, complete: true, data: [] }
        await store.commit({ generations: [generationRecord('gen_1')], calls: [said] })
        await store.commit({ generations: [generationRecord('gen_1')], calls: [{ ...said, complete: false }] })
        await store.commit({ calls: [{ ...said, generationId: 'gen_none' }] })
        expect(await store.attemptCalls('gen_1', 2)).toEqual(said)
        expect([await store.attemptCalls('gen_1', 1), await store.attemptCalls('gen_none', 2)]).toEqual([null, null])
      })

      test('knows nothing of a generation nobody committed', async () => {
        expect(await store.generation('gen_1')).toBeNull()
      })

      test('gives back the latest of several saves, in one unit, in one turn and one after the other', async () => {
        const saved = (storeMs: number) => generationRecord('gen_1', { storeMs })
        await store.commit({ generations: [saved(1), saved(2)] })
        expect((await store.generation('gen_1'))?.storeMs).toBe(2)
        await Promise.all([store.commit({ generations: [saved(3)] }), store.commit({ generations: [saved(4)] })])
        expect((await store.generation('gen_1'))?.storeMs).toBe(4)
        await store.commit({ generations: [saved(5)] })
        expect((await store.generation('gen_1'))?.storeMs).toBe(5)
      })

      test('writes a record as it was when it was handed in, whatever happens to it afterwards', async () => {
        const record = generationRecord('gen_1')
        const committed = store.commit({ generations: [record] })
        record.status = 'running'
        await committed
        expect((await store.generation('gen_1'))?.status).toBe('queued')
      })

      test('refuses what cannot be written as JSON and keeps working', async () => {
        const record = generationRecord('gen_1', { storeMs: 1n as unknown as number })
        await expect(store.commit({ generations: [record] })).rejects.toThrow(TypeError)
        await store.commit({ generations: [generationRecord('gen_2')] })
        expect(await idsOf({})).toEqual(['gen_2'])
      })

      test('takes an empty unit', async () => {
        await expect(store.commit({})).resolves.toBeUndefined()
      })

      test('has everything after it was closed and opened again', async () => {
        await store.commit({
          generations: [generationRecord('gen_1')],
          images: [imageRecord('img_1', 'gen_1')],
          idempotency: entry(),
        })
        await store.close()
        store = await location.open()
        expect(await store.generation('gen_1')).toEqual(generationRecord('gen_1'))
        expect(await store.image('img_1')).toEqual({ ...imageRecord('img_1', 'gen_1'), key: null })
        expect(await store.idempotency('team-a', 'order 1')).toEqual(entry())
      })

      test('writes what was handed in before it was closed, and refuses what comes after', async () => {
        const committed = store.commit({ generations: [generationRecord('gen_1')] })
        await store.close()
        await committed
        await expect(store.commit({ generations: [generationRecord('gen_2')] })).rejects.toThrow(/closed/)
        await expect(store.generation('gen_1')).rejects.toThrow(/closed/)
        await expect(store.ping()).rejects.toThrow(/closed/)
        store = await location.open()
        expect(await idsOf({})).toEqual(['gen_1'])
      })
    })

    describe('claiming', () => {
      test('hands out the open generations, oldest first, and no ended ones', async () => {
        await store.commit({
          generations: [
            generationRecord('gen_c', { status: 'running', createdAt: 3 }),
            generationRecord('gen_a', { status: 'queued', createdAt: 1 }),
            generationRecord('gen_b', { status: 'running', createdAt: 2 }),
            generationRecord('gen_d', { status: 'succeeded', createdAt: 1 }),
            generationRecord('gen_e', { status: 'failed' }),
            generationRecord('gen_f', { status: 'canceled' }),
          ],
        })
        await store.commit({ generations: [generationRecord('gen_b', { status: 'succeeded', createdAt: 2 })] })
        expect((await store.claimOpen()).map(({ record }) => record.id)).toEqual(['gen_a', 'gen_c'])
      })
    })

    describe('listing', () => {
      test('lists the newest first, and those of one instant in one fixed order', async () => {
        for (const [id, createdAt] of [
          ['gen_b', 2],
          ['gen_d', 4],
          ['gen_a', 1],
          ['gen_c2', 3],
          ['gen_c1', 3],
        ] as const) {
          await store.commit({ generations: [generationRecord(id, { createdAt })] })
        }
        expect(await idsOf({})).toEqual(['gen_d', 'gen_c2', 'gen_c1', 'gen_b', 'gen_a'])
      })

      test('pages through everything once, though new ones arrive in between', async () => {
        const expected = Array.from({ length: 7 }, (_, index) => `gen_${index}`).toReversed()
        await store.commit({ generations: expected.map((id, index) => generationRecord(id, { createdAt: 100 - Math.floor(index / 3) })) })
        const seen: string[] = []
        let cursor: string | null = null
        do {
          const page = await store.list({ limit: 2, ...(cursor === null ? {} : { cursor }) })
          seen.push(...page.records.map(({ id }) => id))
          cursor = page.nextCursor
          await store.commit({ generations: [generationRecord(`gen_new_${seen.length}`, { createdAt: 200 })] })
        } while (cursor !== null)
        expect(seen).toEqual(expected)
      })

      test('has no next page where the last one is exactly full', async () => {
        await store.commit({ generations: [generationRecord('gen_1'), generationRecord('gen_2')] })
        expect((await store.list({ limit: 2 })).nextCursor).toBeNull()
      })

      test('filters by each field, and by several together', async () => {
        await store.commit({
          generations: [
            generationRecord('gen_1', { createdAt: 1 }),
            generationRecord('gen_2', { createdAt: 2, status: 'failed', key: 'team-a' }),
            generationRecord('gen_3', { createdAt: 3, model: 'flux-2-flex', routeIndex: 1 }),
            generationRecord('gen_4', { createdAt: 4, status: 'failed', routes: [routeTo('west')], key: 'team-b' }),
            generationRecord('gen_5', { createdAt: 5, routes: [] }),
          ],
        })
        expect(await idsOf({ status: 'failed' })).toEqual(['gen_4', 'gen_2'])
        expect(await idsOf({ model: 'flux-2-flex' })).toEqual(['gen_3'])
        expect(await idsOf({ provider: 'north' })).toEqual(['gen_2', 'gen_1'])
        expect(await idsOf({ key: 'team-a' })).toEqual(['gen_2'])
        expect(await idsOf({ status: 'failed', provider: 'west', key: 'team-b' })).toEqual(['gen_4'])
        expect(await idsOf({ status: 'failed', key: 'team-c' })).toEqual([])
      })

      test('filters by the provider now being tried, not the one tried before', async () => {
        await store.commit({ generations: [generationRecord('gen_1')] })
        await store.commit({ generations: [generationRecord('gen_1', { routeIndex: 1 })] })
        expect(await idsOf({ provider: 'north' })).toEqual([])
        expect(await idsOf({ provider: 'south' })).toEqual(['gen_1'])
      })

      test('a list by names that nobody has, alone or together, is empty, with and without a search, and judges its cursor', async () => {
        const first = { model: 'flux-2-flex', provider: 'south', key: 'team-new' }
        const found = () => Promise.all(Object.entries(first).map(([name, value]) => idsOf({ [name]: value })))
        await store.commit({ generations: [generationRecord('gen_1', { createdAt: 1, key: null })] })
        expect(await found()).toEqual([[], [], []])
        expect(await idsOf({ key: 'team-new', search: 'lighthouse' })).toEqual([])
        await expect(idsOf({ key: 'team-new', cursor: 'nonsense' })).rejects.toThrow(BadCursor)
        const { model, key } = first
        await store.commit({ generations: [generationRecord('gen_2', { createdAt: 2, model, key, routeIndex: 1 })] })
        expect(await found()).toEqual([['gen_2'], ['gen_2'], ['gen_2']])
        expect(await idsOf({ model, provider: 'north' })).toEqual([])
        await store.close()
        store = await location.open()
        expect(await found()).toEqual([['gen_2'], ['gen_2'], ['gen_2']])
      })

      test('a list by names that few days have goes over all of them, page by page, newest first', async () => {
        const dayMs = 86_400_000
        const days = [0, 1, 2, 3, 4, 5, 6, 7, 40, 41, 90, 200, 900]
        await store.commit({
          generations: days.flatMap((day) => [
            generationRecord(`gen_${day}_first`, { createdAt: day * dayMs, model: 'flux-2-flex' }),
            generationRecord(`gen_${day}_other`, { createdAt: day * dayMs + 7 }),
            generationRecord(`gen_${day}_last`, { createdAt: (day + 1) * dayMs - 1, model: 'flux-2-flex' }),
          ]),
        })
        const expected = days.toReversed().flatMap((day) => [`gen_${day}_last`, `gen_${day}_first`])
        for (const limit of [1, 2, 3, 7, 100]) {
          const ids: string[] = []
          for (let cursor: string | undefined; ;) {
            const page = await store.list({ model: 'flux-2-flex', limit, ...(cursor === undefined ? {} : { cursor }) })
            ids.push(...page.records.map(({ id }) => id))
            if (page.nextCursor === null) break
            cursor = page.nextCursor
          }
          expect(ids, `${limit} at once`).toEqual(expected)
        }
      })

      test('filters by unknown cost: what nobody has settled yet, with and without a search', async () => {
        const line = (attempt: string, generation: string, kind: 'unknown' | 'billed' | 'adjusted', amount: string | null) =>
          settlement(generation, attempt, { kind, amount, key: null })
        await store.commit({
          generations: ['gen_a', 'gen_b', 'gen_c'].map((id, at) => generationRecord(id, { createdAt: 1_000 + at })),
          ledger: [
            line('att_a', 'gen_a', 'unknown', null),
            line('att_b', 'gen_b', 'billed', '0.05'),
            line('att_c', 'gen_c', 'unknown', null),
          ],
        })
        const ids = (search?: string) => idsOf({ isCostUnknown: true, ...(search ? { search } : {}) })
        expect(await ids()).toEqual(['gen_c', 'gen_a'])
        await store.commit({ ledger: [line('att_c', 'gen_c', 'adjusted', '0.04')] })
        expect(await ids()).toEqual(['gen_a'])
        expect(await ids('lighthouse')).toEqual(['gen_a'])
      })

      test('filters by metadata: every pair must match, exactly', async () => {
        await store.commit({
          generations: [
            generationRecord('gen_1', { createdAt: 1, metadata: { team: 'a', job: '1' } }),
            generationRecord('gen_2', { createdAt: 2, metadata: { team: 'a', job: '2' } }),
            generationRecord('gen_3', { createdAt: 3, metadata: { team: 'A' } }),
            generationRecord('gen_4', { createdAt: 4, status: 'failed', metadata: { team: 'a' } }),
          ],
        })
        expect(await idsOf({ metadata: { team: 'a' } })).toEqual(['gen_4', 'gen_2', 'gen_1'])
        expect(await idsOf({ metadata: { team: 'a', job: '2' } })).toEqual(['gen_2'])
        expect(await idsOf({ metadata: { team: 'a' }, status: 'failed' })).toEqual(['gen_4'])
        expect(await idsOf({ metadata: { team: 'a', job: '3' } })).toEqual([])
        expect(await idsOf({ metadata: { team: "' OR 1=1 --" } })).toEqual([])
      })

      test('pages through a metadata filter', async () => {
        const ids = ['gen_5', 'gen_4', 'gen_3', 'gen_2', 'gen_1']
        await store.commit({
          generations: ids.map((id, index) => generationRecord(id, { createdAt: 10, metadata: { odd: String((5 - index) % 2) } })),
        })
        const first = await store.list({ limit: 2, metadata: { odd: '1' } })
        const second = await store.list({ limit: 2, metadata: { odd: '1' }, cursor: String(first.nextCursor) })
        expect([first, second].map(({ records }) => records.map(({ id }) => id))).toEqual([['gen_5', 'gen_3'], ['gen_1']])
        expect(second.nextCursor).toBeNull()
      })

      test.each([
        '',
        'x',
        '!!!',
        'MTAwMA',
        Buffer.from('-1:gen_1').toString('base64url'),
        `${Buffer.from('1:gen_1').toString('base64url')}=`,
      ])('refuses the cursor %j, which it never gave', async (cursor) => {
        await expect(store.list({ limit: 2, cursor })).rejects.toThrow(BadCursor)
      })
    })

    describe('images', () => {
      test('gives back an image as it was committed, stored here or kept as a link', async () => {
        const stored = imageRecord('img_1', 'gen_1', { flagged: null })
        const nothing = { sha256: null, format: null, width: null, height: null, bytes: null, seed: null, flagged: true }
        const linked = imageRecord('img_2', 'gen_1', { ...nothing, link: { url: 'https://example.com/a.png', expiresAt: 5 } })
        const undated = imageRecord('img_3', 'gen_1', { ...nothing, link: { url: 'https://example.com/b.png', expiresAt: null } })
        await store.commit({ generations: [generationRecord('gen_1')], images: [stored, linked, undated] })
        expect(await store.image('img_1')).toEqual({ ...stored, key: null })
        expect(await store.image('img_2')).toEqual({ ...linked, key: null })
        expect(await store.image('img_3')).toEqual({ ...undated, key: null })
        expect(await store.image('img_4')).toBeNull()
      })

      test('takes the same image twice and keeps the later', async () => {
        await store.commit({ generations: [generationRecord('gen_1')], images: [imageRecord('img_1', 'gen_1')] })
        await store.commit({ images: [imageRecord('img_1', 'gen_1', { bytes: 7 })] })
        expect((await store.image('img_1'))?.bytes).toBe(7)
      })
    })

    describe('idempotency', () => {
      const unit = (id: string): UnitOfWork => ({
        generations: [generationRecord(id)],
        idempotency: entry({ generationId: id }),
      })

      test('takes one of 50 simultaneous units with the same key and writes nothing of the others', async () => {
        const ids = Array.from({ length: 50 }, (_, index) => `gen_${index}`)
        const settled = await Promise.allSettled(ids.map((id) => store.commit(unit(id))))
        const refused = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
        expect(refused).toHaveLength(49)
        expect(refused.every((reason) => reason instanceof IdempotencyConflict)).toBe(true)
        const winner = (await store.idempotency('team-a', 'order 1'))?.generationId
        expect(await idsOf({})).toEqual([winner])
      })

      test('writes the other units of a turn in which one was refused', async () => {
        await store.commit(unit('gen_1'))
        const before = store.commit({ generations: [generationRecord('gen_before')] })
        const conflict = store.commit(unit('gen_2'))
        const after = store.commit({ generations: [generationRecord('gen_after')] })
        await expect(conflict).rejects.toThrow(IdempotencyConflict)
        await Promise.all([before, after])
        expect((await idsOf({})).toSorted()).toEqual(['gen_1', 'gen_after', 'gen_before'])
      })

      test('keeps the same key of two scopes apart', async () => {
        await store.commit({ generations: [generationRecord('gen_1')], idempotency: entry() })
        await store.commit({ generations: [generationRecord('gen_2')], idempotency: entry({ scope: '', generationId: 'gen_2' }) })
        expect((await store.idempotency('team-a', 'order 1'))?.generationId).toBe('gen_1')
        expect((await store.idempotency('', 'order 1'))?.generationId).toBe('gen_2')
        expect(await store.idempotency('team-b', 'order 1')).toBeNull()
      })

      test('forgets one entry, so that its key is free again, and neither an older one nor the one that comes after it', async () => {
        await store.commit({ idempotency: entry({ key: 'older', createdAt: 999 }) })
        await store.commit({ idempotency: entry({ key: 'old', createdAt: 1_000 }) })
        await store.forgetIdempotency(entry({ key: 'old', createdAt: 1_000 }))
        expect(await store.idempotency('team-a', 'old')).toBeNull()
        await store.commit({ idempotency: entry({ key: 'old', createdAt: 1_001 }) })
        await store.forgetIdempotency(entry({ key: 'old', createdAt: 1_000 }))
        for (const key of ['older', 'old']) await expect(store.commit({ idempotency: entry({ key }) })).rejects.toThrow(IdempotencyConflict)
      })
    })

    describe('comparisons', () => {
      const listed = async (query: { key?: string; cursor?: string; limit?: number }) => store.comparisons({ limit: 100, ...query })
      const ids = async (query: { key?: string }) => (await listed(query)).records.map(({ id }) => id)

      test('are given back as they were committed, and again as they were saved last', async () => {
        const record = comparisonRecord('cmp_1', { unbegun: { model: 'm', prompt: 'späße 灯台' } })
        await store.commit({ comparisons: [record] })
        expect(await store.comparison('cmp_1')).toEqual(record)
        const begun = { ...record, unbegun: null, entries: [{ kind: 'begun', provider: 'north', generationId: 'gen_1' }] } as const
        await store.commit({ comparisons: [begun] })
        expect(await store.comparison('cmp_1')).toEqual(begun)
        expect(await store.comparison('cmp_2')).toBeNull()
      })

      test('are listed newest first, in pages that stay put, a key’s own only', async () => {
        const keys = ['a', 'b', 'a', null, 'a']
        const records = keys.map((key, index) => comparisonRecord(`cmp_${index}`, { key, createdAt: 1_000 + Math.floor(index / 2) }))
        await store.commit({ comparisons: records })
        expect(await ids({})).toEqual(['cmp_4', 'cmp_3', 'cmp_2', 'cmp_1', 'cmp_0'])
        expect(await ids({ key: 'a' })).toEqual(['cmp_4', 'cmp_2', 'cmp_0'])
        expect(await ids({ key: 'c' })).toEqual([])
        const first = await listed({ key: 'a', limit: 2 })
        await store.commit({ comparisons: [comparisonRecord('cmp_9', { key: 'a', createdAt: 9_000 })] })
        const second = await listed({ key: 'a', limit: 2, cursor: first.nextCursor ?? '' })
        expect([...first.records, ...second.records].map(({ id }) => id)).toEqual(['cmp_4', 'cmp_2', 'cmp_0'])
        expect(second.nextCursor).toBeNull()
        await expect(listed({ cursor: 'nonsense' })).rejects.toThrow(BadCursor)
      })

      test('whose providers were not all asked are found, oldest first, also after the store was opened again', async () => {
        const unbegun = { model: 'm', prompt: 'p' }
        const records = [
          comparisonRecord('cmp_2', { createdAt: 2_000, unbegun }),
          comparisonRecord('cmp_1', { unbegun }),
          comparisonRecord('cmp_3'),
        ]
        await store.commit({ comparisons: records })
        await store.close()
        store = await location.open()
        expect((await store.unbegunComparisons()).map(({ id }) => id)).toEqual(['cmp_1', 'cmp_2'])
        await store.commit({ comparisons: [comparisonRecord('cmp_1')] })
        expect((await store.unbegunComparisons()).map(({ id }) => id)).toEqual(['cmp_2'])
      })

      test('are not written where their idempotency key is taken', async () => {
        await store.commit({ comparisons: [comparisonRecord('cmp_1')], idempotency: entry({ generationId: 'cmp_1' }) })
        const second = store.commit({ comparisons: [comparisonRecord('cmp_2')], idempotency: entry({ generationId: 'cmp_2' }) })
        await expect(second).rejects.toThrow(IdempotencyConflict)
        expect(await ids({})).toEqual(['cmp_1'])
      })
    })

    deliveryConformance(() => store)
    ledgerConformance(() => store)
    costDaysConformance(() => store)
    searchConformance(
      () => store,
      async () => {
        await store.close()
        store = await location.open()
      },
    )
    keyConformance(() => store)

    test('answers a ping', async () => {
      await expect(store.ping()).resolves.toBeUndefined()
    })
  })
}
