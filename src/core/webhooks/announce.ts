import type { WebhookEvent } from '#contract'
import type { GenerationRecord, Instant, WebhookDeliveryRecord } from '../records.ts'

/** The webhook delivery of a generation that has just ended, written together with the end; null where nobody is to be notified. */
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

/** A generation ends once, so its delivery has its id: an end that is written twice is told once. */
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
