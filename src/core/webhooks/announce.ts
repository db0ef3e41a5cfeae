import type { WebhookEvent } from '#contract'
import type { WebhookDeliveryRecord } from '../records.ts'
import type { OpenGeneration, RunContext } from '../generation/context.ts'

/** The generation has just ended: whom its request wants told is written down together with the end. */
export function announce(context: RunContext, open: OpenGeneration): void {
  const { record } = open
  const { webhook } = record.request
  const type = eventOf(record.status)
  if (!webhook || type === null || !(webhook.events?.includes(type) ?? true)) return
  const now = context.ports.clock.now()
  open.newDelivery = {
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

function eventOf(status: OpenGeneration['record']['status']): WebhookEvent | null {
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
