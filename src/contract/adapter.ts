import type { z } from 'zod'
import type { Json } from './json.ts'
import type { Usd } from './money.ts'
import type { Failure } from './failure.ts'
import type { Background, OutputFormat, Quality } from './limits.ts'
import type { Warning } from './generation.ts'
import type { ModelEntry } from './manifest.ts'
import type { TokenPrice } from './price.ts'

/**
 * One paid task for one provider, already adapted: every value is legal for the offer, so an adapter only changes language.
 * An absent field was not asked for; the vendor's default applies and nothing is sent. Ids come in, so the same order gives the same call.
 */
export interface Order<Options = unknown> {
  /** Our id for the vendor's task, a UUID v4; used where the vendor lets the client choose it. */
  readonly taskId: string
  readonly model: string
  readonly providerModel: string
  /** What the manifest says of this offer. */
  readonly limits: ModelEntry['limits']
  readonly prompt: string
  /** Pixels, where the offer takes pixels (`limits.size.kind` is `range`). */
  readonly width?: number
  readonly height?: number
  /** A shape and a resolution, where the offer sells those instead of pixels (`limits.size.kind` is `tier`). */
  readonly tier?: OrderedTier
  /** In a form the offer takes: an https URL, a data URI, or bare base64. */
  readonly references: readonly string[]
  /** Digits, up to 2^63−1. Sent as a number with `exactNumber` of the adapter kit: not a digit is lost. */
  readonly seed?: string
  /** Images in this one task, at most `limits.n.max`. */
  readonly count: number
  readonly outputFormat?: OutputFormat
  readonly outputQuality?: number
  readonly safetyTolerance?: number
  readonly promptUpsampling?: boolean
  readonly guidance?: number
  readonly steps?: number
  readonly quality?: Quality
  readonly background?: Background
  /** In a form the offer takes, as `references`; what to repaint of the first of those is transparent in it. */
  readonly mask?: string
  /** Parsed with the adapter's own strict schema. */
  readonly options: Options
  /** Where the vendor may call us when the task ends. Nothing in such a callback is believed: it only makes the next poll early. */
  readonly webhook?: { readonly url: string; readonly secret: string }
}

export interface OrderedTier {
  /** One of `limits.size.aspect_ratios`. Absent where the image follows the first reference. */
  readonly aspectRatio?: string
  /** The vendor's word for the resolution, one of `limits.size.tiers`. */
  readonly name: string
  /** The size it comes to, where the vendor publishes it. */
  readonly pixels?: { readonly width: number; readonly height: number }
}

/** A request to a vendor: plain JSON without secrets, stored, and sent again after a restart where it is a poll. */
export interface Call {
  /** `submit` buys; it is never repeated unless it provably did not arrive. The others are free. */
  readonly purpose: 'submit' | 'poll' | 'recover' | 'cancel' | 'account'
  readonly method: 'GET' | 'POST' | 'PUT'
  /** A path below the provider's base URL (`/v1/x`), or an absolute URL the vendor gave; transport guards its host. */
  readonly url: string
  /** JSON. `{ "$digits": "…" }` anywhere in it is sent as a bare number of these digits. */
  readonly body?: Json
  /** Sent as multipart/form-data instead of a JSON body. */
  readonly form?: readonly FormPart[]
  /** The reply may come piece by piece, as Server-Sent Events; a vendor that answers with one body all the same is read as ever. */
  readonly stream?: 'server-sent-events'
  /** What interpret needs to remember until the reply to this call: the cost given at submit, how many images were ordered. Never sent. */
  readonly memo?: Json
}

/** A field of a form: a text, or a file by its bytes in base64. */
export type FormPart =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly filename: string; readonly mediaType: string; readonly base64: string }

/** A vendor's response. Numbers that a double cannot hold to the last digit arrive as strings of their digits. */
export interface Reply {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Parsed JSON; a body that is not JSON arrives as a string, an empty one as null. Of a reply that came as events, these in their order
   * (`ReplyEvent`), but for those that `Adapter.partial` took.
   */
  readonly body: Json
  /** The absolute URL that was called: links in the body may be relative to it. Absent where the reply came by a webhook. */
  readonly url?: string
}

/** One event of a streamed reply. */
export type ReplyEvent = {
  /** Its name; empty where it has none. */
  readonly event: string
  /** Parsed JSON; what is not JSON is a string. */
  readonly data: Json
}

/** The events of a reply that came as such; null where it came in one piece. */
export function eventsOf({ headers, body }: Pick<Reply, 'headers' | 'body'>): readonly ReplyEvent[] | null {
  return isEventStream(headers) && Array.isArray(body) ? (body as readonly Json[]).filter((part) => isEvent(part)) : null
}

const isEvent = (part: Json): part is ReplyEvent =>
  typeof part === 'object' && part !== null && 'event' in part && typeof part.event === 'string' && 'data' in part

