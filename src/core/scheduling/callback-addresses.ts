import { createHmac } from 'node:crypto'
import { isSameHash } from '../keys/key-record.ts'
import type { Hooks } from '../ports.ts'

export const HOOK_PATH = '/v1/hooks'

/** The attempt a callback is about, proved by its address. */
export interface HookAddressee {
  readonly provider: string
  readonly generationId: string
  readonly attemptId: string
}

export interface InboundHooks extends Hooks {
  /** Reads the token of an address that `webhookFor` made for this provider; null for any other. */
  addressee(provider: string, token: string): HookAddressee | null
  /** Whether this is the secret the provider was given for the attempt. */
  isSecretOf(addressee: HookAddressee, secret: string): boolean
}

export interface InboundHooksDependencies {
  /** Known to this gateway alone; addresses and secrets follow from it, so none of them is kept. */
  readonly key: Buffer
  /** Where a provider reaches this gateway, without a slash at its end; null where it cannot, or sends no callbacks. */
  readonly baseFor: (provider: string) => string | null
}

/** Addresses nobody can guess, one for each attempt, and the secret that goes with each. */
export function createInboundHooks({ key, baseFor }: InboundHooksDependencies): InboundHooks {
  const mac = (purpose: 'token' | 'secret', { provider, generationId, attemptId }: HookAddressee): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([purpose, provider, generationId, attemptId]))
      .digest('base64url')

  return {
    isOn: (provider) => baseFor(provider) !== null,
    webhookFor(provider, generationId, attemptId) {
      const base = baseFor(provider)
      if (base === null) return undefined
      const addressee = { provider, generationId, attemptId }
      const url = `${base}${HOOK_PATH}/${provider}/${generationId}.${attemptId}.${mac('token', addressee)}`
      return { url, secret: mac('secret', addressee) }
    },
    addressee(provider, token) {
      const [generationId = '', attemptId = '', proof = '', ...rest] = token.split('.')
      const addressee = { provider, generationId, attemptId }
      return rest.length === 0 && isSameHash(proof, mac('token', addressee)) ? addressee : null
    },
    isSecretOf: (addressee, secret) => isSameHash(secret, mac('secret', addressee)),
  }
}
