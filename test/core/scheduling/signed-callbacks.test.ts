import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSignedCallbacks } from '../../../src/core/scheduling/signed-callbacks.ts'

const MINUTE_MS = 60_000
const secret = Buffer.from('a secret of the vendor').toString('base64')

function signed(id: string, now: number) {
  const timestamp = String(Math.floor(now / 1_000))
  const body = Buffer.from('{}')
  const signature = createHmac('sha256', Buffer.from(secret, 'base64')).update(`${id}.${timestamp}.{}`).digest('base64')
  return { headers: { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }, body }
}

test('a callback that came before is not taken again after the clock was set ahead and back', async () => {
  let now = Date.UTC(2026, 10, 21)
  const callbacks = createSignedCallbacks({
    signatureOf: () => ({ scheme: 'standard-webhooks', secret_env: 'SECRET', tolerance_seconds: 300 }),
    secretsOf: () => [`whsec_${secret}`],
    keys: { at: async () => [], renewed: async () => null },
    clock: { now: () => now, monotonicMs: () => 0 },
  })
  const first = signed('one', now)
  expect(await callbacks.fault('replicate', first)).toBeNull()
  now += 20 * MINUTE_MS
  expect(await callbacks.fault('replicate', signed('two', now))).toBeNull()
  now -= 20 * MINUTE_MS
  expect(await callbacks.fault('replicate', first)).toBe('came before')
})
