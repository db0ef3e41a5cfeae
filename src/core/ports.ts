import type { Readable } from 'node:stream'
import type { Call, FailureCode, GenerationStatus, OutputFormat, Provider, Reply, ReplyEvent, Usd, WebhookDeliveryStatus } from '#contract'
import type {
  AttemptCallsRecord,
  ComparisonRecord,
  CostRow,
  CostSum,
  GenerationRecord,
  ImageRecord,
  Instant,
  OwnedImage,
  LedgerEntry,
  WebhookDeliveryRecord,
} from './records.ts'
import type { KeyPolicy } from './keys/key-policy.ts'
import type { KeyRecord } from './keys/key-record.ts'
import type { BudgetCheck, ObservedBill, ProviderHour } from './account-records.ts'
import { iso } from './instant.ts'
import type { StoredAsset } from './stored-asset.ts'
import type { DeliveryChange, DeliveryClaim, KeyChange } from './shared-changes.ts'
import type { Claimed, Nodes, OpenCheck, SlotClaim } from './nodes.ts'

export type { Breathe } from '../reading/turn-share.ts'

export type { BudgetCheck, ObservedBill, ProviderHour } from './account-records.ts'

/**
 * Counts what a request buys against the rate of its key: `images` at all providers together, of which the request itself counted the first.
 * @throws Refusal `rate_limited` where that is more than is left; then none of it is counted
 */
export type CountPurchases = (key: string | null, images: number) => Promise<void>

/**
 * What the run needs from outside, as arguments. Every port is asynchronous where it may one day leave the process;
 * nothing here assumes a single process. Implementations live in `transport/` and `store/`.
 */
export interface Ports {
  readonly clock: Clock
  readonly ids: Ids
  readonly connect: Connect
  /** For URLs that callers gave. */
  readonly download: Download
  readonly store: Store
  readonly assets: Assets
  readonly settings: Settings
  readonly observer: Observer
  readonly log: Log
  /** Where vendors send their callbacks; absent where they cannot reach this gateway. */
  readonly hooks?: Hooks
  /** Called when deliveries that are due came on disk; must not throw. */
  readonly deliveriesDue?: () => void
  /** What a gateway key may do now; null where it has ended. */
  readonly policyOf?: (key: string) => KeyPolicy | null
}

/** Addresses for vendors' callbacks. A callback only brings the next poll forward. */
export interface Hooks {
  /** Whether this provider sends callbacks, and can reach us. */
  isOn(provider: string): boolean
  /** Where and with which secret it sends the callback of this attempt; the same after a restart. Undefined where it sends none. */
  webhookFor(provider: string, generationId: string, attemptId: string): { readonly url: string; readonly secret: string } | undefined
}

export interface Clock {
  /** Wall time, which may jump: only ever written down and shown. */
  now(): Instant
  /** Milliseconds that never go back and know no clock changes: what waits and deadlines are measured with. */
  monotonicMs(): number
  /** Calls back once after `delayMs`; the returned function takes it back. */
  after(delayMs: number, callback: () => void): () => void
}

/** How old something is, whatever becomes of the wall clock that it was written by. */
export interface Ages {
  /** The wall time, to be written down. */
  now(): Instant
  /** Milliseconds since an instant that was written down; what the clock has only jumped over since is no time. */
  of(instant: Instant): number
}

/** Fresh ids, injected so that tests are deterministic. */
export interface Ids {
  generation(): string
  attempt(): string
  image(): string
  /** UUID v4. */
  task(): string
}

/** What can change while we run; read at each use so that an edited configuration applies at once. */
export interface Settings {
  readonly sandbox: boolean
  /** An installed provider as it is configured now. */
  provider(id: string): ActiveProvider | null
  /** Whether a provider may be bought from at this moment; asked before each submit. */
  availability(provider: string): Availability
  /** How long a full provider keeps a task while another has a free slot. */
  readonly slotWaitMs: number
  /** Keep images (fetch, check, store), or return the vendor's link. */
  readonly keepImages: boolean
  readonly maxImageBytes: number
}

