import { ClaimLost } from '../ports.ts'
import type { Clock, Log, Post, Posted, Store } from '../ports.ts'
import type { Instant, WebhookDeliveryRecord } from '../records.ts'
import type { WebhookFormats } from './format.ts'
import { judgeTry } from './retry-schedule.ts'

const TRY_TIMEOUT_MS = 15_000
/** For the bytes of an image. With everything around it shorter than the engine's claim. */
const UPLOAD_TIMEOUT_MS = 45_000

export interface TryDependencies {
  readonly store: Pick<Store, 'commit' | 'generation'>
  readonly clock: Pick<Clock, 'now'>
  readonly post: Post
  readonly formats: WebhookFormats
  /** A number in 0…1, for jitter. */
  readonly random: () => number
  /** Waits between tries. */
  readonly delaysMs: readonly number[]
  readonly log: Log
}

/** Sends a delivery's next message and records what came of it under the claim it has by then. Rejects where the disk refuses. */
export type TryDelivery = (delivery: WebhookDeliveryRecord, claimedUntil: () => Instant) => Promise<void>

/** @param now the time that the schedule of retries is kept in */
export function createTryDelivery({ store, post, formats, log, ...deps }: TryDependencies, now: () => Instant): TryDelivery {
  async function send(delivery: WebhookDeliveryRecord): Promise<{ readonly posted: Posted; readonly hasMore: boolean }> {
    const refused = (reason: string) => ({ posted: { kind: 'refused', reason } as const, hasMore: false })
    const generation = await store.generation(delivery.generationId)
    const target = generation?.webhook
    if (!generation || !target) return refused('the generation is not kept any more')
    const format = formats.get(target.format)
    if (!format) return refused(`this version of the gateway has no webhook format ${JSON.stringify(target.format)}`)
    const index = delivery.taken ?? 0
    const end = { generation, target, delivery, now: deps.clock.now() }
    const message = await format.render(end, index)
    if ('refused' in message) return refused(message.refused)
    const { url = delivery.url, body, ...rest } = message
    const posted = await post(url, { ...rest, body, timeoutMs: typeof body === 'string' ? TRY_TIMEOUT_MS : UPLOAD_TIMEOUT_MS })
    return { posted, hasMore: index + 1 < (format.count?.(end) ?? 1) }
  }

  return async (delivery, claimedUntil) => {
    const { posted, hasMore } = await send(delivery)
    const after = judgeTry(delivery, posted, { now: now(), delaysMs: deps.delaysMs, random: deps.random, hasMore })
    if (after.status === 'failed') {
      const { generationId: generation, tries, lastTry } = after
      log.warn(
        { delivery: after.id, generation, host: URL.parse(after.url)?.host, tries, reason: lastTry?.reason },
        'a webhook is given up: no further try is planned',
      )
    }
    await store.commit({ deliveryChange: { record: after, by: { claimedUntil: claimedUntil() } } }).catch((error: unknown) => {
      // This process stood still, and another one tries it by now: what that one writes counts.
      if (!(error instanceof ClaimLost)) throw error
    })
  }
}
