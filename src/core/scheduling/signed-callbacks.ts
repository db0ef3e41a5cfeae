import type { CallbackSignature } from '#contract'
import type { Clock } from '../ports.ts'
import { createReplayGuard, ed25519Fault, standardWebhooksFault } from './callback-signatures.ts'
import type { SignatureFault, SignedCallback } from './callback-signatures.ts'
import type { VendorKeys } from './vendor-keys.ts'

export interface SignedCallbacks {
  /** Whether this provider signs its callbacks, so that their bodies are read. */
  isSigned(provider: string): boolean
  /** Why a callback is not believed; null where it is, or where its provider signs none. A second one with the same id is not. */
  fault(provider: string, callback: SignedCallback): Promise<SignatureFault | null>
}

export interface SignedCallbacksDependencies {
  readonly signatureOf: (provider: string) => CallbackSignature | null
  /** The secrets with which a provider may sign; empty where none is configured. */
  readonly secretsOf: (provider: string) => readonly string[]
  readonly keys: VendorKeys
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>
}

export function createSignedCallbacks({ signatureOf, secretsOf, keys, clock }: SignedCallbacksDependencies): SignedCallbacks {
  const replays = createReplayGuard()

  async function signatureFault(provider: string, signature: CallbackSignature, callback: SignedCallback): Promise<SignatureFault | null> {
    const maxAgeMs = signature.tolerance_seconds * 1_000
    switch (signature.scheme) {
      case 'standard-webhooks':
        return standardWebhooksFault(callback, secretsOf(provider), clock.now(), maxAgeMs)
      case 'ed25519-jwks': {
        const { headers, jwks_url: url } = signature
        const judged = (known: Parameters<typeof ed25519Fault>[2]) => ed25519Fault(callback, headers, known, clock.now(), maxAgeMs)
        // What is not signed at all, or too old, is no reason to ask the vendor.
        const unsigned = await judged([])
        if (unsigned !== 'wrong signature') return unsigned
        const listed = await keys.at(url)
        const fault = await judged(listed)
        const renewed = fault === null ? null : await keys.renewed(url, listed)
        return renewed === null ? fault : judged(renewed)
      }
    }
  }

  return {
    isSigned: (provider) => signatureOf(provider) !== null,
    async fault(provider, callback) {
      const signature = signatureOf(provider)
      if (signature === null) return null
      const fault = await signatureFault(provider, signature, callback)
      if (fault !== null) return fault
      const id = callback.headers[signature.scheme === 'standard-webhooks' ? 'webhook-id' : signature.headers.id] ?? ''
      return replays.isNew(provider, id, clock.monotonicMs()) ? null : 'came before'
    },
  }
}