export interface ActiveProvider extends Provider {
  readonly maxInFlight: number
}

/** `paused`: it failed too often and is probed; `retryAfterMs` is when it is worth asking again. `off`: disabled, or its model is gone. */
export type Availability =
  | { readonly kind: 'open' }
  | { readonly kind: 'paused'; readonly reason: string; readonly retryAfterMs: number }
  | { readonly kind: 'off'; readonly reason: string }

/**
 * `unsent`: it provably did not reach the vendor. `lost`: it may have; no whole reply came. `begun` is then what had come of a streamed reply:
 * its vendor has the call.
 */
export type Sent =
  /** `standIns` are those of the images inside the reply: whoever reads it lets go of them. */
  | { readonly kind: 'reply'; readonly reply: Reply; readonly standIns?: readonly string[] | undefined }
  | { readonly kind: 'unsent'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string; readonly begun?: Reply; readonly standIns?: readonly string[] }
  /** The call's URL is outside the hosts this provider may be reached at; nothing was sent. `mayPass`: it is where its name leads at the moment. */
  | { readonly kind: 'refused'; readonly reason: string; readonly mayPass?: boolean }

/** Sends one call to a provider, with its key; never throws, never follows a redirect. */
export type Send = (provider: string, call: Call, timeoutMs: number, about?: LogFields, listener?: ReplyListener) => Promise<Sent>

/** Learns of a reply that comes as events while it comes. Must not throw. */
export interface ReplyListener {
  /** The vendor has begun to answer, so it has the call. */
  begun(start: Pick<Reply, 'status' | 'headers'>): void
  /** Returns whether the event is dealt with: then it does not stand in the reply, and the images in it are let go. */
  event(event: ReplyEvent): boolean
}

/** What a line of the log says of the generation it is about. */
export interface LogFields {
  /** Absent where the generation is older than this field. */
  readonly request_id?: string
  readonly generation: string
  readonly attempt: string | null
}

/**
 * A provider as it is configured now: an attempt takes a connection when it begins or is resumed and keeps it to its end, whatever becomes
 * of the configuration meanwhile. Null where it is not installed.
 */
export type Connect = (provider: string) => Connection | null

export interface Connection {
  readonly provider: ActiveProvider
  /** `refused` where the provider has no key under this configuration. */
  send(call: Call, timeoutMs: number, about?: LogFields, listener?: ReplyListener): Promise<Sent>
  /** Fetches a delivered image through the guard; may also reach the provider's own base URL. */
  readonly download: Download
  /** Lets go of the settings; called once. */
  release(): void
}

/**
 * Fetches an untrusted URL through the guard, without any key; a `data:` URL is its own body. The stream must be consumed or destroyed; it
 * fails with an error whose `reason` is `too_large` or `stream`.
 */
export type Download = (
  url: string,
  options: {
    readonly maxBytes: number
    /** The longest silence: without a byte for so long the fetch fails. A slow stream that goes on is never cut. */
    readonly silenceMs: number
    /** From now to the last byte; no limit where it is absent. */
    readonly timeoutMs?: number
    readonly trustedProvider?: string
    /** A caller takes the body, as slowly as that one likes: not on the connections on which purchases are made. */
    readonly isForCaller?: boolean
    /** A JSON document is wanted, which is taken for no image otherwise. */
    readonly isDocument?: boolean
  },
) => Promise<Downloaded>

export type Downloaded =
  /**
   * Not empty, not an HTML page or a JSON document, and without any content coding. Whether it is an image, its reader has to check.
   * `statedBytes`: what the server said of its length beforehand; null where it did not, or where a coding changed it.
   */
  | { readonly kind: 'body'; readonly stream: Readable; readonly contentType: string | null; readonly statedBytes: number | null }
  /** Nothing to be had at the link: 401, 403, 404, 410 or 451. It is dead, or not there yet; worth another try while it can live. */
  | { readonly kind: 'expired'; readonly status: number }
  /** `retryable` is false only where another try cannot help: the body is too large, or a `data:` URL cannot be read. */
  | { readonly kind: 'failed'; readonly reason: string; readonly retryable: boolean }
  /** Not a public address, or not http(s). `mayPass`: it is where a name leads at the moment. */
  | { readonly kind: 'refused'; readonly reason: string; readonly mayPass?: boolean }

