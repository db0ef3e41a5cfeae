import type { WebhookDelivery } from '#contract'
import type { WebhookDeliveryRecord } from '../records.ts'
import { iso, isoOrNull } from '../instant.ts'
import { withoutQuery } from './without-query.ts'

/** The row as a caller sees it. */
export function deliveryView(record: WebhookDeliveryRecord): WebhookDelivery {
  const { lastTry } = record
  return {
    id: record.id,
    object: 'webhook_delivery',
    generation_id: record.generationId,
    type: record.type,
    url: withoutQuery(record.url),
    status: record.status,
    created_at: iso(record.createdAt),
    tries: record.tries,
    last_try: lastTry && { at: iso(lastTry.at), status_code: lastTry.statusCode, reason: lastTry.reason },
    next_try_at: isoOrNull(record.nextTryAt),
    ended_at: isoOrNull(record.endedAt),
  }
}
