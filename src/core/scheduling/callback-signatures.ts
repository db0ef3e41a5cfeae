import { createHash, createHmac, createPublicKey, verify, type KeyObject } from 'node:crypto'
import { littleTurn } from '../../reading/turn-share.ts'
import { isSameHash } from '../keys/key-record.ts'

/** A vendor's callback as it came: its headers in lower case, and its body before anything was parsed. */
export interface SignedCallback {
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
}

/** Why a callback is not believed; null where its signature and its age are right. */
export type SignatureFault = 'not signed' | 'too old or too new' | 'wrong signature' | 'came before'

/** So far a callback's time and ours may lie apart, either way. Standard Webhooks names five minutes. */
export const MAX_AGE_MS = 300_000

/**
 * Standard Webhooks: HMAC-SHA256 over id, time and body, with one of the signatures in the header by one of the secrets.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * @param secrets as vendors show them: `whsec_` and base64
 */
export function standardWebhooksFault(
  { headers, body }: SignedCallback,
  secrets: readonly string[],
  now: number,
  maxAgeMs = MAX_AGE_MS,
): SignatureFault | null {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers
  if (!id || !timestamp || !signatures) return 'not signed'
  if (!isRecent(timestamp, now, maxAgeMs)) return 'too old or too new'
  const given = signatures.split(' ').flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : []))
  const expected = secrets.flatMap((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    // Whoever knows that the secret is empty could sign as well.
    return key.length === 0 ? [] : [createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')]
  })
  return given.some((one) => expected.filter((right) => isSameHash(one, right)).length > 0) ? null : 'wrong signature'
}

/**
 * Ed25519 over the values of some headers and the hash of the body, each on its own line; the signature is in hex.
 * @param names headers whose values are signed, in their order; the one that holds the time in seconds is among them
 * @param keys the vendor's public keys as they are now
 */
export async function ed25519Fault(
  { headers, body }: SignedCallback,
  names: { readonly signed: readonly string[]; readonly timestamp: string; readonly signature: string },
  keys: readonly KeyObject[],
  now: number,
  maxAgeMs = MAX_AGE_MS,
): Promise<SignatureFault | null> {
  const values = names.signed.map((name) => headers[name])
  const signature = headers[names.signature] ?? ''
  const timestamp = headers[names.timestamp] ?? ''
  if (values.some((value) => !value) || !names.signed.includes(names.timestamp)) return 'not signed'
  if (!isRecent(timestamp, now, maxAgeMs)) return 'too old or too new'
  if (!/^[0-9a-f]{128}$/i.test(signature)) return 'wrong signature'
  const message = Buffer.from([...values, createHash('sha256').update(body).digest('hex')].join('\n'))
  for (const key of keys) {
    // A key takes a tenth of a millisecond, and hundreds of callbacks may have waited for one list.
    await littleTurn(CALLBACKS, 0)
    if (verify(null, message, key, Buffer.from(signature, 'hex'))) return null
  }
  return 'wrong signature'
}

/** Whose turn it is where signatures are judged. */
const CALLBACKS = 'callbacks'

/** The Ed25519 keys in a JWKS document (RFC 8037); what else is in it is left out. Null where it is none. */
export function ed25519KeysIn(document: unknown): readonly KeyObject[] | null {
  const { keys } = (document ?? {}) as { readonly keys?: unknown }
  if (!Array.isArray(keys)) return null
  return keys.slice(0, MAX_KEYS).flatMap((jwk: unknown) => {
    const { kty, crv, x } = (jwk ?? {}) as Readonly<Record<string, unknown>>
    if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') return []
    try {
      return [createPublicKey({ key: { kty, crv, x }, format: 'jwk' })]
    } catch {
      return []
    }
  })
}

const MAX_KEYS = 32

/** A vendor that sends more within the age that is allowed could have its oldest sent again: no more polls come of that than images were ordered. */
const MOST_REMEMBERED = 100_000

/**
 * Refuses the second of two callbacks with one id, as long as this process lives. Within the age that is allowed nothing is forgotten but beyond a
 * number, for each provider; what is older is refused by its age. A vendor chooses its ids, and how long they are: they are remembered by their hashes.
 * Times are of a clock that nobody sets, since what is forgotten by one that is set ahead is new again when it is set back.
 */
export function createReplayGuard(most = MOST_REMEMBERED): {
  readonly isNew: (provider: string, id: string, monotonicMs: number) => boolean
} {
  const seenOf = new Map<string, Map<string, number>>()
  return {
    isNew(provider, id, now) {
      const seen = seenOf.get(provider) ?? new Map<string, number>()
      seenOf.set(provider, seen)
      // In the order they came, the oldest first.
      for (const [old, at] of seen) {
        if (seen.size < most && now - at <= 2 * MAX_AGE_MS) break
        seen.delete(old)
      }
      const hash = createHash('sha256').update(id).digest('base64')
      if (seen.has(hash)) return false
      seen.set(hash, now)
      return true
    },
  }
}

/** @param timestamp whole seconds since 1970 */
function isRecent(timestamp: string, now: number, maxAgeMs: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now - Number(timestamp) * 1_000) <= maxAgeMs
}
