import { createHmac, randomBytes } from 'node:crypto'

const PREFIX = 'whsec_'
const KEY_BYTES = 32

/** A fresh secret in the form receivers' libraries take. */
export const newWebhookSecret = (): string => PREFIX + randomBytes(KEY_BYTES).toString('base64')

/**
 * The headers of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, 2026-11-21):
 * one `v1` signature for each secret, so that a receiver may hold either while they are being changed.
 * @param secrets `whsec_` and base64
 * @param seconds since 1970; receivers refuse what is older than five minutes, so each try has its own
 */
export function signedHeaders(secrets: readonly string[], id: string, seconds: number, body: string): Readonly<Record<string, string>> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signatures.join(' ') }
}

/** A fresh key that no other gateway has. */
export const newNodeSecret = (): string => randomBytes(KEY_BYTES).toString('base64')
