import { compareUsd, shareOfUsd, subtractUsd, sumUsd } from '#contract'
import type { Usd } from '#contract'
import type { AttemptRecord, GenerationRecord, Instant, LedgerEntry, LedgerKind, Made, Route, SettledTask } from '../records.ts'
import { otherPeriods } from './budget.ts'
import { withoutMask } from '../plan/mask.ts'
import { surchargeName } from '../plan/price.ts'
import { billedMegapixels } from '../plan/size.ts'

/** What becomes of a generation in the account, as lines; pure. `account.ts` sees to it that each travels with the state it belongs to. */

/** At the acceptance: what was quoted, and what is held of the key's budget for it. */
export function acceptedEntries(record: GenerationRecord): readonly LedgerEntry[] {
  const route = record.routes[record.routeIndex]
  if (!route) return []
  const quoted = line(record, route, 'quoted', route.quoted?.amount ?? null, record.createdAt)
  return record.reserved ? [quoted, reservedEntry(record, route, record.reserved.amount, record.createdAt)] : [quoted]
}

export const reservedEntry = (record: GenerationRecord, route: Route, amount: Usd, at: Instant): LedgerEntry => ({
  ...line(record, route, 'reserved', amount, at),
  period: record.reserved?.period ?? null,
})

/** At the end of an attempt, once: billed, computed or unknown. */
export const settledEntry = (record: GenerationRecord, attempt: AttemptRecord, route: Route, at: Instant): LedgerEntry => ({
  ...line(record, route, settledKind(attempt), attempt.settled?.amount ?? null, at),
  attemptId: attempt.id,
  alsoIn: otherPeriods(record),
  task: taskOf(record, attempt, route),
})

/** What the vendor counted is its word as much as what it billed. */
function settledKind({ settled }: AttemptRecord): Extract<LedgerKind, 'billed' | 'computed' | 'unknown'> {
  const basis = settled?.basis ?? 'unknown'
  return basis === 'metered' ? 'billed' : basis
}

/** At the end: what was held and is not needed. Negative where the vendor billed more than was held. */
export function releasedEntry(record: GenerationRecord, at: Instant): LedgerEntry | null {
  const route = record.routes[record.routeIndex]
  if (!record.reserved || !route) return null
  const { amount, period } = record.reserved
  return { ...line(record, route, 'released', subtractUsd(amount, countedOf(record)), at), period }
}

/** What a generation counts against its budget: known costs, and what was held for what may have been billed. */
function countedOf(record: GenerationRecord): Usd {
  const amounts = record.attempts.map((attempt) => attempt.settled?.amount ?? heldShare(record.routes[attempt.route], attempt))
  return sumUsd(amounts.filter((amount) => amount !== null))
}

/** The part of a route's quote that is for one of its tasks; those of all its tasks add up to it, to the last digit. */
export const quotedShare = (route: Route | undefined, attempt: PartOf): Usd | null => shareOf(route, attempt, route?.quoted?.amount ?? null)

/** The part of what is held of a budget for a route. */
export const heldShare = (route: Route | undefined, attempt: PartOf): Usd | null => shareOf(route, attempt, heldOf(route))

/** What is held of a budget for a route; null where it is unpriced. */
export const heldOf = (route: Route | undefined): Usd | null => route?.held ?? route?.quoted?.amount ?? null

type PartOf = Pick<AttemptRecord, 'task' | 'images'>

function shareOf(route: Route | undefined, { task, images }: PartOf, amount: Usd | null): Usd | null {
  if (!route || amount === null) return null
  const { applied, tasks } = route
  if (images === applied.n) return amount
  const before = tasks.slice(0, task).reduce((sum, others) => sum + others, 0)
  const upTo = (count: number): Usd => shareOfUsd(amount, count, applied.n)
  return subtractUsd(upTo(before + images), upTo(before))
}

/** How much more a route may cost than is held; null where that is enough. */
export function missingFor(record: GenerationRecord, route: Route): Usd | null {
  const held = heldOf(route)
  if (!record.reserved || held === null) return null
  const missing = subtractUsd(held, record.reserved.amount)
  return compareUsd(missing, '0') > 0 ? missing : null
}

