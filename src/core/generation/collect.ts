import { generationError } from '#contract'
import type { Failure, FailureCode, ImageRef } from '#contract'
import { inlineBytes, isHeldHere, releaseImages, releaseUnwantedImages } from '../../reading/inline-bytes.ts'
import { AssetError } from '../ports.ts'
import type { Connection, StoredAsset } from '../ports.ts'
import type { AttemptRecord, ImageRecord } from '../records.ts'
import { assetsOf } from './assets-of.ts'
import { canceledError, endAttempt } from './conclude.ts'
import { later, type Next } from './next.ts'
import {
  connectionOf,
  isCanceled,
  routeOf,
  type AttemptTrack,
  type CollectedImage,
  type Collecting,
  type Core,
  type OpenGeneration,
} from './open-generation.ts'
import { logFields } from './log-fields.ts'
import { distinct, readReply, releaseOutcome, remember } from './outcome.ts'
import { saveIfPossible } from './save.ts'

/** Without a byte for so long a fetch has failed; a slow one goes on for as long as any link is believed to live. */
const SILENCE_MS = 30_000
/**
 * Waits before another pass over the images that are missing; the last is repeated. Each pass fetches and judges an image anew, so hundreds
 * that stay missing must be asked for ever more seldom.
 */
const PASS_DELAYS_MS = [250, 1_000, 3_000, 8_000, 20_000, 45_000, 90_000, 180_000, 300_000] as const
/** However long the waits have become, the last pass is so long before the links die. */
const LAST_PASS_MS = 10_000
/** However short a link is said to live, its image is tried for so many passes. */
const LEAST_PASSES = 3

type Fetched =
  | { readonly kind: 'stored'; readonly asset: StoredAsset }
  /** A later pass may succeed. */
  | { readonly kind: 'missing'; readonly failure: Failure; readonly isLinkDead: boolean }
  | { readonly kind: 'lost'; readonly failure: Failure }

/** collecting: the vendor is done. Fetches, checks and stores each image that is still missing, once; then again, while the links can live. */
export async function collect(core: Core, open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack): Promise<Next> {
  const { ports } = core
  const { record } = open
  const connection = connectionOf(core, open, attempt, track)
  const collecting = (track.collecting ??= {
    results: attempt.results.map(() => null),
    references: attempt.results,
    passes: 0,
  })
  // What stands for bytes means nothing after a restart: such images are stored first, and until then the state on disk asks for them again.
  const isKnownOnDisk = !attempt.results.some(isHeldHere)
  if (collecting.passes === 0 && ports.settings.keepImages && isKnownOnDisk) await saveIfPossible(core, open)
  const startedAtMs = ports.clock.monotonicMs()
  if (collecting.passes === 0) track.sinceMs = startedAtMs
  if (!ports.settings.keepImages) passOn(core, open, attempt, connection, collecting)
  const isMissing = collecting.results.includes(null)
  const missing = isMissing ? await fetchMissing(core, open, connection, collecting) : []
  collecting.passes++
  record.storeMs = Math.round((record.storeMs ?? 0) + ports.clock.monotonicMs() - startedAtMs)
  if (missing.length > 0) {
    const waitMs = nextPassMs(collecting.passes, linkLifeMs(core, attempt, track, connection, missing))
    if (waitMs !== null) {
      if (missing.some(({ isLinkDead }) => isLinkDead)) await askAgain(core, open, attempt, connection, collecting)
      return later(waitMs)
    }
  }
  return finish(core, open, attempt, collecting, missing)
}

/** How long until the pass after this many; null where none is worth it. */
export function nextPassMs(passes: number, linkLifeMs: number): number | null {
  const waitMs = PASS_DELAYS_MS[Math.min(passes, PASS_DELAYS_MS.length) - 1] ?? 0
  if (waitMs <= linkLifeMs || passes < LEAST_PASSES) return waitMs
  return linkLifeMs > 2 * LAST_PASS_MS ? linkLifeMs - LAST_PASS_MS : null
}

interface Missing {
  readonly reference: ImageRef
  readonly failure: Failure
  readonly isLinkDead: boolean
}

