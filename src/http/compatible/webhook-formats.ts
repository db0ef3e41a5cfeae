import type { Assets } from '../../core/ports.ts'
import type { WebhookFormat } from '../../core/webhooks/format.ts'
import { BFL_FORMAT, bflFormat } from './bfl/webhook.ts'
import { RUNWARE_FORMAT, runwareFormat } from './runware/webhook.ts'
import type { ImageLinks } from '../../core/present/image-link.ts'

export interface WebhookFormatDependencies {
  readonly links: ImageLinks
  readonly assets: Pick<Assets, 'open' | 'read'>
}

/** The formats in which compatible APIs send the end of a generation, by the name kept with it. */
export const webhookFormats = (deps: WebhookFormatDependencies): readonly (readonly [string, WebhookFormat])[] => [
  [BFL_FORMAT, bflFormat(deps)],
  [RUNWARE_FORMAT, runwareFormat(deps)],
]
