import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { ListQuery, Store } from '../../src/core/ports.ts'
import { settlement } from './ledger-entries.ts'
import { generationRecord, routeTo } from './records.ts'

const HOUR_MS = 3_600_000
const PROMPTS = [
  'A Red Fox in snow',
  'the fox, ÉTÉ, is RED',
  'a blue whale "foxes" 50%',
  '灯台の夕日',
  `${'x '.repeat(990)}at the end ${'y'.repeat(40)} cut off`,
]

/** What every store must find by prompt, and know of each provider's hours. @param reopen closes the store and opens it again */
export function searchConformance(storeNow: () => Store, reopen: () => Promise<void>): void {
  const found = async (search: string, more: Partial<ListQuery> = {}): Promise<readonly string[]> => {
    const { records } = await storeNow().list({ search, limit: 50, ...more })
    return records.map(({ id }) => id)
  }

  async function everySearch(): Promise<void> {
    expect(await found('red FOX')).toEqual(['gen_1', 'gen_0'])
    expect(await found('été')).toEqual(['gen_1'])
    expect(await found('fox')).toEqual(['gen_2', 'gen_1', 'gen_0'])
    expect(await found('"foxes" 50%')).toEqual(['gen_2'])
    expect(await found('fox is')).toEqual(['gen_1'])
    expect(await found('灯台の')).toEqual(['gen_3'])
    expect(await found('夕日')).toEqual(['gen_3'])
    expect(await found('end')).toEqual(['gen_4'])
    expect(await found('cut')).toEqual([])
    expect(await found('fox OR whale')).toEqual([])
    expect(await found('fox', { key: 'team', status: 'queued', provider: 'north', metadata: { lot: '0' } })).toEqual(['gen_2', 'gen_0'])
    const first = await storeNow().list({ search: 'fox', limit: 2 })
    expect(first.records.map(({ id }) => id)).toEqual(['gen_2', 'gen_1'])
    expect(await found('fox', { cursor: first.nextCursor ?? '' })).toEqual(['gen_0'])
  }

  test('a search finds words anywhere in a prompt in either case, from its acceptance on and once it is in the index', async () => {
    for (const [index, prompt] of PROMPTS.entries()) {
      const metadata = { lot: String(index % 2) }
      const fields = {
        key: 'team',
        createdAt: 1_000 + index,
        routes: [routeTo('north')],
        request: { model: 'flux-2-pro', prompt, metadata },
      }
      await storeNow().commit({ generations: [generationRecord(`gen_${index}`, fields)] })
    }
    await everySearch()
    await reopen()
    await sleep(50)
    await everySearch()
  })

  test('a search goes on behind a cursor whose generation is gone or another key’s, whichever of the two it is', async () => {
    for (const [index, key] of ['b', 'b', 'a', 'b', 'b'].entries()) {
      const fields = { key, createdAt: 1_000 + index, routes: [routeTo('north')], request: { model: 'flux-2-pro', prompt: 'a fox' } }
      await storeNow().commit({ generations: [generationRecord(`gen_${index}`, fields)] })
    }
    const behind = (createdAt: number, id: string) =>
      found('fox', { key: 'b', cursor: Buffer.from(`${createdAt}:${id}`).toString('base64url') })
    expect(await behind(1_002, 'gen_2')).toEqual(['gen_1', 'gen_0'])
    expect(await behind(1_002, 'gen_3x')).toEqual(['gen_1', 'gen_0'])
    expect(await behind(0, 'gen_2')).toEqual([])
    expect(await behind(0, 'gen_9')).toEqual([])
    expect(await behind(1_003, 'gen_3')).toEqual(['gen_1', 'gen_0'])
  })

  test('the hours of a provider count each settled task once, keep over a restart, and know the times within 1 %', async () => {
    const settle = (id: string, at: number, task: Parameters<typeof settlement>[2]) => settlement('gen_0', id, { at, ...task })
    const ledger = [
      ...Array.from({ length: 19 }, (_, index) =>
        settle(`att_${index}`, HOUR_MS * 5 + index, { task: { durationMs: 4_000, wasSubmitted: true } }),
      ),
      settle('att_slow', HOUR_MS * 6 - 1, { task: { durationMs: 60_000, wasSubmitted: true } }),
      settle('att_failed', HOUR_MS * 5, { task: { code: 'provider_unavailable', status: 'failed', durationMs: null, wasSubmitted: true } }),
      settle('att_moderated', HOUR_MS * 5, { task: { code: 'moderated', status: 'failed', durationMs: null, wasSubmitted: true } }),
      settle('att_unsent', HOUR_MS * 5, {
        task: { code: 'provider_unavailable', status: 'failed', durationMs: null, wasSubmitted: false },
      }),
      settle('att_later', HOUR_MS * 7, { task: { durationMs: null, wasSubmitted: true } }),
    ]
    await storeNow().commit({ ledger })
    await storeNow().commit({ ledger })
    await reopen()
    const hours = await storeNow().providerHours('north', HOUR_MS * 5, HOUR_MS * 8)
    expect(hours).toMatchObject([
      { startsAt: HOUR_MS * 5, succeeded: 20, failed: 1, durationMs: { samples: 20 } },
      { startsAt: HOUR_MS * 7, succeeded: 1, failed: 0, durationMs: null },
    ])
    expect((hours[0]?.durationMs?.p50 ?? 0) / 4_000).toBeCloseTo(1, 1)
    expect((hours[0]?.durationMs?.p95 ?? 0) / 60_000).toBeCloseTo(1, 1)
    expect(await storeNow().providerHours('south', 0, HOUR_MS * 8)).toEqual([])
    expect(await storeNow().providerHours('north', HOUR_MS * 6, HOUR_MS * 7)).toEqual([])
  })
}
