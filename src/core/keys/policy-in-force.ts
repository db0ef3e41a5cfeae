import { Refusal } from '../generation/refusal.ts'
import type { KeyPolicy, Standing } from './key-policy.ts'

/**
 * What limits whoever asks; null where no gateway key is asked for.
 * @throws Refusal where the key was revoked or has expired since it was known
 */
export function policyInForce(standing: Standing): KeyPolicy | null {
  switch (standing.kind) {
    case 'everybody':
      return null
    case 'key':
      return standing.policy
    case 'ended':
      throw new Refusal('unauthorized', `The gateway key ${standing.key} was revoked or has expired; nothing was bought. Send a valid one.`)
  }
}
