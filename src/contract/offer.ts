import type { Adapter } from './adapter.ts'
import type { Limits } from './limits.ts'
import type { Manifest } from './manifest.ts'
import type { PriceRule } from './price.ts'

/** An installed vendor: its data and its language. */
export interface Provider {
  readonly id: string
  readonly manifest: Manifest
  readonly adapter: Adapter
}

/** One provider's version of one model, with the operator's prices applied. */
export interface Offer {
  readonly provider: string
  readonly model: string
  readonly providerModel: string
  readonly limits: Limits
  readonly price: PriceRule | null
  /** The day (UTC) from which on the provider no longer sells it; absent: no end is announced. */
  readonly retiresOn?: string
  readonly replacedBy?: string
  /** A decimal: what the provider takes outside the call, in percent of it. Absent: nothing. */
  readonly surchargePercent?: string
}
