import type { AttemptStatus, FailureCode, Fidelity, Usd } from '#contract'
import type { Instant } from './instant.ts'

/** The account as it is on disk. */

/**
 * `quoted`: the price stated when the generation was accepted. `reserved`: held of a key's budget. `billed`, `computed`, `unknown`: how an
 * attempt was settled, once for each attempt; what the vendor metered is `billed` too, and its task says so. `adjusted`: what a vendor reported of a cost after it was settled as unknown.
 * `released`: what is given back of the reservations at the end; negative where it cost more than was held.
 */
export type LedgerKind = 'quoted' | 'reserved' | 'billed' | 'computed' | 'unknown' | 'released' | 'adjusted'

/** One line of the account. Lines are only ever appended. */
export interface LedgerEntry {
  readonly generationId: string
  /** Null where the line is about the generation as a whole. */
  readonly attemptId: string | null
  /** Name of the gateway key; null where no keys are configured. */
  readonly key: string | null
  readonly provider: string
  readonly model: string
  readonly kind: LedgerKind
  /** Null where it is not known, never "0". */
  readonly amount: Usd | null
  readonly at: Instant
  /** The budget period that `reserved` and `released` count in; null for the rest. */
  readonly period: string | null
  /**
   * Of what was settled or adjusted, never kept: the periods it counts in beside the one in which it was reserved, where the key has a budget of that
   * length then or had one. A budget that is taken away and given back, or gets another length, so knows what was spent meanwhile.
   */
  readonly alsoIn?: readonly string[]
  /** What was settled or adjusted; null for the rest. */
  readonly task: SettledTask | null
}

/** What an invoice's line is compared with. */
export interface SettledTask {
  readonly providerModel: string
  readonly providerTaskId: string | null
  readonly status: AttemptStatus
  readonly code: FailureCode | null
  /** This attempt's share of the quote; null where the offer is unpriced. */
  readonly quoted: Usd | null
  /** This attempt's share of what was held of a budget, which it counts as long as its cost is unknown; absent: the quote. */
  readonly held?: Usd
  /** Images delivered. */
  readonly images: number
  /** Null where nothing was delivered, or images of several sizes. */
  readonly made: Made | null
  /** Output megapixels of one image as ordered, rounded up; null where its size was not known. Absent in rows of earlier versions. */
  readonly megapixels?: number | null
  /** Of the offer it ran at; absent in rows of earlier versions. */
  readonly fidelity?: Fidelity | null
  /** True where the vendor said a quantity and our price made it the amount of a `billed` line. */
  readonly isMetered?: boolean
  /** From submit to ready; null where it never got ready, or the gateway was down meanwhile. Absent in rows of earlier versions. */
  readonly durationMs?: number | null
  /** Whether a submit left for the provider; absent in rows of earlier versions. */
  readonly wasSubmitted?: boolean
  /** The part of the amount that the provider takes outside the call; absent: none. */
  readonly surcharge?: Usd
  /** Only on an `adjusted` line: when it was written. Its `at` is that of the settlement it completes, so that reports count both together. */
  readonly adjustedAt?: Instant
}

/** What a price depends on: the size of each delivered image, and of each reference (null where it cannot be seen). */
export interface Made {
  readonly width: number
  readonly height: number
  readonly references: readonly ({ readonly width: number; readonly height: number } | null)[]
}

/** A settled or adjusted line as a report reads it. */
export interface CostRow extends LedgerEntry {
  readonly task: SettledTask
  readonly attemptId: string
  /** When its generation was accepted; null where that was not asked, or its row is gone. */
  readonly createdAt: Instant | null
  /** Its generation's metadata; empty where they were not asked. */
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Lines of one day that are alike to a report, added up: each with a known amount, and each generation of them with no other line
 * anywhere. `at` is when their day begins; `amount`, `images` and `quoted` are sums.
 */
export interface CostSum extends Pick<CostRow, 'key' | 'provider' | 'model' | 'at' | 'metadata'> {
  readonly kind: 'billed' | 'computed'
  readonly amount: Usd
  readonly task: Pick<SettledTask, 'code' | 'quoted' | 'images' | 'made' | 'megapixels' | 'fidelity'>
  readonly attempts: number
  readonly generations: number
}

/** What an offer without a price was billed. */
export interface ObservedBill {
  /** The gateway key that bought. */
  readonly key: string | null
  readonly amount: Usd
  readonly images: number
  readonly made: Made | null
  readonly at: Instant
}

/** How a provider did in one hour. */
export interface ProviderHour {
  readonly startsAt: Instant
  readonly succeeded: number
  readonly failed: number
  /** From submit to ready, of those whose duration is known, within 1 %; null where there is none. */
  readonly durationMs: { readonly p50: number; readonly p95: number; readonly samples: number } | null
}

/** A key's budget in one period, as what is reserved is held against it. */
export interface BudgetCheck {
  readonly key: string
  readonly period: string
  readonly periodStart: Instant
  /** When the next period begins; null where there is none. */
  readonly renewsAt: Instant | null
  readonly limit: Usd
}
