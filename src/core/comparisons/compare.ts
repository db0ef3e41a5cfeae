import type { Comparison, GenerationRequest, Json } from '#contract'
import type { ComparisonEntry, ComparisonRecord } from '../records.ts'
import { partKey } from './part-key.ts'
import { planComparison } from './plan-comparison.ts'
import type { ComparisonRequest } from './plan-comparison.ts'
import { referenceRows } from '../generation/reference-images.ts'
import { Refusal } from '../generation/refusal.ts'
import type { Accept } from '../generation/accept.ts'
import { comparisonView } from '../present/comparison.ts'
import type { Run } from '../generation/run.ts'
import { hashOfBody } from '../generation/idempotency.ts'
import type { Idempotency } from '../generation/idempotency.ts'
import { scopesOf } from '../keys/key-record.ts'
import { StoreError } from '../ports.ts'
import type { CountPurchases, IdempotencyEntry, Ports } from '../ports.ts'

export type { ComparisonRequest } from './plan-comparison.ts'
import type { ImageLinks } from '../present/image-link.ts'

/** The same request at several providers at once, each as a generation of its own that is tried nowhere else. */
export interface Compare {
  /**
   * Begins a comparison, or finds the one its idempotency key began.
   * @throws Refusal where no provider at all can take the request; nothing was bought. IdempotencyMismatch
   */
  begin(asked: ComparisonRequest, key: string | null, idempotencyKey?: string): Promise<BegunComparison>
  /** What its caller is answered once it has ended or `waitMs` is over. Null where there is none any more. */
  answer(begun: BegunComparison, waitMs: number): Promise<Comparison | null>
  /** As it is now. Null where there is none. */
  show(id: string): Promise<Comparison | null>
  /** Resolves once it has ended, or `waitMs` is over. */
  untilEnd(id: string, waitMs: number): Promise<void>
  view(record: ComparisonRecord): Promise<Comparison>
  /**
   * Asks the providers that a crash or the store left unasked. The generations themselves resume on their own. Returns how many comparisons.
   * @param minAgeMs younger ones are perhaps being begun by another process
   */
  resume(minAgeMs?: number): Promise<number>
}

export interface BegunComparison {
  readonly id: string
  readonly replayed: boolean
  /** As it was accepted, where it was begun now. */
  readonly record: ComparisonRecord | null
}

export interface CompareDependencies {
  readonly ports: Pick<Ports, 'clock' | 'store' | 'log' | 'settings'>
  readonly accept: Pick<Accept, 'prepare'>
  /** Every provider that is installed. */
  readonly installed: () => readonly string[]
  /** Those of them that a key may be shown. */
  readonly shownTo: (key: string | null) => readonly string[]
  readonly run: Pick<Run, 'wait'>
  readonly idempotency: Idempotency
  readonly newId: () => string
  readonly countPurchases: CountPurchases
  /** Asks whether one more generation of a key may be open. @throws Refusal where it may not */
  readonly admit: (key: string | null) => unknown
  /** The one way in for a generation, limits and budgets included; begins one for each idempotency key. */
  readonly beginGeneration: (
    request: GenerationRequest,
    key: string | null,
    idempotencyKey: string,
    more: { readonly comparison: string },
  ) => Promise<{ readonly id: string }>
  readonly links: ImageLinks
}

export function createCompare(deps: CompareDependencies): Compare {
  const { run, idempotency } = deps
  const { clock, store } = deps.ports
  const asking = createAsking(deps)

  async function view(record: ComparisonRecord, waitMs = 0): Promise<Comparison> {
    const found = await Promise.all(begunOf(record).map((id) => (waitMs > 0 ? run.wait(id, waitMs) : store.generation(id))))
    const generations = found.filter((generation) => generation !== null).map((generation) => [generation.id, generation] as const)
    return comparisonView(record, new Map(generations), deps.links)
  }

  async function accept(asked: ComparisonRequest, key: string | null, entry?: Omit<IdempotencyEntry, 'generationId'>) {
    // One of which no provider could be asked would leave nothing but its references.
    deps.admit(key)
    const record = await planComparison({ ...deps, clock }, asked, key)
    const providers = record.entries.filter(({ kind }) => kind === 'planned').length
    await deps.countPurchases(key, providers * (asked.request.n ?? 1))
    const kept = entry && { idempotency: { ...entry, generationId: record.id } }
    await store.commit({ comparisons: [record], references: referenceRows(record), ...kept })
    return asking.accepted(record)
  }

  return {
    async begin(asked, key, idempotencyKey) {
      if (idempotencyKey === undefined) {
        const record = await accept(asked, key)
        return { id: record.id, replayed: false, record }
      }
      const scope = scopesOf(key).comparisons
      // Without `isCeilingShared`, as keys that an earlier version took stand for.
      const body = { ...asked.request, providers: asked.providers ?? null } as unknown as Json
      let begun: ComparisonRecord | null = null
      const accepting = async (entry: Omit<IdempotencyEntry, 'generationId'>) => (begun = await accept(asked, key, entry))
      const { id, replayed } = await idempotency.once(scope, idempotencyKey, hashOfBody(body), accepting)
      const before = replayed ? await store.comparison(id) : null
      return { id, replayed, record: before ? await asking.accepted(before) : begun }
    },

    async answer({ record }, waitMs) {
      if (record === null) return null
      return view(record, waitMs).catch((error: unknown) => {
        if (!(error instanceof StoreError)) throw error
        return comparisonView(record, new Map(), deps.links)
      })
    },

    async show(id) {
      const record = await store.comparison(id)
      return record && view(record)
    },

    async untilEnd(id, waitMs) {
      const record = await store.comparison(id)
      if (record) await Promise.all(begunOf(record).map((generation) => run.wait(generation, waitMs)))
    },

    view: (record) => view(record),
    resume: asking.resume,
  }
}

