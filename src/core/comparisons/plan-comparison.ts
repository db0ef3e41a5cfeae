import { compareUsd, sumUsd } from '#contract'
import type { GenerationRequest, Routing, Usd } from '#contract'
import type { ComparisonEntry, ComparisonRecord, GenerationRecord, Reference } from '../records.ts'
import { requireInstalled } from '../generation/names.ts'
import { Refusal } from '../generation/refusal.ts'
import type { Accept } from '../generation/accept.ts'
import { maskOf } from '../plan/mask.ts'
import type { Clock } from '../ports.ts'

/** A request and where to run it; `providers` absent asks every provider that can take it. */
export interface ComparisonRequest {
  readonly request: GenerationRequest
  readonly providers?: readonly string[] | undefined
  /** Whether `provider.max_price_usd` is the most of all rows together; else it is that of each. */
  readonly isCeilingShared?: boolean
}

interface PlanDependencies {
  readonly accept: Pick<Accept, 'prepare'>
  /** Every provider that is installed. */
  readonly installed: () => readonly string[]
  /** Those of them that a key may be shown. */
  readonly shownTo: (key: string | null) => readonly string[]
  readonly newId: () => string
  readonly clock: Pick<Clock, 'now'>
}

/**
 * A comparison before anybody is asked: every provider with its eligibility.
 * @throws Refusal where no provider at all can take the request
 */
export async function planComparison(
  { accept, installed, shownTo, newId, clock }: PlanDependencies,
  { request, providers, isCeilingShared = false }: ComparisonRequest,
  key: string | null,
): Promise<ComparisonRecord> {
  requireInstalled(
    (providers ?? []).map((provider, index) => ({ path: `providers.${index}`, provider })),
    installed(),
    shownTo(key),
  )
  const allowed = request.provider?.only
  const only = providers === undefined ? allowed : providers.filter((provider) => allowed?.includes(provider) ?? true)
  const routing = { ...request.provider, allow_fallbacks: true, ...(only === undefined ? {} : { only: [...only] }) }
  const judged = await judge(accept, { ...request, provider: routing }, key, isCeilingShared ? routing.max_price_usd : undefined)
  const missing = (provider: string): ComparisonEntry => ({
    kind: 'ineligible',
    provider,
    reasons: [`providers: ${provider} has no offer of ${request.model}.`],
  })
  const entries =
    providers === undefined
      ? judged.entries
      : [...new Set(providers)].map((provider) => judged.entries.find((entry) => entry.provider === provider) ?? missing(provider))
  if (judged.record === null) throw nobody(request.model, entries)
  const { reference_images: _, mask: __, ...plain } = request
  const { references } = judged.record
  return {
    id: newId(),
    key,
    sandbox: judged.record.sandbox,
    createdAt: clock.now(),
    request: plain,
    references,
    entries,
    unbegun: withKeptReferences(request, references),
  }
}

/** What came as bytes is on disk by now, and is found there after a restart too. */
function withKeptReferences(request: GenerationRequest, references: readonly Reference[]): GenerationRequest {
  const { reference_images: images } = request
  if (images === undefined) return request
  const kept = images.map((image, index) => {
    const reference = references[index]
    return typeof image === 'string' && reference?.kind === 'stored' ? reference : image
  })
  const mask = maskOf(references)
  const keptMask = request.mask !== undefined && mask?.kind === 'stored' ? mask : request.mask
  // Only `gather` reads them again; no caller can write a reference so.
  return {
    ...request,
    reference_images: kept as GenerationRequest['reference_images'],
    ...(keptMask === undefined ? {} : { mask: keptMask as GenerationRequest['mask'] }),
  }
}

/**
 * Every provider of the model with its eligibility; `record` is null where none is eligible.
 * @param shared the most that all of them may be quoted at together
 */
async function judge(
  accept: Pick<Accept, 'prepare'>,
  request: GenerationRequest,
  key: string | null,
  shared: Usd | undefined,
): Promise<{ readonly record: GenerationRecord | null; readonly entries: readonly ComparisonEntry[] }> {
  try {
    const record = await accept.prepare(
      request,
      key,
      shared === undefined ? undefined : (considered) => requireTogether(considered, shared),
    )
    const entries = record.routing.considered.map(({ provider, eligible, quoted, reasons }): ComparisonEntry => {
      if (!eligible) return { kind: 'ineligible', provider, reasons }
      // By the time it is begun, a price or the image behind a link may be another one: what was judged is what may be bought.
      return { kind: 'planned', provider, ...(shared === undefined || quoted === null ? {} : { most: quoted }) }
    })
    return { record, entries }
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'no_eligible_offer') throw error
    return { record: null, entries: error.errors.map(({ path, message }) => ({ kind: 'ineligible', provider: path, reasons: [message] })) }
  }
}

/** Each offer is held to the ceiling on its own; here their sum is. Those that are not eligible are not run and cost nothing. */
function requireTogether(considered: Routing['considered'], ceiling: Usd): void {
  const prices = considered.flatMap(({ provider, eligible, quoted }) => (eligible && quoted !== null ? [{ provider, quoted }] : []))
  const total = sumUsd(prices.map(({ quoted }) => quoted))
  if (compareUsd(total, ceiling) <= 0) return
  const parts = prices.map(({ provider, quoted }) => `${provider} ${quoted}`).join(', ')
  const message = `the comparison is quoted at ${total} USD (${parts}), and at most ${ceiling} is allowed; raise it or name fewer providers`
  throw new Refusal('invalid_request', `max_price_usd: ${message}`, [{ path: 'provider.max_price_usd', message }])
}

function nobody(model: string, entries: readonly ComparisonEntry[]): Refusal {
  const errors = entries.map((entry) => ({
    path: entry.provider,
    message: entry.kind === 'ineligible' ? entry.reasons.join('; ') : 'not asked',
  }))
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join(' · ')
  return new Refusal('no_eligible_offer', `No provider can take this request of ${model}; nothing was bought. ${detail}`, errors)
}