/** Which bytes of an image: both ends are of it. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Image files, content-addressed. */
export interface Assets {
  /**
   * Streams to a temporary file, checks that it is a whole image, renames it to its hash. `statedBytes`: its length as stated beforehand by
   * whoever sends it, which spares a plausible image a longer check. Those of different owners are decoded in turns. Throws `AssetError`.
   */
  put(source: Readable | Buffer, maxBytes: number, statedBytes?: number | null, owner?: string): Promise<StoredAsset>
  /** As `put`, of what a caller sends: what would take too much memory to decode is refused (`too_large`). `put` takes it, since it is paid. */
  putReference: Assets['put']
  /** Checks all that `putReference` checks, and keeps nothing: for who may not buy in the end. Throws as it does. */
  examine(source: Readable | Buffer, maxBytes: number, owner?: string): Promise<StoredAsset>
  /**
   * The bytes, or null where they are gone or are not as many as `bytes`: an image of another length is not what was stored. `range` is inclusive.
   */
  open(sha256: string, format: OutputFormat, range?: ByteRange, bytes?: number): Promise<Readable | null>
  read(sha256: string, format: OutputFormat, bytes?: number): Promise<Buffer | null>
  /** An address in the bucket at which anybody may read the bytes for a few minutes. Null where there is none: they are gone, or lie in a folder. */
  link(sha256: string, format: OutputFormat): Promise<string | null>
  /**
   * A small WebP of it, made once and kept until the image goes; never larger than the image. Null where the image is gone. Throws `AssetError`
   * `not_an_image` where it cannot be decoded. Those of different owners are made in turns.
   */
  small(sha256: string, format: OutputFormat, width: SmallWidth, owner?: string): Promise<Buffer | null>
  /**
   * Width and height as seen (EXIF orientation), from an image's first bytes; null where they do not say them (yet). Checks nothing else.
   * `isLast`: no more bytes will be read.
   */
  measure(head: Buffer, isLast?: boolean): Promise<{ readonly width: number; readonly height: number } | null>
}

/** Widths in pixels that a small image can have: a closed list, so that nobody fills the disk with others. */
export const SMALL_WIDTHS = [64, 128, 256, 512, 1024] as const
export type SmallWidth = (typeof SMALL_WIDTHS)[number]

export { AssetError } from './asset-error.ts'
export type { InPieces, Post, Posted } from './post.ts'
export type { StoredAsset } from './stored-asset.ts'
export { StoreError } from './store-error.ts'
export { ClaimLost, KeyConflict } from './shared-changes.ts'
export type { DeliveriesUnderWay, DeliveryChange, DeliveryClaim, KeyChange } from './shared-changes.ts'

/** Everything that must be on disk together. */
export interface UnitOfWork {
  readonly generations?: readonly GenerationRecord[]
  /** Under which its generations are written; absent where nobody works on them. Refused with `LeaseLost` where another process has a later one. */
  readonly lease?: number
  /** Its generation as it was read, nobody working on it. Refused with `ChangedMeanwhile` where another process has written it since. */
  readonly restsOn?: GenerationRecord
  /** Tasks that its generation is about to buy. Refused with `NoSlot` where not all of them are within the limit. */
  readonly slots?: readonly SlotClaim[]
  /** How many its key may have open. Refused with `TooManyOpen`. Only asked of a store that has `nodes`: a process alone counts its own. */
  readonly openCheck?: OpenCheck
  /** As far as is known, its generations are not on disk yet: then they are not searched for first. */
  readonly areNew?: boolean
  readonly images?: readonly ImageRecord[]
  /** Reference images; one that is known already stays as it is. */
  readonly references?: readonly ImageRecord[]
  /** Of attempts that end; their generations are in this unit or were in one before. */
  readonly calls?: readonly AttemptCallsRecord[]
  readonly comparisons?: readonly ComparisonRecord[]
  readonly idempotency?: IdempotencyEntry
  readonly keyChange?: KeyChange
  readonly ledger?: readonly LedgerEntry[]
  /** What this unit reserves must fit into this budget. */
  readonly budget?: BudgetCheck
  /** New ones; one that is known already stays as it is. */
  readonly deliveries?: readonly WebhookDeliveryRecord[]
  readonly deliveryChange?: DeliveryChange
}

