import { describe, expect, test } from 'vitest'
import type { WebhookDeliveryRecord } from '../../../src/core/records.ts'
import { DELIVERY_DELAYS_MS, judgeTry } from '../../../src/core/webhooks/retry-schedule.ts'
import type { Posted } from '../../../src/core/ports.ts'

const HOUR_MS = 3_600_000
const NOW = 1_000_000

const delivery = (failures: number): WebhookDeliveryRecord => ({
  id: 'msg_1',
  generationId: 'gen_1',
  key: null,
  type: 'generation.succeeded',
  url: 'https://example.com/hook',
  createdAt: 1,
  status: 'pending',
  tries: failures,
  failures,
  lastTry: null,
  nextTryAt: 1,
  endedAt: null,
})
const status = (code: number, retryAfterMs: number | null = null): Posted => ({ kind: 'status', status: code, retryAfterMs })
const judge = (posted: Posted, { failures = 0, random = 0.5 } = {}) =>
  judgeTry(delivery(failures), posted, { now: NOW, delaysMs: DELIVERY_DELAYS_MS, random: () => random })

describe('the schedule of tries', () => {
  test('lasts about a day, each wait at least as long as the one before', () => {
    const total = DELIVERY_DELAYS_MS.reduce((sum, delay) => sum + delay, 0)
    expect(total / HOUR_MS).toBeGreaterThan(23)
    expect(total / HOUR_MS).toBeLessThan(25)
    expect(DELIVERY_DELAYS_MS.toSorted((a, b) => a - b)).toEqual(DELIVERY_DELAYS_MS)
  })

  test.each([200, 201, 202, 204, 299])('ends well with %i', (code) => {
    expect(judge(status(code))).toMatchObject({
      status: 'delivered',
      nextTryAt: null,
      endedAt: NOW,
      tries: 1,
      lastTry: { statusCode: code, reason: null },
    })
  })

  test.each([
    ['a client error', status(404)],
    ['an authentication error', status(401)],
    ['a server error', status(500)],
    ['a redirect', status(301)],
    ['a time-out', { kind: 'failed', reason: 'not done in time' } as const],
  ])('goes on after %s', (_, posted) => {
    expect(judge(posted)).toMatchObject({ status: 'pending', failures: 1, nextTryAt: NOW + (DELIVERY_DELAYS_MS[0] ?? 0), endedAt: null })
  })

  test.each([
    ['410', status(410)],
    ['an address that may not be reached', { kind: 'refused', reason: 'x is not at a public address' } as const],
  ])('ends for good with %s', (_, posted) => {
    expect(judge(posted)).toMatchObject({ status: 'failed', nextTryAt: null, endedAt: NOW })
  })

  test('is over after its last wait', () => {
    const last = DELIVERY_DELAYS_MS.length
    expect(judge(status(500), { failures: last - 1 })).toMatchObject({ status: 'pending' })
    expect(judge(status(500), { failures: last })).toMatchObject({ status: 'failed', nextTryAt: null, tries: last + 1 })
  })

  test('spreads each wait by a fifth both ways', () => {
    const wait = (random: number) => (judge(status(500), { failures: 5, random }).nextTryAt ?? 0) - NOW
    expect([wait(0), wait(0.5), wait(1)]).toEqual([0.8 * HOUR_MS, HOUR_MS, 1.2 * HOUR_MS])
  })

  test('keeps away for as long as the receiver asks, but not for ever, and never comes sooner for it', () => {
    expect(judge(status(429, 60_000)).nextTryAt).toBe(NOW + 60_000)
    expect(judge(status(503, 1_000)).nextTryAt).toBe(NOW + (DELIVERY_DELAYS_MS[0] ?? 0))
    expect(judge(status(503, 1_000 * HOUR_MS)).nextTryAt).toBe(NOW + 8 * HOUR_MS)
  })
})
