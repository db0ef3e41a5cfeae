import type { Call, ImageRef, VendorCost } from './adapter.ts'
import type { GenerationError } from './failure.ts'
import type { AttemptStatus, GenerationStatus, Routing, Warning } from './generation.ts'
import type { JsonObject } from './json.ts'
import type { OutputFormat } from './limits.ts'
import type { Usd } from './money.ts'
import type { CostBasis, CostLine, PriceRule } from './price.ts'
import type { Applied } from './quote.ts'
import type { GenerationRequest } from './request.ts'

/** Milliseconds since 1970, UTC. */
export type Instant = number

/** A reference image as it is kept: bytes by hash, or a link the vendor will fetch. `pixels` is null where they cannot be seen. */
export type Reference =
  | {
      readonly kind: 'stored'
      readonly sha256: string
      readonly format: OutputFormat
      readonly pixels: { readonly width: number; readonly height: number }
    }
  | { readonly kind: 'url'; readonly url: string; readonly pixels: { readonly width: number; readonly height: number } | null }

/** One eligible offer with the request already adapted to it; frozen when the generation is accepted. */
export interface Route {
  readonly provider: string
  readonly model: string
  readonly providerModel: string
  readonly applied: Applied
  readonly warnings: readonly Warning[]
  /** Images in each paid task; their sum is `n`. */
  readonly tasks: readonly number[]
  readonly quoted: { readonly amount: Usd; readonly lines: readonly CostLine[] } | null
  /** The rule the quote came from; prices what is delivered where the vendor tells no cost. */
  readonly price: PriceRule | null
  /** Parsed provider_options of this provider. */
  readonly options: JsonObject
}

/** One paid task. Written before the submit (`submitting`), after it (`pending`), when the vendor is done (`collecting`), and at its end. */
export interface AttemptRecord {
  readonly id: string
  /** Index into `routes`. */
  readonly route: number
  readonly images: number
  readonly seed: number | null
  /** Our id for the vendor's task. */
  readonly taskId: string
  status: AttemptStatus
  providerTaskId: string | null
  /** The free call that continues this attempt, or asks for its result again; null before the submit's reply. */
  next: Call | null
  /** What the vendor delivered and is not yet stored. */
  results: readonly ImageRef[]
  /** Images stored so far, by id. */
  imageIds: readonly string[]
  /** What the vendor says it charges. */
  cost: VendorCost | null
  /** What it cost in the end; null while open. */
  settled: { readonly amount: Usd | null; readonly basis: CostBasis; readonly lines: readonly CostLine[] } | null
  error: GenerationError | null
  /** How often this task was tried at this provider so far, this attempt included. */
  readonly tries: number
  /** A later attempt took over this one's task. */
  retried: boolean
  progress: number | null
  polls: number
  startedAt: Instant
  submittedAt: Instant | null
  /** The last look at which the vendor was not done. */
  unfinishedAt: Instant | null
  readyAt: Instant | null
  endedAt: Instant | null
}

/** A delivered picture. `sha256` is null where the vendor's own link is handed on (`link`). */
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
  /** The budget as it was at the acceptance. */
  readonly limit: Usd
  /** Held until the end; raised before a dearer route is tried. */
  amount: Usd
}

/** Everything about one generation; the row that survives a crash. */
export interface GenerationRecord {
  readonly id: string
  /** Name of the gateway key that asked; null where no keys are configured. */
  readonly key: string | null
  /** Absent where the key has no budget. */
  readonly reserved?: Reservation
  readonly sandbox: boolean
  readonly createdAt: Instant
  /** As normalized: `reference_images` replaced by `references`. */
  readonly request: Omit<GenerationRequest, 'reference_images'>
  readonly references: readonly Reference[]
  readonly model: string
  readonly routing: Routing
  readonly routes: readonly Route[]
  /** The route being tried, or the one that ended it. */
  routeIndex: number
  status: GenerationStatus
  attempts: AttemptRecord[]
  images: ImageRecord[]
  /** What came up on the way; what the plan adapted is with the route. */
  warnings: Warning[]
  error: GenerationError | null
  promptUsed: string | null
  timeline: TimelineEntry[]
  startedAt: Instant | null
  completedAt: Instant | null
  /** Time spent fetching, checking and storing pictures. */
  storeMs: number | null
}
