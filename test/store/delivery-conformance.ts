import { describe, expect, test } from 'vitest'
import type { WebhookDeliveryRecord } from '../../src/core/records.ts'
import { BadCursor, ClaimLost, IdempotencyConflict } from '../../src/core/ports.ts'
import type { DeliveryChange, DeliveryClaim, Store } from '../../src/core/ports.ts'
import { generationRecord } from './records.ts'

/** A delivery that is due; `overrides` says what a test is about. */
export const deliveryRecord = (id: string, overrides: Partial<WebhookDeliveryRecord> = {}): WebhookDeliveryRecord => ({
  id,
  generationId: `gen of ${id}`,
  key: null,
  type: 'generation.succeeded',
  url: 'https://a.example/hook?x=1',
  createdAt: 1_000,
  status: 'pending',
  tries: 0,
  failures: 0,
  lastTry: null,
  nextTryAt: 1_000,
  endedAt: null,
  ...overrides,
})

const delivery = deliveryRecord
const NONE = { byOrigin: new Map<string, number>(), byKey: new Map<string, number>() }

/** What every store must do with deliveries. */
export function deliveryConformance(storeNow: () => Store): void {
  const keep = (...deliveries: readonly WebhookDeliveryRecord[]) => storeNow().commit({ deliveries })
  const change = (record: WebhookDeliveryRecord, by: DeliveryChange['by'] = { freeAt: 1_000 }) =>
    storeNow().commit({ deliveryChange: { record, by } })
  const claim = async (overrides: Partial<DeliveryClaim> = {}) => {
    const asked = { now: 1_000, leaseMs: 500, limit: 100, perOrigin: 100, perKey: 100, underWay: NONE, ...overrides }
    const { records, nextAt } = await storeNow().claimDeliveries(asked)
    return { ids: records.map(({ id }) => id), nextAt }
  }

  describe('webhook deliveries', () => {
    test('gives back a delivery as it was committed last', async () => {
      await keep(delivery('msg_1'))
      const later = delivery('msg_1', {
        status: 'delivered',
        tries: 1,
        lastTry: { at: 7, statusCode: 204, reason: null },
        nextTryAt: null,
        endedAt: 7,
      })
      await change(later)
      // It is known already.
      await keep(delivery('msg_1'))
      expect(await storeNow().delivery('msg_1')).toEqual(later)
      expect(await storeNow().delivery('msg_2')).toBeNull()
    })

    test('writes one together with its generation, or neither', async () => {
      const entry = { scope: '', key: 'k', bodyHash: 'h', generationId: 'gen_1', createdAt: 1 }
      await storeNow().commit({ generations: [generationRecord('gen_1')], idempotency: entry })
      const refused = storeNow().commit({ generations: [generationRecord('gen_2')], deliveries: [delivery('msg_2')], idempotency: entry })
      await expect(refused).rejects.toThrow(IdempotencyConflict)
      expect(await storeNow().delivery('msg_2')).toBeNull()
    })

    test('lists newest first, by generation, status and key, in pages', async () => {
      const listed = async (query: object) => {
        const { records, nextCursor } = await storeNow().deliveries({ limit: 100, ...query })
        return { ids: records.map(({ id }) => id), nextCursor }
      }
      await keep(
        delivery('msg_1', { createdAt: 1, key: 'a' }),
        delivery('msg_2', { createdAt: 2, status: 'failed', nextTryAt: null }),
        delivery('msg_3', { createdAt: 2, generationId: 'gen_x' }),
      )
      expect((await listed({})).ids).toEqual(['msg_3', 'msg_2', 'msg_1'])
      expect((await listed({ generationId: 'gen_x' })).ids).toEqual(['msg_3'])
      expect((await listed({ status: 'failed' })).ids).toEqual(['msg_2'])
      expect((await listed({ key: 'a' })).ids).toEqual(['msg_1'])
      expect((await listed({ key: 'a', status: 'failed' })).ids).toEqual([])
      const first = await listed({ limit: 2 })
      expect(first.ids).toEqual(['msg_3', 'msg_2'])
      expect(await listed({ limit: 2, cursor: first.nextCursor })).toEqual({ ids: ['msg_1'], nextCursor: null })
      await expect(listed({ cursor: 'x' })).rejects.toThrow(BadCursor)
    })

    test('hands out what is due, the longest due first, and says when the next one is', async () => {
      await keep(
        delivery('msg_1', { nextTryAt: 900 }),
        delivery('msg_2', { nextTryAt: 800 }),
        delivery('msg_3', { nextTryAt: 1_001 }),
        delivery('msg_4', { nextTryAt: null, status: 'failed' }),
      )
      expect(await claim()).toEqual({ ids: ['msg_2', 'msg_1'], nextAt: 1_001 })
      expect(await claim({ now: 1_001 })).toEqual({ ids: ['msg_3'], nextAt: expect.any(Number) })
    })

    test('hands nothing out twice until it is committed or its claim is over', async () => {
      await keep(delivery('msg_1'), delivery('msg_2'))
      expect((await claim()).ids).toEqual(['msg_1', 'msg_2'])
      expect(await claim({ now: 1_400 })).toEqual({ ids: [], nextAt: 1_500 })
      await change(delivery('msg_1', { nextTryAt: 1_450 }), { claimedUntil: 1_500 })
      expect((await claim({ now: 1_460 })).ids).toEqual(['msg_1'])
      expect((await claim({ now: 1_500 })).ids).toEqual(['msg_2'])
    })

    test('takes what came of one only from whoever claimed it last, and a plan for one only while nobody has it', async () => {
      await keep(delivery('msg_1'))
      await claim()
      await expect(change(delivery('msg_1', { tries: 7 }), { freeAt: 1_499 })).rejects.toThrow(ClaimLost)
      await claim({ now: 1_500 })
      await expect(change(delivery('msg_1', { tries: 8 }), { claimedUntil: 1_500 })).rejects.toThrow(ClaimLost)
      await change(delivery('msg_1', { tries: 1 }), { claimedUntil: 2_000 })
      await expect(change(delivery('msg_1', { tries: 9 }), { claimedUntil: 2_000 })).rejects.toThrow(ClaimLost)
      await change(delivery('msg_1', { tries: 2 }), { freeAt: 1_600 })
      expect((await storeNow().delivery('msg_1'))?.tries).toBe(2)
    })

    test('keeps to the limit of all and of each receiver, those under way included', async () => {
      const other = 'https://b.example/hook'
      await keep(
        ...['msg_1', 'msg_2', 'msg_3'].map((id) => delivery(id, { nextTryAt: 1 })),
        delivery('msg_4', { url: other, nextTryAt: 2 }),
        delivery('msg_5', { url: other, nextTryAt: 3 }),
      )
      expect(await claim({ perOrigin: 2, underWay: { ...NONE, byOrigin: new Map([['https://a.example', 1]]) }, limit: 2 })).toMatchObject({
        ids: ['msg_1', 'msg_4'],
      })
      expect(await claim({ perOrigin: 2, underWay: { ...NONE, byOrigin: new Map([['https://a.example', 2]]) } })).toMatchObject({
        ids: ['msg_5'],
      })
      expect((await claim({ limit: 1 })).ids).toEqual(['msg_2'])
    })

    test('keeps to the limit of each key, those under way included, whatever its receivers; those of none are all taken', async () => {
      const at = (id: string, key: string | null, nextTryAt: number) => delivery(id, { key, nextTryAt, url: `https://${id}.example/` })
      await keep(...['msg_1', 'msg_2', 'msg_3', 'msg_4'].map((id) => at(id, 'slow', 1)), at('msg_5', 'other', 2), at('msg_6', null, 3))
      await keep(at('msg_7', null, 4), at('msg_8', 'other', 2_000))
      const byKey = new Map([['slow', 1]])
      expect(await claim({ perKey: 3, underWay: { ...NONE, byKey }, limit: 3 })).toMatchObject({ ids: ['msg_1', 'msg_2', 'msg_5'] })
      const asked = { perKey: 1, underWay: { ...NONE, byKey: new Map([['slow', 1]]) } }
      expect(await claim(asked)).toEqual({ ids: ['msg_6', 'msg_7'], nextAt: 1_500 })
      expect(await claim(asked)).toEqual({ ids: [], nextAt: 1_500 })
      expect((await claim({ perKey: 2, underWay: { ...NONE, byKey: new Map([['slow', 1]]) } })).ids).toEqual(['msg_3'])
    })

    test('takes the ones behind a receiver that has many more of a key than may be under way', async () => {
      await keep(...Array.from({ length: 20 }, (_, index) => delivery(`msg_a${index}`, { key: 'one', nextTryAt: 1 })))
      await keep(delivery('msg_b', { key: 'one', nextTryAt: 2, url: 'https://b.example/' }))
      expect((await claim({ perOrigin: 2, perKey: 3 })).ids).toEqual(['msg_a0', 'msg_a1', 'msg_b'])
    })

    test('has nothing to say of when the next one is where none is planned', async () => {
      expect(await claim()).toEqual({ ids: [], nextAt: null })
    })
  })
}