async function fetchMissing(
  core: Core,
  open: OpenGeneration,
  connection: Connection | null,
  { references, results }: Collecting,
): Promise<readonly Missing[]> {
  const missing: Missing[] = []
  await Promise.all(
    references.map(async (reference, index) => {
      if (results[index]) return
      const fetched = await fetchOnce(core, connection, reference, open.record.key)
      if (fetched.kind === 'missing') missing.push({ reference, failure: fetched.failure, isLinkDead: fetched.isLinkDead })
      else {
        results[index] =
          fetched.kind === 'lost' ? { kind: 'failure', failure: fetched.failure } : imageFrom(core, open, reference, fetched.asset, null)
        releaseImages([reference])
      }
    }),
  )
  return missing
}

const UNSEEN = { sha256: null, format: null, width: null, height: null, bytes: null }

/** The vendor's own links, where images are not kept. */
function passOn(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  connection: Connection | null,
  { references, results }: Collecting,
) {
  for (const [index, reference] of references.entries()) {
    if (reference.source.kind !== 'url') continue
    const link = { url: reference.source.url, expiresAt: expiryOf(attempt, connection, reference) }
    results[index] ??= imageFrom(core, open, reference, UNSEEN, link)
  }
}

const imageFrom = (
  { ports }: Core,
  { record }: OpenGeneration,
  { seed, flagged }: ImageRef,
  asset: StoredAsset | typeof UNSEEN,
  link: ImageRecord['link'],
): CollectedImage => ({
  kind: 'image',
  image: { id: ports.ids.image(), generationId: record.id, seed: seed ?? null, flagged: flagged ?? null, ...asset, link },
})

const paid = (code: FailureCode, message: string): Failure => ({ code, message, billed: true })

async function fetchOnce(
  { ports, patience }: Core,
  connection: Connection | null,
  { source }: ImageRef,
  key: string | null,
): Promise<Fetched> {
  const { maxImageBytes } = ports.settings
  const assets = assetsOf(ports.assets, key)
  try {
    if (source.kind === 'base64') {
      const bytes = inlineBytes(source.data)
      if (bytes === null) return missing(HELD_NO_MORE, true)
      return { kind: 'stored', asset: await assets.put(bytes, maxImageBytes) }
    }
    const limits = { maxBytes: maxImageBytes, silenceMs: SILENCE_MS, timeoutMs: patience.longestLinkMs }
    const fetched = await (connection ?? ports).download(source.url, limits)
    switch (fetched.kind) {
      case 'body':
        return { kind: 'stored', asset: await assets.put(fetched.stream, maxImageBytes, fetched.statedBytes) }
      case 'expired':
        return missing(paid('result_expired', `the image’s link answered ${fetched.status} until it expired`), true)
      case 'failed': {
        const failure = paid('bad_reply', `the image could not be fetched: ${fetched.reason}`)
        return fetched.retryable ? missing(failure) : { kind: 'lost', failure }
      }
      case 'refused': {
        const failure = paid('bad_reply', `the image’s link is not safe to fetch: ${fetched.reason}`)
        return fetched.mayPass === true ? missing(failure) : { kind: 'lost', failure }
      }
    }
  } catch (error) {
    return failureOf(error, source.kind === 'url')
  }
}

/** The reply that brought it was read before a restart: it is asked for again. */
const HELD_NO_MORE = paid('result_expired', 'the image came with a reply that the gateway did not live to store')

const missing = (failure: Failure, isLinkDead = false): Fetched => ({ kind: 'missing', failure, isLinkDead })

/** What is wrong today may be right on the next pass, except a body that is too large, and bytes that came with the reply. */
function failureOf(error: unknown, isLink: boolean): Fetched {
  const reason = error instanceof AssetError ? error.reason : 'storage'
  const message = error instanceof Error ? error.message : 'the image could not be stored'
  switch (reason) {
    case 'storage':
      return missing(paid('internal', message))
    case 'stream':
    case 'not_an_image': {
      const failure = paid('bad_reply', message)
      return isLink ? missing(failure) : { kind: 'lost', failure }
    }
    case 'too_large':
      return { kind: 'lost', failure: paid('bad_reply', message) }
  }
}

