import { createHash, createHmac, randomUUID, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** A callback as a vendor writes it, or as somebody pretends to. */
export interface Written {
  readonly id?: string
  readonly ageSeconds?: number
  readonly body?: string
  /** What is signed instead of the body. */
  readonly signed?: string
}

/** How a vendor calls its headers, those that it signs in their order. */
interface HeaderNames {
  readonly signed: readonly string[]
  readonly id: string
  readonly timestamp: string
  readonly signature: string
}

const secondsAgo = (age: number): string => String(Math.floor(Date.now() / 1_000) - age)

/** Signed as Standard Webhooks has it. */
export function standard(
  secret: string,
  { id = randomUUID(), ageSeconds = 0, body = '{}', signed = body }: Written,
): Record<string, string> {
  const at = secondsAgo(ageSeconds)
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${at}.${signed}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${signature}` }
}

/** Signed as fal does, whatever the headers are called. */
export function ed25519(
  names: HeaderNames,
  key: KeyObject,
  { id = randomUUID(), ageSeconds = 0, body = '{}', signed = body }: Written,
): Record<string, string> {
  const known = { [names.id]: id, [names.timestamp]: secondsAgo(ageSeconds) }
  const headers = Object.fromEntries(names.signed.map((name) => [name, known[name] ?? 'user-1']))
  const message = [...Object.values(headers), createHash('sha256').update(signed).digest('hex')].join('\n')
  return { ...headers, [names.signature]: sign(null, Buffer.from(message), key).toString('hex') }
}

/** All of an answer but what names this one. */
export async function callBack(url: string, headers: Readonly<Record<string, string>>, body = '{}') {
  const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
  const { date: _date, 'x-request-id': _request, ...shown } = Object.fromEntries(reply.headers)
  const { instance: _instance, request_id: _id, ...said } = (await reply.json()) as Record<string, unknown>
  return { status: reply.status, headers: shown, said }
}
