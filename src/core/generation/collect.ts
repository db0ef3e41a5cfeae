import { generationError } from '#contract'
import type { Failure, FailureCode, ImageRef } from '#contract'
import type { AttemptRecord, ImageRecord, Instant } from '../records.ts'
import { attemptEnded } from './fallback.ts'
import { routeOf, saveIfPossible } from './context.ts'
import type { OpenGeneration, RunContext } from './context.ts'
import { AssetError } from '../ports.ts'
import type { ActiveProvider, StoredAsset } from '../ports.ts'

const FETCH_TIMEOUT_MS = 60_000
/** Waits before another try at an image that could not be fetched or stored; the vendor's link lives for minutes. */
const RETRY_DELAYS_MS = [250, 1_000, 3_000, 8_000, 20_000, 60_000] as const
/** An image that breaks off is likely broken at the vendor; a full disk or a busy host may mend. */
const BROKEN_RETRIES = 2

type Collected =
  | { readonly kind: 'image'; readonly image: ImageRecord }
  | { readonly kind: 'failure'; readonly failure: Failure }
  | { readonly kind: 'expired' }

/** The vendor is done: fetches, checks and stores each image, then ends the attempt. `failures` are those the vendor told itself. */
export async function collect(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  failures: readonly Failure[],
  mayAskAgain = true,
): Promise<void> {
  const { ports } = context
  const { record } = open
  if (ports.settings.keepImages) await saveIfPossible(context, open)
  const startedAt = ports.clock.now()
  const collected = await Promise.all(attempt.results.map((reference) => collectOne(context, open, attempt, provider, reference)))
  if (mayAskAgain && collected.some((one) => one.kind === 'expired') && (await askAgain(context, attempt, provider))) {
    return collect(context, open, attempt, provider, failures, false)
  }
  const images = collected.flatMap((one) => (one.kind === 'image' ? [one.image] : []))
  record.images.push(...images)
  open.newImages.push(...images)
  attempt.imageIds = images.map((image) => image.id)
  record.storeMs = (record.storeMs ?? 0) + (ports.clock.now() - startedAt)
  warnOfOtherSize(open, attempt, images)
  const lost = collected.flatMap((one) => (one.kind === 'failure' ? [one.failure] : one.kind === 'expired' ? [expired] : []))
  const failure =
    [...failures, ...lost][0] ??
    (images.length === 0 ? { code: 'bad_reply' as const, message: 'the provider delivered no image', billed: 'unknown' as const } : null)
  attempt.results = []
  attempt.status = images.length > 0 ? 'succeeded' : 'failed'
  if (failure) attempt.error = generationError(failure, provider.id)
  // Where images were delivered the task was sold, whatever failed beside them.
  if (images.length > 0 && attempt.error) attempt.error = { ...attempt.error, billed: true }
  await attemptEnded(context, open, attempt, null)
}

const expired: Failure = { code: 'result_expired', message: 'the image’s link expired before it was stored', billed: true }

/** The free call that told the result tells it again, perhaps with a fresh link. */
async function askAgain(context: RunContext, attempt: AttemptRecord, provider: ActiveProvider): Promise<boolean> {
  if (!attempt.next) return false
  const sent = await context.ports.send(provider.id, attempt.next, provider.manifest.timeouts.poll_ms)
  attempt.polls++
  if (sent.kind !== 'reply') return false
  const outcome = provider.adapter.interpret(sent.reply, attempt.next)
  if (outcome.kind !== 'done') return false
  attempt.results = outcome.images
  return true
}

