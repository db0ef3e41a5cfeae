import type {
  Json,
  Applied,
  AttemptCall,
  AttemptStatus,
  Call,
  CostBasis,
  CostLine,
  FailureCode,
  GenerationError,
  GenerationRequest,
  GenerationStatus,
  ImageRef,
  JsonObject,
  OutputFormat,
  PriceRule,
  Routing,
  Usd,
  VendorCost,
  Warning,
  WebhookDeliveryStatus,
  WebhookEvent,
} from '#contract'
import type { Instant } from './instant.ts'

/** What is on disk. Adapters and callers never see these. */

export type { Instant } from './instant.ts'
export type { CostRow, CostSum, LedgerEntry, LedgerKind, Made, SettledTask } from './account-records.ts'

/** A reference image as it is kept: bytes by hash, or a link that could not be fetched here. `pixels` is null where they cannot be seen. */
export type Reference =
  | {
      readonly kind: 'stored'
      /** True for the mask, which stands behind the references. */
      readonly isMask?: true
      /** The image id under which its key can name it again. Absent in rows of earlier versions. */
      readonly id?: string
      readonly sha256: string
      /** Absent in rows of earlier versions. */
      readonly bytes?: number
      readonly format: OutputFormat
      readonly pixels: { readonly width: number; readonly height: number }
      /** The link it came as: an offer that takes links is sent this one. Absent where it came otherwise. */
      readonly url?: string
    }
  | {
      readonly kind: 'url'
      readonly isMask?: true
      readonly url: string
      readonly pixels: { readonly width: number; readonly height: number } | null
    }

/** One eligible offer with the request already adapted to it; frozen when the generation is accepted. */
export interface Route {
  readonly provider: string
  readonly model: string
  readonly providerModel: string
  readonly applied: Applied
  /** How near it is to the image as requested; absent in rows of earlier versions. */
  readonly fidelity?: 'exact' | 'near' | 'far'
  /** Vendor defaults that act where nothing is asked; see `VendorDefaults`. Never sent. Absent in rows of earlier versions. */
  readonly defaults?: VendorDefaults
  readonly warnings: readonly Warning[]
  /** Images in each paid task; their sum is `n`. */
  readonly tasks: readonly number[]
  readonly quoted: { readonly amount: Usd; readonly lines: readonly CostLine[] } | null
  /** What is held of a budget for it: the quote, and what the caller chose that it leaves out. Absent: the quote. */
  readonly held?: Usd
  /** The rule the quote came from; prices what is delivered where the vendor reports no cost. */
  readonly price: PriceRule | null
  /** In percent, a decimal: what the provider takes outside the call. Absent: nothing. */
  readonly surcharge?: string
  /** Parsed provider_options of this provider. */
  readonly options: JsonObject
}

/** By field: what the vendor does where nothing is asked, null where it does not say. Fields that were asked, or that it has not, are absent. */
export type VendorDefaults = Readonly<
  Partial<Record<'guidance' | 'steps' | 'prompt_upsampling' | 'safety_tolerance', number | boolean | null>>
>

/** One try of one paid task at one provider. `lifecycle.ts` says what each status means, and what is on disk at it. */
export interface AttemptRecord {
  readonly id: string
  /** Index into the generation's `routes`. */
  readonly route: number
  readonly images: number
  /** Index into the route's tasks: a retried task keeps it, and delivered images stand in this order. */
  readonly task: number
  /** Digits, as sent; null where none was. */
  readonly seed: string | null
  /** Our id for the vendor's task. */
  readonly taskId: string
  status: AttemptStatus
  providerTaskId: string | null
  /**
   * The free call that comes next: before the submit's reply, the one that asks what became of the submit (null where the vendor cannot be
   * asked); then the poll; before the end the one that asks for the result again. Null once it has ended.
   */
  next: Call | null
  /** What the vendor delivered and is not yet stored. */
  results: readonly ImageRef[]
  /** Images stored so far, by id. */
  imageIds: readonly string[]
  /** What the vendor says it charges. */
  cost: VendorCost | null
  /** Small facts the vendor gave: ids, megapixels, a discount. Null where it gave none. */
  vendor: Readonly<Record<string, Json>> | null
  /** What it cost in the end; null while open. */
  settled: {
    readonly amount: Usd | null
    readonly basis: CostBasis
    readonly lines: readonly CostLine[]
    /** What the vendor reported where that is not believed: `amount` is null then, until an operator confirms it. */
    readonly reported?: Usd
  } | null
  error: GenerationError | null
  /** How often this task was tried at this provider so far, this attempt included. */
  readonly tries: number
  /** A later attempt took over this one's task. */
  retried: boolean
  progress: number | null
  polls: number
  /** The gateway was down or suspended while it ran, or its wall clock was set: how long it took is not the provider's latency. */
  interrupted: boolean
  startedAt: Instant
  submittedAt: Instant | null
  /** The last poll at which the vendor was not done. */
  unfinishedAt: Instant | null
  readyAt: Instant | null
  endedAt: Instant | null
}

/** What was said to a vendor in one attempt that has ended; without secrets. */
export interface AttemptCallsRecord {
  readonly generationId: string
  /** Its number among the generation's attempts, from 1. */
  readonly attempt: number
  /** Whether every call is known: none was made by a process before. */
  readonly complete: boolean
  readonly data: readonly AttemptCall[]
}

