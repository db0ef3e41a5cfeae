import type { WebhookTarget } from '../../../core/records.ts'
import { viewOf } from '../../../core/present/generation.ts'
import type { WebhookFormat } from '../../../core/webhooks/format.ts'
import { resultReply } from './task-reply.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'

export const BFL_FORMAT = 'bfl'

/** Where a task's caller wants the result. */
export interface Webhook {
  readonly url: string
  /** Sent back as it is: BFL compares, it does not sign. */
  readonly secret: string | null
}

export const webhookTarget = ({ url, secret }: Webhook): WebhookTarget => ({ format: BFL_FORMAT, url, context: { secret } })

/** The finished task as a poll answers it, the secret in `X-Webhook-Secret` (https://github.com/black-forest-labs/blackforest, read 2026-11-21). */
export const bflFormat = ({ links }: { readonly links: ImageLinks }): WebhookFormat => ({
  async render({ generation, target }) {
    const { secret } = target.context as { readonly secret: string | null }
    return {
      body: JSON.stringify(resultReply(viewOf(generation, links))),
      headers: secret === null ? {} : { 'x-webhook-secret': secret },
    }
  },
})