async function collectOne(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  reference: ImageRef,
): Promise<Collected> {
  const { settings, ids, assets } = context.ports
  const common = { id: ids.image(), generationId: open.record.id, seed: reference.seed ?? null, flagged: reference.flagged ?? null }
  if (!settings.keepImages && reference.source.kind === 'url') {
    const link = { url: reference.source.url, expiresAt: expiryOf(attempt, provider, reference) }
    return { kind: 'image', image: { ...common, sha256: null, format: null, width: null, height: null, bytes: null, link } }
  }
  for (let tries = 0; ; tries++) {
    const result = await fetchOnce(context, provider, reference, (source) => assets.put(source, settings.maxImageBytes))
    if (result.kind === 'stored') return { kind: 'image', image: { ...common, ...result.asset, link: null } }
    if (result.kind === 'expired') return { kind: 'expired' }
    const waitMs = tries < result.retries ? RETRY_DELAYS_MS[tries] : undefined
    const expiresAt = expiryOf(attempt, provider, reference)
    const deadBy = waitMs !== undefined && expiresAt !== null && context.ports.clock.now() + waitMs > expiresAt
    if (waitMs === undefined || deadBy) return { kind: 'failure', failure: { code: result.code, message: result.message, billed: true } }
    await new Promise<void>((resolve) => void context.wheel.schedule(waitMs, resolve))
  }
}

type Fetched =
  | { readonly kind: 'stored'; readonly asset: StoredAsset }
  | { readonly kind: 'expired' }
  | { readonly kind: 'failed'; readonly code: FailureCode; readonly message: string; readonly retries: number }

async function fetchOnce(
  context: RunContext,
  provider: ActiveProvider,
  reference: ImageRef,
  put: (source: Parameters<RunContext['ports']['assets']['put']>[0]) => Promise<StoredAsset>,
): Promise<Fetched> {
  try {
    if (reference.source.kind === 'base64') return { kind: 'stored', asset: await put(Buffer.from(reference.source.data, 'base64')) }
    const { maxImageBytes: maxBytes } = context.ports.settings
    const fetched = await context.ports.download(reference.source.url, {
      maxBytes,
      timeoutMs: FETCH_TIMEOUT_MS,
      trustedProvider: provider.id,
    })
    switch (fetched.kind) {
      case 'body':
        return { kind: 'stored', asset: await put(fetched.stream) }
      case 'expired':
        return { kind: 'expired' }
      case 'failed':
        return {
          kind: 'failed',
          code: 'bad_reply',
          message: `the image could not be fetched: ${fetched.reason}`,
          retries: fetched.retryable ? RETRY_DELAYS_MS.length : 0,
        }
      case 'refused':
        return {
          kind: 'failed',
          code: 'bad_reply',
          message: `the image’s link is not safe to fetch: ${fetched.reason}`,
          retries: 0,
        }
    }
  } catch (error) {
    const reason = error instanceof AssetError ? error.reason : 'storage'
    const message = error instanceof Error ? error.message : 'the image could not be stored'
    switch (reason) {
      case 'storage':
        return { kind: 'failed', code: 'internal', message, retries: RETRY_DELAYS_MS.length }
      case 'stream':
        return { kind: 'failed', code: 'bad_reply', message, retries: BROKEN_RETRIES }
      case 'not_an_image':
      case 'too_large':
        return { kind: 'failed', code: 'bad_reply', message, retries: 0 }
    }
  }
}

/** When the vendor's link dies: as the reply says, else as long after the end of the task as the vendor promises. */
function expiryOf(attempt: AttemptRecord, provider: ActiveProvider, reference: ImageRef): Instant | null {
  if (reference.expiresAt !== undefined) return Date.parse(reference.expiresAt)
  const { result_url_ttl_ms: ttlMs } = provider.manifest
  return ttlMs === null || attempt.readyAt === null ? null : attempt.readyAt + ttlMs
}

/** An image of another size than was ordered is kept, and said. */
function warnOfOtherSize(open: OpenGeneration, attempt: AttemptRecord, images: readonly ImageRecord[]): void {
  const { applied, provider } = routeOf(open.record, attempt)
  const other = images.find(
    (image) => image.width !== null && applied.width !== undefined && (image.width !== applied.width || image.height !== applied.height),
  )
  if (!other) return
  const requested = { width: applied.width ?? null, height: applied.height ?? null }
  const used = { width: other.width, height: other.height }
  open.record.warnings.push({
    code: 'adjusted',
    field: 'width',
    requested,
    used,
    reason: `${provider} delivered another size than it was asked for`,
  })
}
