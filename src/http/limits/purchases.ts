import type { CountPurchases } from '../../core/ports.ts'
import { Refusal } from '../../core/generation/refusal.ts'
import { headersOnRefusal } from '../request-context.ts'
import type { RateLimit } from './rate.ts'
import type { ObserveLimited } from './refusal.ts'

export interface PurchaseDependencies {
  /** Of a key, in a minute; null: no limit. */
  readonly rateOf: (key: string) => number | null
  readonly rate: Pick<RateLimit, 'takeMore'>
  readonly observeLimited: ObserveLimited
}

/** Each image that one request buys, at each provider, is a request of its key: the first was counted with the request, the others are here. */
export function createCountPurchases({ rateOf, rate, observeLimited }: PurchaseDependencies): CountPurchases {
  return async (key, images) => {
    const perMinute = key === null ? null : rateOf(key)
    if (key === null || perMinute === null || images <= 1) return
    const over = await rate.takeMore(key, perMinute, images - 1)
    if (over === null) return
    observeLimited({ limit: 'requests', of: 'key' })
    const each = `${key} may send ${perMinute} requests a minute, and each image at each provider counts as one: this asks for ${images}`
    if (images > perMinute) throw new Refusal('rate_limited', `${each}; ask for at most ${perMinute} at once.`)
    const seconds = Math.max(1, Math.ceil(over.msBeforeNext / 1_000))
    headersOnRefusal({ 'retry-after': String(seconds) })
    throw new Refusal('rate_limited', `${each}; send it again after ${seconds} s, or ask for fewer.`, [], seconds * 1_000)
  }
}
