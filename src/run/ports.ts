import type { Readable } from 'node:stream'
import type {
  Call,
  FailureCode,
  GenerationRecord,
  GenerationStatus,
  ImageRecord,
  Instant,
  Json,
  OutputFormat,
  Provider,
  Reply,
} from '#contract'

/**
 * What the run needs from outside, as arguments. Every port is asynchronous where it may one day leave the process;
 * nothing here assumes a single process. Implementations live in `transport/` and `store/`.
 */
export interface Ports {
  readonly clock: Clock
  readonly ids: Ids
  readonly send: Send
  readonly download: Download
  readonly store: Store
  readonly assets: Assets
  readonly settings: Settings
  readonly observer: Observer
  readonly log: Log
}

export interface Clock {
  now(): Instant
  /** Calls back once after `delayMs`; the returned function takes it back. */
  after(delayMs: number, callback: () => void): () => void
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
  /** An installed provider, enabled for new requests or not: what is in flight is finished. */
  provider(id: string): ActiveProvider | null
  /** Keep pictures (fetch, check, store), or hand on the vendor's link. */
  readonly keepImages: boolean
  readonly maxImageBytes: number
}

export interface ActiveProvider extends Provider {
  readonly maxInFlight: number
}

/** `unsent`: it provably did not reach the vendor. `lost`: it may have; no whole reply came. */
export type Sent =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'unsent'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string }
  /** The call's URL is outside the hosts this provider may be reached at; nothing was sent. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Says one call to a provider, with its key; never throws, never follows a redirect. */
export type Send = (provider: string, call: Call, timeoutMs: number) => Promise<Sent>

/** Fetches an untrusted URL through the guard, without any key. The stream must be consumed or destroyed. */
export type Download = (
  url: string,
  options: { readonly maxBytes: number; readonly timeoutMs: number; readonly trustedProvider?: string },
) => Promise<Downloaded>

export type Downloaded =
  | { readonly kind: 'body'; readonly stream: Readable; readonly contentType: string | null }
  /** The link is dead: 403, 404 or 410. */
  | { readonly kind: 'expired'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryable: boolean }
  /** Not a public address, or not http(s). */
  | { readonly kind: 'refused'; readonly reason: string }

/** Picture files, content-addressed. */
export interface Assets {
  /** Streams to a temporary file, checks that it is a whole picture, renames it to its hash. Throws `AssetError`. */
  put(source: Readable | Buffer, maxBytes: number): Promise<StoredAsset>
  /** The bytes, or null where they are gone. `range` is inclusive. */
  open(sha256: string, format: OutputFormat, range?: { readonly start: number; readonly end: number }): Promise<Readable | null>
  read(sha256: string, format: OutputFormat): Promise<Buffer | null>
}

export interface StoredAsset {
  readonly sha256: string
  readonly format: OutputFormat
  readonly width: number
  readonly height: number
  readonly bytes: number
}

/** `not_an_image`, `too_large`: the source's fault. `storage`: ours (disk full, permissions). `stream`: it broke on the way. */
export class AssetError extends Error {
  readonly reason: 'not_an_image' | 'too_large' | 'storage' | 'stream'
  constructor(reason: AssetError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** Everything that must be on disk together. */
export interface UnitOfWork {
  readonly generations?: readonly GenerationRecord[]
  readonly images?: readonly ImageRecord[]
  readonly idempotency?: IdempotencyEntry
}

export interface IdempotencyEntry {
  /** Key name, or "" where no keys are configured. */
  readonly scope: string
  readonly key: string
  readonly bodyHash: string
  readonly generationId: string
  readonly createdAt: Instant
}

export interface ListQuery {
  readonly status?: GenerationStatus
  readonly model?: string
  readonly provider?: string
  /** Only this gateway key's generations. */
  readonly key?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly cursor?: string
  readonly limit: number
}

/** One unit of work is one transaction; units of one tick may share a commit. A promise resolves when its unit is on disk. */
export interface Store {
  /** Rejects with `IdempotencyConflict` and writes nothing where the entry's (scope, key) is taken. */
  commit(unit: UnitOfWork): Promise<void>
  generation(id: string): Promise<GenerationRecord | null>
  /** Newest first. `cursor` is opaque; an unknown one throws `BadCursor`. */
  list(query: ListQuery): Promise<{ readonly records: readonly GenerationRecord[]; readonly nextCursor: string | null }>
  /** The open generations this process now answers for. */
  claimOpen(): Promise<readonly GenerationRecord[]>
  image(id: string): Promise<ImageRecord | null>
  idempotency(scope: string, key: string): Promise<IdempotencyEntry | null>
  forgetIdempotencyBefore(instant: Instant): Promise<void>
  /** Cheap proof that the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

export class IdempotencyConflict extends Error {}
export class BadCursor extends Error {}

/** Told what happened, for metrics and health; must not throw. */
export interface Observer {
  /** A submit was answered, or not: what a breaker counts. `code` is null where the vendor took the task. */
  submitted(provider: string, code: FailureCode | null): void
  /** A paid task ended. `durationMs` is from submit to ready; null where it never got ready. */
  taskEnded(task: { provider: string; model: string; code: FailureCode | null; durationMs: number | null; polls: number }): void
  generationEnded(generation: GenerationRecord): void
}

/** Structured log; fields never hold a key, a prompt, a body or a signed URL. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