const begunOf = ({ entries }: ComparisonRecord): readonly string[] =>
  entries.flatMap((entry) => (entry.kind === 'begun' ? [entry.generationId] : []))

/** Asks the providers of comparisons that are on disk, one process once at a time. */
function createAsking(deps: CompareDependencies) {
  const { clock, store, log } = deps.ports
  const underWay = new Set<string>()

  async function ask(record: ComparisonRecord): Promise<ComparisonRecord> {
    underWay.add(record.id)
    try {
      return await beginRest(deps, record)
    } catch (error) {
      log.error({ err: error, comparison: record.id }, 'a comparison is accepted and could not be begun whole; it is tried again')
      return record
    } finally {
      underWay.delete(record.id)
    }
  }

  return {
    /**
     * Whatever the store refuses from the acceptance on is tried again and is no error: its caller would send the request once more, and both
     * would be bought.
     */
    accepted: ask,
    async resume(minAgeMs = 0) {
      const isOld = ({ createdAt }: ComparisonRecord): boolean => minAgeMs === 0 || createdAt <= clock.now() - minAgeMs
      const left = (await store.unbegunComparisons()).filter((record) => isOld(record) && !underWay.has(record.id))
      await Promise.all(left.map(ask))
      return left.length
    },
  }
}

/** Asks every provider that has not been asked. Asking twice finds the same generation, so this may be repeated after any crash. */
async function beginRest(deps: CompareDependencies, record: ComparisonRecord): Promise<ComparisonRecord> {
  const { unbegun } = record
  if (unbegun === null) return record
  if (record.sandbox !== deps.ports.settings.sandbox) return leaveRest(deps, record)
  const begun = await Promise.allSettled(record.entries.map((entry) => beginOne(deps, record, unbegun, entry)))
  const entries = record.entries.map((entry, index) => {
    const one = begun[index]
    return one?.status === 'fulfilled' ? one.value : entry
  })
  const done: ComparisonRecord = { ...record, entries, unbegun: entries.some(({ kind }) => kind === 'planned') ? unbegun : null }
  await deps.ports.store.commit({ comparisons: [done] })
  const broken = begun.find((one) => one.status === 'rejected')
  if (broken) throw broken.reason
  return done
}

/** Begun in a sandbox that is over: no real provider is asked. */
async function leaveRest(deps: CompareDependencies, record: ComparisonRecord): Promise<ComparisonRecord> {
  if (!record.sandbox) return record
  const reasons = ['it was begun in the sandbox, and this gateway has real providers']
  const entries = record.entries.map((entry): ComparisonEntry =>
    entry.kind === 'planned' ? { kind: 'refused', provider: entry.provider, code: 'provider_unavailable', reasons } : entry,
  )
  const done = { ...record, entries, unbegun: null }
  await deps.ports.store.commit({ comparisons: [done] })
  return done
}

/** A provider that refuses is a row like any other. */
async function beginOne(
  deps: CompareDependencies,
  record: ComparisonRecord,
  request: GenerationRequest,
  entry: ComparisonEntry,
): Promise<ComparisonEntry> {
  if (entry.kind !== 'planned') return entry
  const { provider, most } = entry
  if (deps.idempotency.isOver(record.createdAt)) {
    const reason = 'The gateway stopped while this provider was being asked, more than a day ago; GET /v1/generations shows whether it was.'
    return { kind: 'refused', provider, code: 'outcome_unknown', reasons: [reason] }
  }
  try {
    const ceiling = most === undefined ? {} : { max_price_usd: most }
    const routing = { ...request.provider, ...ceiling, only: [provider], allow_fallbacks: false }
    const { id } = await deps.beginGeneration({ ...request, provider: routing }, record.key, partKey(record, provider), {
      comparison: record.id,
    })
    return { kind: 'begun', provider, generationId: id }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const own = error.errors.filter(({ path }) => path === provider).map(({ message }) => message)
    return { kind: 'refused', provider, code: error.code, reasons: own.length > 0 ? own : [error.message] }
  }
}
