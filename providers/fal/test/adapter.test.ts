import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { Manifest, type Call } from '#contract'
import { ed25519Fault } from '../../../src/core/scheduling/callback-signatures.ts'
import { adapter } from '../adapter.ts'
import json from '../manifest.json' with { type: 'json' }

const manifest = Manifest.parse(json)
const response = 'https://queue.fal.run/fal-ai/flux-2-pro/requests/764cabcf'
const accepted = { request_id: '764cabcf', response_url: response, status_url: `${response}/status`, cancel_url: `${response}/cancel` }
const submit: Call = { purpose: 'submit', method: 'POST', url: '/fal-ai/flux-2-pro/edit', body: {} }

const polled = (): Call => {
  const outcome = adapter.interpret({ status: 200, headers: {}, body: { status: 'IN_QUEUE', ...accepted } }, submit)
  if (outcome.kind !== 'pending') throw new Error(JSON.stringify(outcome))
  return outcome.next
}

test('every address is the one of the reply, which has no part of the endpoint behind its alias, and a cancel is a PUT to its own', () => {
  const poll = polled()
  expect(poll).toMatchObject({ method: 'GET', url: `${response}/status` })
  expect(adapter.cancel?.(poll)).toMatchObject({ purpose: 'cancel', method: 'PUT', url: `${response}/cancel` })
  expect(adapter.interpret({ status: 200, headers: {}, body: { status: 'COMPLETED', ...accepted } }, poll)).toMatchObject({
    kind: 'pending',
    next: { method: 'GET', url: response },
  })
})

const canceling = (): Call => {
  const cancel = adapter.cancel?.(polled())
  if (!cancel) throw new Error('there is no cancel')
  return cancel
}

test('the answer to a cancel that a task was removed from the queue is its end, and nothing is billed', () => {
  expect(adapter.interpret({ status: 200, headers: {}, body: { status: 'OK' } }, canceling())).toMatchObject({
    kind: 'failed',
    failure: { code: 'canceled', billed: false, provider_status: 200, provider_code: 'OK' },
  })
})

test('any other answer to a cancel leaves the word on the task to the next poll', () => {
  const cancel = canceling()
  for (const [status, word] of [
    [202, 'CANCELLATION_REQUESTED'],
    [400, 'ALREADY_COMPLETED'],
  ] as const) {
    const outcome = adapter.interpret({ status, headers: {}, body: { status: word } }, cancel)
    expect(outcome).toMatchObject({ kind: 'pending', next: { purpose: 'poll', url: `${response}/status` } })
  }
})

test('a callback signed as fal signs is believed by what the manifest says of it, and another body under its signature is not', async () => {
  const signature = manifest.callbacks?.signature
  if (signature?.scheme !== 'ed25519-jwks') throw new Error('fal signs by Ed25519')
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const body = Buffer.from('{"request_id":"764cabcf","gateway_request_id":"764cabcf","status":"OK","payload":{"images":[]}}')
  const seconds = 1_795_862_400
  const signed = ['764cabcf', 'user-1', String(seconds), createHash('sha256').update(body).digest('hex')].join('\n')
  const headers = {
    'x-fal-webhook-request-id': '764cabcf',
    'x-fal-webhook-user-id': 'user-1',
    'x-fal-webhook-timestamp': String(seconds),
    'x-fal-webhook-signature': sign(null, Buffer.from(signed), privateKey).toString('hex'),
  }
  const faultOf = (received: Buffer, now: number) => ed25519Fault({ headers, body: received }, signature.headers, [publicKey], now)
  expect(await faultOf(body, seconds * 1_000)).toBeNull()
  expect(await faultOf(Buffer.from('{"status":"OK"}'), seconds * 1_000)).toBe('wrong signature')
  expect(await faultOf(body, (seconds + 301) * 1_000)).toBe('too old or too new')
})