/** What providers billed themselves, beside what was quoted for it; null where nothing was both. */
export function driftOf(record: GenerationRecord): { readonly quoted: Usd; readonly billed: Usd } | null {
  const both = record.attempts.flatMap((attempt) => {
    const { settled } = attempt
    const quoted = quotedShare(record.routes[attempt.route], attempt)
    const isVendors = settled?.basis === 'billed' || settled?.basis === 'metered'
    return isVendors && settled.amount !== null && quoted !== null ? [{ quoted, billed: settled.amount }] : []
  })
  if (both.length === 0) return null
  return { quoted: sumUsd(both.map(({ quoted }) => quoted)), billed: sumUsd(both.map(({ billed }) => billed)) }
}

function line(record: GenerationRecord, route: Route, kind: LedgerKind, amount: Usd | null, at: Instant): LedgerEntry {
  const { provider, model } = route
  return { generationId: record.id, attemptId: null, key: record.key, provider, model, kind, amount, at, period: null, task: null }
}

function taskOf(record: GenerationRecord, attempt: AttemptRecord, route: Route): SettledTask {
  return {
    providerModel: route.providerModel,
    providerTaskId: attempt.providerTaskId,
    status: attempt.status,
    code: attempt.error?.code ?? null,
    quoted: quotedShare(route, attempt),
    ...heldIn(route, attempt),
    images: attempt.imageIds.length,
    made: madeOf(record, attempt, route),
    megapixels: megapixelsOf(record, attempt, route),
    fidelity: route.fidelity ?? null,
    durationMs: durationOf(attempt),
    wasSubmitted: attempt.submittedAt !== null,
    ...(attempt.settled?.basis === 'metered' && { isMetered: true }),
    ...surchargeIn(attempt, route),
  }
}

function heldIn(route: Route, attempt: PartOf): Pick<SettledTask, 'held'> {
  const held = route.held === undefined ? null : heldShare(route, attempt)
  return held === null ? {} : { held }
}

const durationOf = ({ submittedAt, readyAt, interrupted }: AttemptRecord): number | null =>
  submittedAt === null || readyAt === null || interrupted ? null : readyAt - submittedAt

/** How much of the amount the provider takes outside the call, so that the rest can be compared with its invoice. */
export function surchargeIn({ settled }: AttemptRecord, { surcharge }: Pick<Route, 'surcharge'>): Pick<SettledTask, 'surcharge'> {
  const line = surcharge === undefined ? undefined : settled?.lines.find(({ what }) => what === surchargeName(surcharge))
  return line === undefined ? {} : { surcharge: line.amount }
}

/** The size class of one image: as ordered, or as delivered where the vendor chose the size. */
function megapixelsOf(record: GenerationRecord, attempt: AttemptRecord, { applied }: Route): number | null {
  const delivered = record.images.find((image) => attempt.imageIds.includes(image.id))
  const width = applied.width ?? delivered?.width
  const height = applied.height ?? delivered?.height
  return width && height ? billedMegapixels({ width, height }) : null
}

/** The size of each reference image, null where it cannot be seen; those that the provider's own options name are among them. */
export function referencePixels({ references }: GenerationRecord, { applied }: Route): Made['references'] {
  const pixels: Made['references'][number][] = withoutMask(references).map((reference) => reference.pixels)
  while (pixels.length < applied.reference_images) pixels.push(null)
  return pixels
}

function madeOf(record: GenerationRecord, attempt: AttemptRecord, route: Route): Made | null {
  const sizes = record.images
    .filter((image) => attempt.imageIds.includes(image.id))
    .map((image) => ({ width: image.width ?? route.applied.width, height: image.height ?? route.applied.height }))
  const [first] = sizes
  if (first?.width === undefined || first.height === undefined) return null
  if (sizes.some(({ width, height }) => width !== first.width || height !== first.height)) return null
  return { width: first.width, height: first.height, references: referencePixels(record, route) }
}
