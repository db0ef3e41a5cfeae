import type { Clock, Log, Post } from '../../core/ports.ts'

export interface Parcel {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** Delivers in the background; what cannot be delivered is said in the log. */
export type Courier = (parcel: Parcel, generationId: string) => void

const TIMEOUT_MS = 30_000
const RETRY_DELAYS_MS = [1_000, 5_000, 30_000] as const

/**
 * Delivery to webhooks in a vendor's own shape: best effort, kept in memory, so a restart forgets what is not yet delivered. Whoever
 * must not miss an end polls, or names a webhook of POST /v1/generations.
 */
export function createCourier({ post, clock, log }: { readonly post: Post; readonly clock: Clock; readonly log: Log }): Courier {
  const deliver = async (parcel: Parcel, generation: string, tries: number): Promise<void> => {
    const answer = await post(parcel.url, { body: parcel.body, headers: parcel.headers, timeoutMs: TIMEOUT_MS })
    if (answer.kind === 'status' && answer.status >= 200 && answer.status < 300) return
    const isLasting = answer.kind === 'refused' || (answer.kind === 'status' && answer.status < 500 && answer.status !== 429)
    const delayMs = isLasting ? undefined : RETRY_DELAYS_MS[tries]
    if (delayMs !== undefined) {
      clock.after(delayMs, () => void deliver(parcel, generation, tries + 1))
      return
    }
    const reason = answer.kind === 'status' ? `status ${answer.status}` : answer.reason
    log.warn({ generation, host: URL.parse(parcel.url)?.host ?? null, reason, tries: tries + 1 }, 'a webhook was not delivered')
  }
  return (parcel, generationId) => void deliver(parcel, generationId, 0)
}