export interface IdempotencyEntry {
  /** Key name, or "" where no keys are configured. */
  readonly scope: string
  readonly key: string
  readonly bodyHash: string
  /** What the key stands for: a generation's id, or a comparison's. */
  readonly generationId: string
  readonly createdAt: Instant
}

export interface ListQuery {
  readonly status?: GenerationStatus
  readonly model?: string
  readonly provider?: string
  /** Only those that have cost, or may have cost, what nobody knows yet. */
  readonly isCostUnknown?: true
  /** Only this gateway key's generations. */
  readonly key?: string
  readonly metadata?: Readonly<Record<string, string>>
  /** Words that must all be in the prompt (its first 2,000 characters), in either case. */
  readonly search?: string
  readonly cursor?: string
  readonly limit: number
}

/** One unit of work is one transaction; units of one tick may share a commit. A promise resolves when its unit is on disk. */
export interface Store {
  /**
   * Rejects with `IdempotencyConflict` where the entry's (scope, key) is taken, with `BudgetExceeded` where the unit reserves more than
   * the budget has left, and writes nothing then. A settlement of an attempt that is settled already is not written again.
   */
  commit(unit: UnitOfWork): Promise<void>
  generation(id: string): Promise<GenerationRecord | null>
  /** `attempt` counts from 1; null where nothing is kept of it. */
  attemptCalls(generationId: string, attempt: number): Promise<AttemptCallsRecord | null>
  /** Newest first. `cursor` is opaque; an unknown one throws `BadCursor`. */
  list(query: ListQuery): Promise<{ readonly records: readonly GenerationRecord[]; readonly nextCursor: string | null }>
  /** How a provider did in each hour that anything happened in, oldest first. `from` is inclusive, `to` exclusive. */
  providerHours(provider: string, from: Instant, to: Instant): Promise<readonly ProviderHour[]>
  /** Open generations that no process works on: this one does from now on. */
  claimOpen(): Promise<readonly Claimed[]>
  image(id: string): Promise<OwnedImage | null>
  comparison(id: string): Promise<ComparisonRecord | null>
  /** Newest first, only `key`'s where it is given. `cursor` as in `list`. */
  comparisons(
    query: Pick<ListQuery, 'key' | 'cursor' | 'limit'>,
  ): Promise<{ readonly records: readonly ComparisonRecord[]; readonly nextCursor: string | null }>
  /** Those not all of whose providers have been asked, oldest first. */
  unbegunComparisons(): Promise<readonly ComparisonRecord[]>
  idempotency(scope: string, key: string): Promise<IdempotencyEntry | null>
  /** Of this instant alone: another process may have begun a new one under the same key. */
  forgetIdempotency(entry: Pick<IdempotencyEntry, 'scope' | 'key' | 'createdAt'>): Promise<void>
  /** What counts against a key's budget in a period: reserved less released. A period without reservations begins with what the key has spent in it. */
  budgetUsed(key: string, period: string, periodStart: Instant): Promise<Usd>
  /** Settled and adjusted lines, oldest first, in pages. */
  costs(query: CostQuery): AsyncIterable<readonly CostRow[]>
  /** The same for a report: what days that are over have in common comes added up, where nothing is asked that only a line knows. */
  costSums(query: CostQuery): AsyncIterable<readonly (CostRow | CostSum)[]>
  /**
   * Adds up the lines of the newest day that is over for long and is not added up yet. Returns whether there was one. A line that comes late has
   * its day added up anew.
   */
  addUpDay(now: Instant, signal: AbortSignal): Promise<boolean>
  /** The newest bills of an offer that was unpriced when it was bought, newest first. */
  observedBills(provider: string, model: string, limit: number): Promise<readonly ObservedBill[]>
  delivery(id: string): Promise<WebhookDeliveryRecord | null>
  /** Newest first. `cursor` as in `list`. */
  deliveries(query: DeliveryQuery): Promise<{ readonly records: readonly WebhookDeliveryRecord[]; readonly nextCursor: string | null }>
  /** Plans for now what is planned, or claimed, for later than `latest`: by a clock that was ahead. */
  planLateDeliveries(latest: Instant, now: Instant): Promise<void>
  /** Due deliveries, the longest due first, for this process alone until it commits them, or it is `leaseMs` after `now`: that is their claim. */
  claimDeliveries(claim: DeliveryClaim): Promise<{
    readonly records: readonly WebhookDeliveryRecord[]
    /** When the next one can be claimed that is not at a receiver with enough under way; null where none is left. */
    readonly nextAt: Instant | null
  }>
  /**
   * Copies the database, whole and as it is when the copying ends, into a new file, while work goes on. Rejects where it cannot be written, and
   * with `StoreError` `elsewhere` where the database is a server with tools of its own.
   */
  copyTo(path: string): Promise<void>
  /** Gateway keys made at run time, by name. */
  keys(): Promise<readonly KeyRecord[]>
  /** A secret of the gateway's own, the same for every process of this store: the kept one, else `made`, which is kept. */
  secret(name: string, made: string): Promise<string>
  /**
   * Remembers the names of the configured keys. What a key owned under another name is its own under the new one: its generations, costs,
   * budget and the rest. Returns the keys that were renamed.
   */
  nameKeys(keys: readonly KeyName[]): Promise<readonly RenamedKey[]>
  /** The processes that share this store; absent where it is one process's own. */
  readonly nodes?: Nodes
  /** Cheap proof that the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** A key of the configuration. */
export interface KeyName {
  readonly keyHash: string
  readonly name: string
}

export interface RenamedKey {
  readonly from: string
  readonly to: string
}

export interface DeliveryQuery {
  readonly generationId?: string
  readonly status?: WebhookDeliveryStatus
  /** Only this gateway key's. */
  readonly key?: string
  readonly cursor?: string
  readonly limit: number
}

export interface CostQuery {
  /** Inclusive. */
  readonly from: Instant | null
  /** Exclusive. */
  readonly to: Instant | null
  /** Only this gateway key's; null is everybody's. */
  readonly key: string | null
  readonly provider?: string | undefined
  readonly model?: string | undefined
  /** Only lines of generations that carry all of these. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Whether each line comes with all of its generation's metadata and the time of acceptance. */
  readonly withGeneration?: boolean
  /** Without these, the names of metadata with which each line comes. */
  readonly metadataNames?: readonly string[]
}

export class IdempotencyConflict extends Error {}

/** The budget has less left than was to be held; nothing was written. */
export class BudgetExceeded extends Error {
  constructor({ left, limit, renewsAt }: { readonly left: Usd; readonly limit: Usd; readonly renewsAt: Instant | null }) {
    const renewal = renewsAt === null ? 'it does not renew' : `it renews at ${iso(renewsAt)}`
    super(`${left} of ${limit} USD is left; ${renewal}`)
  }
}
export class BadCursor extends Error {}

/** Gets what happened, for metrics and health; must not throw. */
export interface Observer {
  /** A submit was answered, or not: what a breaker counts. `code` is null where the vendor took the task. */
  submitted(provider: string, code: FailureCode | null): void
  /** A paid task ended. `durationMs` is from submit to ready; null where it never got ready. */
  taskEnded(task: { provider: string; model: string; code: FailureCode | null; durationMs: number | null; polls: number }): void
  generationEnded(generation: GenerationRecord): void
  /** What a task cost, or that it is not known: the ledger's line. */
  settled?(entry: LedgerEntry): void
  /** A bill of far more than its quote was held as unknown. */
  billNotBelieved?(provider: string): void
}

/** Structured log; fields never hold a key, a prompt, a body or a signed URL. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
