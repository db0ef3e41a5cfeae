import { createHmac } from 'node:crypto'
import { isSameHash } from '../keys/key-record.ts'
import type { ImageRecord, Instant } from '../records.ts'

/** The address of an image here, fresh at each call: every answer, event and webhook makes its links with this one function. */
export type ImageLinks = (image: Pick<ImageRecord, 'id' | 'format'>) => string

export interface LinkSettings {
  /** Without a trailing slash. */
  readonly publicUrl: () => string
  /** Signs links; kept in the store. */
  readonly secret: string
  /** Null: links need no signature, since no keys are on or the operator made images public. */
  readonly lifeMs: () => number | null
  readonly now: () => Instant
}

const HOUR_MS = 3_600_000

/** Links that need no signature. */
export const plainLinks =
  (publicUrl: string): ImageLinks =>
  ({ id, format }) =>
    `${publicUrl}/v1/images/${id}.${format === null || format === 'jpeg' ? 'jpg' : format}`

/** An expiry is rounded up to the hour, so that a link stays the same within one and can be cached. */
export const imageLinks =
  ({ publicUrl, secret, lifeMs, now }: LinkSettings): ImageLinks =>
  (image) => {
    const plain = plainLinks(publicUrl())(image)
    const life = lifeMs()
    if (life === null) return plain
    const expires = (Math.ceil((now() + life) / HOUR_MS) * HOUR_MS) / 1_000
    return `${plain}?expires=${expires}&signature=${signatureOf(secret, image.id, expires)}`
  }

export type LinkJudged =
  /** `expiresAt` is when it ends. */
  { readonly kind: 'valid'; readonly expiresAt: Instant } | { readonly kind: 'expired' } | { readonly kind: 'unsigned' }

/** Whether a link to this image was signed here and still lives. What else stands in its query is not signed. */
export function judgeLink(secret: string, id: string, expires: string, signature: string, now: Instant): LinkJudged {
  if (!/^[1-9]\d{0,11}$/.test(expires) || !isSameHash(signature, signatureOf(secret, id, Number(expires)))) return { kind: 'unsigned' }
  const expiresAt = Number(expires) * 1_000
  return expiresAt > now ? { kind: 'valid', expiresAt } : { kind: 'expired' }
}

const signatureOf = (secret: string, id: string, expires: number): string =>
  createHmac('sha256', secret).update(`${id}\n${expires}`).digest('base64url')
