import type { InPieces } from '../ports.ts'
import type { GenerationRecord, Instant, WebhookDeliveryRecord, WebhookTarget } from '../records.ts'

/** One request to a receiver. */
export interface WebhookMessage {
  /** Absent: that of the delivery. */
  readonly url?: string
  /** Absent: POST. */
  readonly method?: 'POST' | 'PUT'
  /** JSON, or what would be much to hold for as long as a receiver reads nothing: the bytes of images. */
  readonly body: string | InPieces
  readonly headers: Readonly<Record<string, string>>
}

/** There is nothing to send, for good. */
export interface NoMessage {
  readonly refused: string
}

/** What is sent, and for which delivery. */
export interface WebhookEnd {
  /** As it is on disk, ended. */
  readonly generation: GenerationRecord
  readonly target: WebhookTarget
  readonly delivery: Pick<WebhookDeliveryRecord, 'id' | 'type' | 'createdAt'>
  /** Wall time of this try. */
  readonly now: Instant
}

/** The end of a generation as one kind of receiver reads it. Compatible APIs register theirs; the core knows `standard` alone. */
export interface WebhookFormat {
  /** How many messages an end makes, sent one after the other; absent: one. The same at every call. */
  count?(end: Pick<WebhookEnd, 'generation' | 'target'>): number
  /** Message `index`, from 0. Its body is the same at every try as long as the generation is. */
  render(end: WebhookEnd, index: number): Promise<WebhookMessage | NoMessage>
}

/** By `WebhookTarget.format`. */
export type WebhookFormats = ReadonlyMap<string, WebhookFormat>
