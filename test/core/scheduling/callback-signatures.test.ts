import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createReplayGuard,
  ed25519Fault,
  ed25519KeysIn,
  MAX_AGE_MS,
  standardWebhooksFault,
} from '../../../src/core/scheduling/callback-signatures.ts'
import { useRealSockets } from '../../transport/real-sockets.ts'

useRealSockets()

const NOW = Date.UTC(2026, 10, 28)
const SECRET = `whsec_${Buffer.from('a secret of a vendor').toString('base64')}`
const body = Buffer.from('{"id":"1","status":"succeeded"}')

function standard({ at = NOW, secret = SECRET, id = 'msg_1', signed = body } = {}) {
  const timestamp = String(Math.floor(at / 1_000))
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(signed).digest('base64')
  return { headers: { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }, body }
}

describe('a callback signed as Standard Webhooks', () => {
  test('is believed with the right secret, an old one beside it, and any number of signatures', () => {
    const callback = standard()
    expect(standardWebhooksFault(callback, [SECRET], NOW)).toBeNull()
    expect(standardWebhooksFault(callback, ['whsec_b2xk', SECRET], NOW)).toBeNull()
    const many = { ...callback.headers, 'webhook-signature': `v1a,xx v1,AAAA ${callback.headers['webhook-signature']}` }
    expect(standardWebhooksFault({ headers: many, body }, [SECRET], NOW)).toBeNull()
  })

  test.each([
    ['an older time', standard({ at: NOW - MAX_AGE_MS - 1_000 }), 'too old or too new'],
    ['a time to come', standard({ at: NOW + MAX_AGE_MS + 1_000 }), 'too old or too new'],
    ['another secret', standard({ secret: 'whsec_b3RoZXI=' }), 'wrong signature'],
    ['another body', standard({ signed: Buffer.from('{}') }), 'wrong signature'],
    ['an empty secret', standard({ secret: 'whsec_' }), 'wrong signature'],
    ['no id', { headers: { ...standard().headers, 'webhook-id': '' }, body }, 'not signed'],
    ['a time that is no number', { headers: { ...standard().headers, 'webhook-timestamp': '1e12' }, body }, 'too old or too new'],
    ['another id', { headers: { ...standard().headers, 'webhook-id': 'msg_2' }, body }, 'wrong signature'],
    ['another version', { headers: { ...standard().headers, 'webhook-signature': 'v2,AAAA' }, body }, 'wrong signature'],
  ] as const)('with %s is not believed', (_, callback, fault) => {
    expect(standardWebhooksFault(callback, [SECRET, 'whsec_'], NOW)).toBe(fault)
  })

  test('is not believed where no secret is known', () => expect(standardWebhooksFault(standard(), [], NOW)).toBe('wrong signature'))
})

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const NAMES = { signed: ['x-request-id', 'x-user-id', 'x-timestamp'], timestamp: 'x-timestamp', signature: 'x-signature' }

function signed({ at = NOW, by = privateKey, of = body } = {}) {
  const headers = { 'x-request-id': 'r1', 'x-user-id': 'u1', 'x-timestamp': String(Math.floor(at / 1_000)) }
  const message = [...Object.values(headers), createHash('sha256').update(of).digest('hex')].join('\n')
  return { headers: { ...headers, 'x-signature': sign(null, Buffer.from(message), by).toString('hex') }, body }
}

describe('a callback signed with Ed25519', () => {
  test('is believed with a key of the list that the vendor serves', async () => {
    const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
    const list = {
      keys: [{ kty: 'RSA', n: 'x' }, null, { kty: 'OKP', crv: 'Ed25519', x: 'short' }, other, publicKey.export({ format: 'jwk' })],
    }
    const server = createServer((_request, response) => response.end(JSON.stringify(list)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const reply = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`)
    const keys = ed25519KeysIn(await reply.json()) ?? []
    expect(keys).toHaveLength(2)
    expect(await ed25519Fault(signed(), NAMES, keys, NOW)).toBeNull()
  })

  test.each([
    ['an older time', signed({ at: NOW - MAX_AGE_MS - 1_000 }), 'too old or too new'],
    ['a time to come', signed({ at: NOW + MAX_AGE_MS + 1_000 }), 'too old or too new'],
    ['another key', signed({ by: generateKeyPairSync('ed25519').privateKey }), 'wrong signature'],
    ['another body', signed({ of: Buffer.from('{}') }), 'wrong signature'],
    ['no signature', { headers: { ...signed().headers, 'x-signature': undefined }, body }, 'wrong signature'],
    [
      'half a signature',
      { headers: { ...signed().headers, 'x-signature': signed().headers['x-signature'].slice(64) }, body },
      'wrong signature',
    ],
    ['another user', { headers: { ...signed().headers, 'x-user-id': 'u2' }, body }, 'wrong signature'],
    ['no user', { headers: { ...signed().headers, 'x-user-id': undefined }, body }, 'not signed'],
  ] as const)('with %s is not believed', async (_, callback, fault) => {
    expect(await ed25519Fault(callback, NAMES, [publicKey], NOW)).toBe(fault)
  })

  test('is not believed where its time is not signed, or no key is known', async () => {
    expect(await ed25519Fault(signed(), { ...NAMES, signed: ['x-request-id'] }, [publicKey], NOW)).toBe('not signed')
    expect(await ed25519Fault(signed(), NAMES, [], NOW)).toBe('wrong signature')
  })
})

test('a document that is no list of keys is none, and a list without keys of this kind is empty', () => {
  for (const document of [null, 1, [], {}, { keys: 'x' }]) expect(ed25519KeysIn(document)).toBeNull()
  for (const document of [{ keys: [] }, { keys: [1, 'x', {}] }]) expect(ed25519KeysIn(document)).toEqual([])
})

test('a callback’s id is new once, as long as its age would be allowed, and old ids are forgotten', () => {
  const { isNew } = createReplayGuard()
  expect([isNew('fal', 'a', NOW), isNew('fal', 'a', NOW), isNew('fal', 'b', NOW + 1)]).toEqual([true, false, true])
  expect(isNew('fal', 'a', NOW + 2 * MAX_AGE_MS)).toBe(false)
  expect(isNew('fal', 'a', NOW + 2 * MAX_AGE_MS + 1)).toBe(true)
})

test('ids of callbacks are remembered for each provider, the newest of them alone where there are very many', () => {
  const { isNew } = createReplayGuard(3)
  const newOnes = ['a', 'b', 'c', 'd'].map((id) => isNew('fal', id, NOW))
  expect(newOnes).toEqual([true, true, true, true])
  expect([isNew('replicate', 'd', NOW), isNew('fal', 'd', NOW), isNew('fal', 'a', NOW)]).toEqual([true, false, true])
})
