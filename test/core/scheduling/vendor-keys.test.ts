import { generateKeyPairSync } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { CallbackSignature } from '#contract'
import type { Download } from '../../../src/core/ports.ts'
import { createVendorKeys } from '../../../src/core/scheduling/vendor-keys.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

function world() {
  const state = { nowMs: 0, asked: 0, isDown: false, isOdd: false, listed: 1 }
  const reported: string[] = []
  const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const download: Download = async (_url, options) => {
    expect(options).toMatchObject({ maxBytes: 65_536, timeoutMs: 5_000, isDocument: true })
    state.asked += 1
    if (state.isDown) return { kind: 'failed', reason: 'the server answered 503', retryable: true }
    const list = state.isOdd ? '{"keys":{}}' : JSON.stringify({ keys: Array.from({ length: state.listed }, () => jwk) })
    return { kind: 'body', stream: Readable.from([Buffer.from(list)]), contentType: null, statedBytes: null }
  }
  const keys = createVendorKeys(download, { monotonicMs: () => state.nowMs }, (url, reason) => reported.push(`${url}: ${reason}`))
  return { state, reported, keys }
}
const URL = 'https://keys.example/jwks.json'

test('a list of keys is fetched once for a day, however often it is needed at once', async () => {
  const { state, keys } = world()
  const lists = await Promise.all([keys.at(URL), keys.at(URL), keys.at(URL)])
  expect([lists.map((list) => list.length), state.asked]).toEqual([[1, 1, 1], 1])
  state.nowMs = DAY_MS - 1
  await keys.at(URL)
  expect(state.asked).toBe(1)
  state.nowMs = DAY_MS
  await keys.at(URL)
  expect(state.asked).toBe(2)
})

test('a key that is not known brings a new list once a minute at most', async () => {
  const { state, keys } = world()
  const first = await keys.at(URL)
  expect(await keys.renewed(URL, first)).toBeNull()
  state.nowMs = MINUTE_MS
  state.listed = 2
  // Of two that were judged by the old list in one moment, both are judged by the new one.
  const [newest, same] = await Promise.all([keys.renewed(URL, first), keys.renewed(URL, first)])
  expect([newest, same]).toMatchObject([{ length: 2 }, { length: 2 }])
  expect(await keys.renewed(URL, newest ?? [])).toBeNull()
  expect([await keys.at(URL), state.asked]).toMatchObject([{ length: 2 }, 2])
})

test('a list that cannot be had, or is none, leaves the one before in force, and none where there was none, and it is said why', async () => {
  const { state, keys, reported } = world()
  state.isDown = true
  const none = await keys.at(URL)
  expect(none).toEqual([])
  state.isDown = false
  state.nowMs = MINUTE_MS
  const one = (await keys.renewed(URL, none)) ?? []
  expect(one).toHaveLength(1)
  state.isDown = true
  state.nowMs = 2 * MINUTE_MS
  expect(await keys.renewed(URL, one)).toBeNull()
  state.isDown = false
  state.isOdd = true
  state.nowMs = 3 * MINUTE_MS
  expect(await keys.renewed(URL, one)).toBeNull()
  expect(await keys.at(URL)).toBe(one)
  const refused = `${URL}: the server answered 503`
  expect(reported).toEqual([refused, refused, `${URL}: it is no JSON object with a list of keys`])
})

test('a manifest whose id or time of a callback is not signed is refused', () => {
  const headers = { signed: ['x-id'], id: 'x-id', timestamp: 'x-at', signature: 'x-signed' }
  const judged = CallbackSignature.safeParse({ scheme: 'ed25519-jwks', jwks_url: URL, headers })
  expect(judged.error?.issues).toMatchObject([{ path: ['headers', 'timestamp'], message: expect.stringContaining('x-at is not among') }])
})
