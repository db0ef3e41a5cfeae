import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Instant } from '../records.ts'
import type { KeyRules } from './caller.ts'

/** A gateway key made at run time, as it is kept. Its secret is not: only what it hashes to under the pepper. */
export interface KeyRecord extends Omit<KeyRules, 'admin'> {
  /** HMAC-SHA-256 of the secret under the pepper, in hex. */
  readonly hash: string
  /** Earlier secrets that still count, each until its instant. */
  readonly previous: readonly { readonly hash: string; readonly until: Instant }[]
  readonly createdAt: Instant
  readonly rotatedAt: Instant | null
  /** From when it is refused; null: never. */
  readonly expiresAt: Instant | null
  /** To the minute. */
  readonly lastUsedAt: Instant | null
}

/**
 * Under what a gateway key's `Idempotency-Key`s are kept, of generations and of comparisons: one may stand for one of each.
 * @param key its name; null where no keys are configured
 */
export const scopesOf = (key: string | null) => ({ generations: key ?? '', comparisons: `/v1/comparisons ${key ?? ''}` })

/** A secret given in plain is at least as long. */
export const SHORTEST_SECRET = 16
const SECRET_BYTES = 32

/** A fresh secret, shown once. */
export const newKeySecret = (): string => `ig_${randomBytes(SECRET_BYTES).toString('base64url')}`

export const keyedHash = (pepper: string, text: string): string => createHmac('sha256', pepper).update(text).digest('hex')

/** Whether two hashes are one, in a time that does not depend on where they differ. What a caller gave may hold any character. */
export function isSameHash(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}
