import type { KeyRecord } from './keys/key-record.ts'
import type { Instant, WebhookDeliveryRecord } from './records.ts'

/**
 * What becomes of a gateway key made at run time. Processes that share the store may change the same one at once, so each says what it found;
 * refused with `KeyConflict` where that is not so any more.
 */
export type KeyChange =
  /** There is none of its name, nor with the hash of its secret. */
  | { readonly kind: 'made'; readonly record: KeyRecord }
  /** Saved whole, where the hash of its secret was `from`. */
  | { readonly kind: 'changed'; readonly record: KeyRecord; readonly from: string }
  /** Nothing else of it changes; nothing happens where it is gone. */
  | { readonly kind: 'used'; readonly name: string; readonly at: Instant }
  /** It counts no more. `unlessLastAt`: only where another one is left that counts at this instant; null: in any case. */
  | { readonly kind: 'revoked'; readonly name: string; readonly unlessLastAt: Instant | null }

/** A delivery that is known, saved whole; its claim is given back. */
export interface DeliveryChange {
  readonly record: WebhookDeliveryRecord
  /** Who may write it: whoever claimed it until then, or anybody once nobody has it. Refused with `ClaimLost` otherwise. */
  readonly by: { readonly claimedUntil: Instant } | { readonly freeAt: Instant }
}

/** A gateway key is not what it was when its change was asked for; nothing was written. */
export class KeyConflict extends Error {}

/** Somebody else tries the webhook delivery; nothing was written. */
export class ClaimLost extends Error {}

/** How many are under way here. */
export interface DeliveriesUnderWay {
  /** By the origin of their URL. */
  readonly byOrigin: ReadonlyMap<string, number>
  /** By the gateway key; those of none are not among them, since there are no others where no keys are on. */
  readonly byKey: ReadonlyMap<string, number>
}

export interface DeliveryClaim {
  readonly now: Instant
  readonly leaseMs: number
  readonly limit: number
  /** At most this many to one receiver, those under way included, so that a slow one does not hold up the others. */
  readonly perOrigin: number
  /** At most this many of one gateway key, those under way included, so that its receivers do not hold up those of others. */
  readonly perKey: number
  readonly underWay: DeliveriesUnderWay
}