/** Whether a reply's headers announce events. */
export const isEventStream = (headers: Reply['headers']): boolean => /^text\/event-stream\b/i.test(headers['content-type'] ?? '')

/** An image on its way, which shows how far the vendor is: passed on to who watches, never stored, never a result. */
export interface PartialImage {
  /** From 0, as the vendor counts. */
  readonly index: number
  /** Base64. */
  readonly data: string
}

export interface ImageRef {
  /** An absolute http(s) URL to fetch, or the payload of a `data:` URI as plain base64. URLs from replies are untrusted. */
  readonly source: { readonly kind: 'url'; readonly url: string } | { readonly kind: 'base64'; readonly data: string }
  /** The vendor's own id of this image. An id or a link that comes twice in one reply is one image. */
  readonly id?: string
  /** When the link dies, where the reply says it. ISO 8601. */
  readonly expiresAt?: string
  /** Digits. */
  readonly seed?: string
  readonly flagged?: boolean
}

/**
 * What the vendor says of the charge for this task: the amount, in US dollars, or how much it counted, which our price turns into one.
 * `raw` is its own words, before any conversion.
 */
export type VendorCost =
  | { readonly amount: Usd; readonly raw: Json }
  | { readonly tokens: TokenCount; readonly raw: Json }
  /** Decimal digits: the vendor's own billable units, which the offer's price has a `unit_amount` for. */
  | { readonly units: string; readonly raw: Json }

/** Tokens of each kind that has a price of its own. */
export type TokenCount = Readonly<Partial<Record<keyof TokenPrice['per_million'], number>>>

/** What every reply may say besides: the cost, the vendor's task id, and the small facts worth keeping (ids, megapixels, discount). */
export interface Said {
  readonly cost?: VendorCost
  readonly taskId?: string
  /** Shown as `attempts[].vendor`, merged over the attempt's replies. */
  readonly vendor?: Readonly<Record<string, Json>>
}

export type Outcome =
  | (Said & {
      readonly kind: 'done'
      readonly images: readonly ImageRef[]
      readonly failures?: readonly Failure[]
      readonly promptUsed?: string
    })
  | (Said & {
      readonly kind: 'pending'
      readonly next: Call
      readonly afterMs: number | null
      readonly progress?: number
      readonly note?: string
      /** Those of a batch that are already there. Where the rest never comes, the attempt ends with these. */
      readonly images?: readonly ImageRef[]
    })
  /** The vendor's terminal word about the task. */
  | (Said & { readonly kind: 'failed'; readonly failure: Failure })
  /**
   * The call was refused, and nothing is said about the task: an HTTP error, "not found", a reply without meaning. A refused submit bought
   * nothing more than `failure.billed` says. A refused poll is repeated by the core while the task can live.
   */
  | (Said & { readonly kind: 'refused'; readonly failure: Failure })

/**
 * A vendor's language, both ways. Pure and total: no clock, randomness, environment, network or secrets; never throws.
 * `Options` is what this vendor takes beyond the normalized request.
 */
export interface Adapter<Options = unknown> {
  /** Strict. */
  readonly options: z.ZodType<Options>
  /** The paid call for an order. Warnings are for what only this vendor's options cause. */
  translate(order: Order<Options>): { readonly call: Call; readonly warnings: readonly Warning[] }
  /**
   * What a reply means; asked again after every pending. A webhook body is just another reply. Of a streamed reply that broke off it gets the
   * events that had come: `done` or `failed` where they say it, `refused` where they do not say how the task ended.
   * `afterMs: null` leaves the waiting time to the core. `note` marks a status we do not know: still pending, but said in the log.
   */
  interpret(reply: Reply, call: Call): Outcome
  /**
   * What the beginning of a streamed reply says before its first event: at most the vendor's id of the task. It proves that the vendor has
   * the call; what comes later may still be lost.
   */
  begun?(start: Pick<Reply, 'status' | 'headers'>): Said
  /** The partial image that an event of a streamed reply brings; null for any other event, which stays for `interpret`. */
  partial?(event: ReplyEvent): PartialImage | null
  /**
   * For a submit whose reply was lost: the free call that asks what became of it, where the vendor has one. Its reply may be about our task
   * alone, or list many: then `interpret` finds ours by what the submit carried (our id, in metadata or in the webhook's URL), which the
   * call keeps in its `memo`, and answers `refused` while it is not listed.
   */
  recover?(submit: Call): Call | null
  /**
   * The call that cancels the task `poll` asks about, where the vendor has one; a URL it gave is in the poll's memo. Its reply is read by
   * `interpret`: `failed` with the code `canceled` and whether it is billed where the task has ended so; `pending` with the next poll where
   * the vendor only took note, or where the task was over already; `refused` where nobody can say.
   */
  cancel?(poll: Call): Call | null
  /** The free call that reads the account's balance. `id` is a fresh UUID v4. */
  account?(id: string): Call
  /** Dollars left, from the reply to `account`; null where the reply does not say. */
  readBalance?(reply: Reply): Usd | null
}