/** The free call that reported the result reports it again, perhaps with fresh links, or with what it cost. */
async function askAgain(
  core: Core,
  { record }: OpenGeneration,
  attempt: AttemptRecord,
  connection: Connection | null,
  collecting: Collecting,
): Promise<void> {
  if (!attempt.next || !connection) return
  const about = logFields(record, attempt)
  attempt.polls++
  const sent = await connection.send(attempt.next, connection.provider.manifest.timeouts.poll_ms, about)
  if (sent.kind !== 'reply') return
  const outcome = readReply(core, connection, sent, attempt.next, about)
  remember(attempt, outcome)
  const fresh = outcome.kind === 'done' ? distinct(outcome.images) : []
  if (fresh.length < collecting.references.length) return releaseOutcome(outcome)
  // By their ids where they have some: the vendor may list them in another order now.
  collecting.references = collecting.references.map(
    (reference, index) => fresh.find(({ id }) => id !== undefined && id === reference.id) ?? fresh[index] ?? reference,
  )
  releaseUnwantedImages([...attempt.results, ...fresh], collecting.references)
  attempt.results = collecting.references
}

/**
 * How much longer the links of the images that are missing can live. A time that the vendor names is one of the wall clock, which may be wrong:
 * it is trusted within bounds, and compared with the wall clock once, when the task ended; again only where this process did not see how much
 * time has passed since. One that was over from the start is no time at all, unless the link's own server says that it is dead.
 */
function linkLifeMs(
  { ports, patience }: Core,
  attempt: AttemptRecord,
  track: AttemptTrack,
  connection: Connection | null,
  missingImages: readonly Missing[],
): number {
  const triedMs = ports.clock.monotonicMs() - track.sinceMs
  const lives = missingImages.map(({ reference, isLinkDead }) => {
    const expiresAt = expiryOf(attempt, connection, reference)
    if (expiresAt === null) return patience.linkMs - triedMs
    const seenAt = attempt.interrupted ? null : attempt.readyAt
    const lifeMs = seenAt === null ? expiresAt - ports.clock.now() : expiresAt - seenAt - triedMs
    if (lifeMs + triedMs <= 0 && !isLinkDead) return patience.linkMs - triedMs
    return Math.max(patience.deadLinkMs - triedMs, Math.min(patience.longestLinkMs - triedMs, lifeMs))
  })
  return Math.max(...lives)
}

/** When the vendor's link dies: as the reply says, else as long after the end of the task as the vendor promises. */
function expiryOf(attempt: AttemptRecord, connection: Connection | null, { expiresAt }: ImageRef): number | null {
  if (expiresAt !== undefined) return Date.parse(expiresAt)
  const ttlMs = connection?.provider.manifest.result_url_ttl_ms ?? null
  return ttlMs === null || attempt.readyAt === null ? null : attempt.readyAt + ttlMs
}

function finish(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  { results }: Collecting,
  missingImages: readonly Missing[],
): Promise<Next> {
  const { record } = open
  const images = results.flatMap((one): ImageRecord[] => (one?.kind === 'image' ? [one.image] : []))
  const lost = [...results.flatMap((one) => (one?.kind === 'failure' ? [one.failure] : [])), ...missingImages.map(({ failure }) => failure)]
  // What came again of an image that was stored already.
  releaseImages(attempt.results)
  record.images = [...record.images, ...images]
  open.newImages = [...open.newImages, ...images]
  attempt.imageIds = images.map((image) => image.id)
  attempt.results = []
  attempt.status = images.length > 0 ? 'succeeded' : 'failed'
  const failure = lost[0] ?? (images.length === 0 ? noImage : null)
  // What was made and lost was paid for: it says more about the bill than a part that was refused for nothing.
  if (failure && attempt.error?.billed !== 'unknown' && attempt.error?.billed !== true) {
    attempt.error = generationError(failure, routeOf(record, attempt).provider)
  }
  // Where images were delivered the task was bought, unless the vendor says that what failed beside them costs nothing.
  if (images.length > 0 && attempt.error?.billed === 'unknown') attempt.error = { ...attempt.error, billed: true }
  // Made before it could be stopped: what was said at the cancel is known now.
  if (isCanceled(open) && (images.length > 0 || attempt.error?.billed === true)) {
    record.error = canceledError(routeOf(record, attempt).provider, true)
  }
  return endAttempt(core, open, attempt, null)
}

const noImage: Failure = { code: 'bad_reply', message: 'the provider delivered no image', billed: 'unknown' }
