import { describe, expect, test } from 'vitest'
import { createCourier } from '../../../src/http/compatible/courier.ts'
import type { Post } from '../../../src/core/ports.ts'
import { manualClock, settled } from '../../core/generation/world.ts'

const parcel = { url: 'https://user:secret@hooks.example/x?token=secret', body: '{"id":"gen_1"}', headers: { 'x-webhook-secret': 's' } }
const status = (code: number) => ({ kind: 'status' as const, status: code, retryAfterMs: null })

/** A courier whose post office gives these answers, the last one for ever. */
function courierWith(...answers: readonly Awaited<ReturnType<Post>>[]) {
  const clock = manualClock()
  const sent: { at: number; body: string }[] = []
  const warnings: object[] = []
  const post: Post = async (_url, { body }) => {
    sent.push({ at: clock.now(), body })
    return answers[Math.min(sent.length, answers.length) - 1] ?? status(204)
  }
  const log = { info: () => {}, warn: (fields: object) => warnings.push(fields), error: () => {} }
  const deliver = createCourier({ post, clock, log })
  return { clock, sent, warnings, deliver }
}

describe('a webhook in a vendor’s own shape', () => {
  test('is delivered once where it is accepted', async () => {
    const { clock, sent, warnings, deliver } = courierWith(status(204))
    deliver(parcel, 'gen_1')
    await clock.pass(120_000)
    expect(sent).toHaveLength(1)
    expect(warnings).toEqual([])
  })

  test('is tried again after 1, 5 and 30 seconds, then given up with a line in the log that holds no secret', async () => {
    const { clock, sent, warnings, deliver } = courierWith(status(500), { kind: 'failed', reason: 'reset' }, status(429), status(503))
    const start = clock.now()
    deliver(parcel, 'gen_1')
    await clock.pass(120_000)
    expect(sent.map(({ at }) => at - start)).toEqual([0, 1_000, 6_000, 36_000])
    expect(warnings).toEqual([{ generation: 'gen_1', host: 'hooks.example', reason: 'status 503', tries: 4 }])
    expect(JSON.stringify(warnings)).not.toContain('secret')
  })

  test('ends with the first acceptance', async () => {
    const { clock, sent, deliver } = courierWith(status(502), status(200))
    deliver(parcel, 'gen_1')
    await clock.pass(120_000)
    expect(sent).toHaveLength(2)
  })

  test.each([
    ['a refusal of the receiver', status(410)],
    ['a redirect', status(302)],
    ['a private address', { kind: 'refused' as const, reason: 'not a public address' }],
  ])('%s is not tried again', async (_what, answer) => {
    const { clock, sent, warnings, deliver } = courierWith(answer)
    deliver(parcel, 'gen_1')
    await settled()
    await clock.pass(120_000)
    expect([sent.length, warnings.length]).toEqual([1, 1])
  })
})
