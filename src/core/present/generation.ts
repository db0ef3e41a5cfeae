import type { Attempt, Generation, Image, Json, Timing } from '#contract'
import type { AttemptRecord, GenerationRecord, ImageRecord, Instant, Reference } from '../records.ts'
import { quotedShare } from '../billing/ledger.ts'
import { costOf } from '../billing/settle.ts'
import { orderedImages } from '../plan/delivery.ts'
import { maskOf, withoutMask } from '../plan/mask.ts'
import { iso, isoOrNull } from '../instant.ts'
import { withoutQuery } from './without-query.ts'
import type { ImageLinks } from './image-link.ts'

/** The row as a caller sees it. */
export function viewOf(record: GenerationRecord, links: ImageLinks): Generation {
  const route = record.attempts.length > 0 || record.routes.length === 1 ? record.routes[record.routeIndex] : undefined
  return {
    id: record.id,
    object: 'generation',
    status: record.status,
    sandbox: record.sandbox,
    comparison: record.comparison ?? null,
    key: record.key,
    model: record.model,
    provider: route?.provider ?? null,
    provider_model: route?.providerModel ?? null,
    created_at: iso(record.createdAt),
    started_at: isoOrNull(record.startedAt),
    completed_at: isoOrNull(record.completedAt),
    progress: progressOf(record),
    request: requestView(record),
    images: orderedImages(record).map((image) => viewImage(image, links)),
    prompt_used: record.promptUsed,
    cost: costOf(record),
    timing: timingOf(record),
    routing: routingOf(record),
    attempts: record.attempts.map((attempt) => viewAttempt(record, attempt)),
    warnings: [...(record.routes[record.routeIndex]?.warnings ?? []), ...record.warnings],
    error: record.error,
    metadata: record.request.metadata ?? {},
  }
}

/** Rows of earlier versions do not say how near an offer was, nor of how many tasks its latency is. */
const routingOf = ({ routing }: GenerationRecord): Generation['routing'] => ({
  ...routing,
  considered: routing.considered.map((row) =>
    row.fidelity === undefined || row.latency_samples === undefined
      ? { ...row, fidelity: row.fidelity ?? null, latency_samples: row.latency_samples ?? null }
      : row,
  ),
})

/** A request as a caller may see it again: without its metadata, references as the ids under which they can be sent again, or bare links. */
export function requestView(record: Pick<GenerationRecord, 'request' | 'references'>): Record<string, Json> {
  const { metadata: _, webhook, ...request } = record.request
  const references = withoutMask(record.references).map(referenceView)
  const mask = maskOf(record.references)
  return {
    ...(request as Record<string, Json>),
    ...(webhook ? { webhook: { ...webhook, url: withoutQuery(webhook.url) } as Json } : {}),
    ...(references.length > 0 ? { reference_images: references } : {}),
    ...(mask ? { mask: referenceView(mask) } : {}),
  }
}

const referenceView = (reference: Reference): Json =>
  reference.kind === 'stored'
    ? { ...(reference.id === undefined ? {} : { image: reference.id }), sha256: reference.sha256, ...reference.pixels }
    : { url: withoutQuery(reference.url), ...reference.pixels }

export function viewImage(image: ImageRecord, links: ImageLinks): Image {
  return {
    id: image.id,
    url: image.link?.url ?? links(image),
    width: image.width,
    height: image.height,
    format: image.format,
    bytes: image.bytes,
    sha256: image.sha256,
    seed: image.seed,
    flagged: image.flagged,
    ...(image.link?.expiresAt ? { expires_at: iso(image.link.expiresAt) } : {}),
  }
}

function viewAttempt(record: GenerationRecord, attempt: AttemptRecord): Attempt {
  const route = record.routes[attempt.route]
  return {
    provider: route?.provider ?? '',
    provider_model: route?.providerModel ?? '',
    status: attempt.status,
    provider_task_id: attempt.providerTaskId,
    images: attempt.images,
    seed: attempt.seed,
    vendor: attempt.vendor,
    error: attempt.error,
    cost: {
      quoted: quotedShare(route, attempt),
      amount: attempt.settled?.amount ?? null,
      basis: attempt.settled?.basis ?? 'unknown',
      reported: attempt.settled?.reported ?? (attempt.cost && 'amount' in attempt.cost ? attempt.cost.amount : null),
    },
    started_at: iso(attempt.startedAt),
    ended_at: isoOrNull(attempt.endedAt),
  }
}

function progressOf(record: GenerationRecord): number | null {
  if (record.status === 'succeeded') return 1
  const known = record.attempts.filter((attempt) => attempt.route === record.routeIndex && !attempt.retried && attempt.progress !== null)
  if (known.length === 0) return null
  return known.reduce((sum, attempt) => sum + (attempt.progress ?? 0), 0) / known.length
}

function timingOf(record: GenerationRecord): Timing {
  const submitted = earliest(record.attempts.map((attempt) => attempt.submittedAt))
  const served = record.attempts.filter((attempt) => attempt.route === record.routeIndex)
  const start = earliest(served.map((attempt) => attempt.submittedAt))
  const ready = served.map((attempt) => attempt.readyAt).filter((instant) => instant !== null)
  return {
    queued_ms: submitted === null ? null : submitted - record.createdAt,
    provider_ms: start === null || ready.length === 0 ? null : Math.max(...ready) - start,
    store_ms: record.storeMs,
    total_ms: record.completedAt === null ? null : record.completedAt - record.createdAt,
    polls: record.attempts.reduce((sum, attempt) => sum + attempt.polls, 0),
  }
}

function earliest(instants: readonly (Instant | null)[]): Instant | null {
  const known = instants.filter((instant) => instant !== null)
  return known.length === 0 ? null : Math.min(...known)
}