/** A delivered image. `sha256` is null where the vendor's own link is returned (`link`). */
export interface ImageRecord {
  readonly id: string
  readonly generationId: string
  readonly sha256: string | null
  readonly format: OutputFormat | null
  readonly width: number | null
  readonly height: number | null
  readonly bytes: number | null
  readonly seed: string | null
  readonly flagged: boolean | null
  readonly link: { readonly url: string; readonly expiresAt: Instant | null } | null
}

/** An image with the key whose it is: that of its generation, or of the request whose reference it is. */
export interface OwnedImage extends ImageRecord {
  readonly key: string | null
}

/** One line of a generation's history, numbered from 1: what its event stream replays. */
export interface TimelineEntry {
  readonly seq: number
  readonly type: 'queued' | 'running' | 'progress' | 'attempt_failed' | 'succeeded' | 'failed' | 'canceled'
  readonly at: Instant
  readonly provider: string | null
  readonly progress: number | null
}

/** What a key's budget holds for one generation. */
export interface Reservation {
  /** The period it counts in, by its UTC day, month, or `total`; stays the one of the acceptance. */
  readonly period: string
  readonly periodStart: Instant
  /** When the next period begins; null for `total`. */
  readonly renewsAt: Instant | null
  /** The budget as it was when it was asked last: at the acceptance, or before a dearer route. */
  limit: Usd
  /** Held until the end; raised before a dearer route is tried. */
  amount: Usd
}

/** Who is notified of the end, and in which format: our own, or that of a compatible API, which keeps in `context` what it needs. */
export interface WebhookTarget {
  /** `standard`, or the name a compatible API registered. */
  readonly format: string
  readonly url: string
  /** Only these; absent: every end. */
  readonly events?: readonly WebhookEvent[] | undefined
  readonly context: Json
  /** The origin under which its caller asked this gateway: links carry it where no public URL is configured. */
  readonly askedAt?: string | undefined
}

/** Everything about one generation; the row that survives a crash. */
export interface GenerationRecord {
  readonly id: string
  /** Name of the gateway key that asked; null where no keys are configured. */
  readonly key: string | null
  /** The trace of the request that asked (W3C Trace Context), where it named one. */
  readonly traceparent?: string
  /** The id of the request that asked, for the log; absent in rows of earlier versions. */
  readonly requestId?: string
  /** The comparison it is part of; absent where it was asked for alone. */
  readonly comparison?: string
  /** Absent where the key has no budget. */
  readonly reserved?: Reservation
  readonly sandbox: boolean
  readonly createdAt: Instant
  /** As normalized: `reference_images` replaced by `references`. */
  readonly request: Omit<GenerationRequest, 'reference_images' | 'mask'>
  readonly references: readonly Reference[]
  readonly webhook: WebhookTarget | null
  readonly model: string
  readonly routing: Routing
  readonly routes: readonly Route[]
  /** The route being tried, or the one that ended it. */
  routeIndex: number
  status: GenerationStatus
  attempts: AttemptRecord[]
  images: readonly ImageRecord[]
  /** What came up on the way; what the plan adapted is with the route. */
  warnings: readonly Warning[]
  error: GenerationError | null
  promptUsed: string | null
  timeline: TimelineEntry[]
  startedAt: Instant | null
  completedAt: Instant | null
  /** Time spent fetching, checking and storing images. */
  storeMs: number | null
  /** It was open in a backup: whatever comes next may have been bought since by the gateway that was backed up, so nothing is. */
  readonly isRestored?: true
}

/** One provider of a comparison as it is kept. */
export type ComparisonEntry =
  /** To be begun, where `most` is there for no more than that; on disk in this form only while the comparison is being begun. */
  | { readonly kind: 'planned'; readonly provider: string; readonly most?: Usd }
  | { readonly kind: 'begun'; readonly provider: string; readonly generationId: string }
  /** It could be eligible and was refused when it was begun: a budget, a limit. Nothing was bought. */
  | { readonly kind: 'refused'; readonly provider: string; readonly code: FailureCode; readonly reasons: readonly string[] }
  | { readonly kind: 'ineligible'; readonly provider: string; readonly reasons: readonly string[] }

/** A comparison's row. What became of it is never kept here: it follows from its generations. */
export interface ComparisonRecord {
  readonly id: string
  /** Name of the gateway key that asked; null where no keys are configured. */
  readonly key: string | null
  readonly sandbox: boolean
  readonly createdAt: Instant
  /** As normalized: `reference_images` replaced by `references`. */
  readonly request: Omit<GenerationRequest, 'reference_images' | 'mask'>
  readonly references: readonly Reference[]
  readonly entries: readonly ComparisonEntry[]
  /** What each provider is asked, until all have been: then null. */
  readonly unbegun: GenerationRequest | null
}

/** A delivery's row. What it says is made from the generation at each try. */
export interface WebhookDeliveryRecord {
  readonly id: string
  readonly generationId: string
  /** Name of the gateway key whose generation it is; null where no keys are configured. */
  readonly key: string | null
  readonly type: WebhookEvent
  readonly url: string
  /** When the generation ended. */
  readonly createdAt: Instant
  readonly status: WebhookDeliveryStatus
  readonly tries: number
  /** Failed tries since it was planned, or asked for again: its step of the schedule. */
  readonly failures: number
  /** Messages the receiver has taken, where its format sends several; absent: none. */
  readonly taken?: number
  readonly lastTry: { readonly at: Instant; readonly statusCode: number | null; readonly reason: string | null } | null
  /** Null where none is planned. */
  readonly nextTryAt: Instant | null
  readonly endedAt: Instant | null
}
