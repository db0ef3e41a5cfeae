import type { WebhookEvent } from '#contract'
import type { GenerationRecord, Instant, WebhookDeliveryRecord } from '../records.ts'

/**
 * The delivery of a generation that has just ended, to be written in the same unit of work as the end. Null where its request names no
 * webhook, or none for this kind of end.
 */
export function deliveryFor(record: GenerationRecord, now: Instant): WebhookDeliveryRecord | null {
  const { webhook } = record
  const type = eventOf(record.status)
  if (!webhook || type === null || !(webhook.events?.includes(type) ?? true)) return null
  return {
    id: deliveryIdOf(record.id),
    generationId: record.id,
    key: record.key,
    type,
    url: webhook.url,
    createdAt: record.completedAt ?? now,
    status: 'pending',
    tries: 0,
    failures: 0,
    lastTry: null,
    nextTryAt: now,
    endedAt: null,
  }
}

/** A generation ends once, so its delivery has its id: an end that is written twice is sent once. */
export const deliveryIdOf = (generationId: string): WebhookDeliveryRecord['id'] => `msg_${generationId.replace(/^gen_/, '')}`

function eventOf(status: GenerationRecord['status']): WebhookEvent | null {
  switch (status) {
    case 'succeeded':
      return 'generation.succeeded'
    case 'failed':
      return 'generation.failed'
    case 'canceled':
      return 'generation.canceled'
    case 'queued':
    case 'running':
      return null
  }
}
