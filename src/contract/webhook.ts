import { z } from 'zod'
import { WEBHOOK_EVENTS } from './request.ts'

export const WebhookEvent = z.enum(WEBHOOK_EVENTS).meta({ id: 'WebhookEvent' })
export type WebhookEvent = z.infer<typeof WebhookEvent>

/** `pending` until a receiver took it or no further try is planned. */
export const WebhookDeliveryStatus = z.enum(['pending', 'delivered', 'failed']).meta({ id: 'WebhookDeliveryStatus' })
export type WebhookDeliveryStatus = z.infer<typeof WebhookDeliveryStatus>

/** One event on its way to the receiver its request named. */
export const WebhookDelivery = z
  .object({
    id: z.string().meta({ description: 'Sent as `webhook-id`; the same at every try, so that a receiver recognizes a repetition.' }),
    object: z.literal('webhook_delivery'),
    generation_id: z.string(),
    type: WebhookEvent,
    url: z.string().meta({ description: 'Without its query, which may hold a secret.' }),
    status: WebhookDeliveryStatus,
    created_at: z.iso.datetime(),
    tries: z.number().int(),
    last_try: z
      .object({
        at: z.iso.datetime(),
        status_code: z.number().int().nullable().meta({ description: 'What the receiver answered; null where there was no answer.' }),
        reason: z.string().nullable().meta({ description: 'Why it did not count as delivered; null where it did.' }),
      })
      .nullable(),
    next_try_at: z.iso.datetime().nullable().meta({ description: 'Null once it was delivered or given up.' }),
    ended_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'WebhookDelivery' })
export type WebhookDelivery = z.infer<typeof WebhookDelivery>
