import { isoOrNull } from '../core/instant.ts'
import type { Clock, Ids, Send } from '../core/ports.ts'
import { z } from 'zod'
import type { JsonObject, Model, Usd } from '#contract'
import type { Config } from '../config/config.ts'
import { offersOf, resolveModel } from '../config/offers.ts'
import { suggestModel } from '../config/suggest-model.ts'
import type { ModelSource } from '../http/api/models.ts'
import type { ProviderSource } from '../http/api/providers.ts'
import type { Breakers } from '../core/scheduling/circuit-breaker.ts'
import type { Health } from '../monitoring/health.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Run } from '../core/generation/run.ts'

/** 2025-01-01: the model object of existing clients asks for a time; models here have none of their own. */
const CREATED = 1_735_689_600
const BALANCE_LIFE_MS = 60_000
const BALANCE_TIMEOUT_MS = 3_000

/** The JSON Schema of what a provider takes in `provider_options`. */
const optionsOf = (catalogue: Catalogue, provider: string): JsonObject =>
  z.toJSONSchema(catalogue.providers.get(provider)?.adapter.options ?? z.object({}), { io: 'input', unrepresentable: 'any' }) as JsonObject

/** Which of the enabled providers of a model, as a request names it, can show its images on their way. */
export const partialImagesAt =
  (config: () => Config, catalogue: Catalogue) =>
  (name: string): readonly string[] => {
    const resolved = resolveModel(config(), catalogue, name)
    if (!resolved) return []
    const { model, pinned } = resolved
    const providers = offersOf(config(), catalogue, model).map(({ provider }) => provider)
    const isAble = (id: string): boolean =>
      config().providers.get(id)?.enabled === true && catalogue.providers.get(id)?.adapter.partial !== undefined
    return providers.filter((id) => (pinned === null || id === pinned) && isAble(id))
  }

/** GET /v1/models, from the configuration in force. */
export function modelListing(config: () => Config, catalogue: Catalogue, measured: Pick<Run, 'latency'>): ModelSource {
  function entry(id: string): Model | null {
    const resolved = resolveModel(config(), catalogue, id)
    if (!resolved) return null
    const offers = offersOf(config(), catalogue, resolved.model).filter(
      (offer) => resolved.pinned === null || offer.provider === resolved.pinned,
    )
    return {
      id,
      object: 'model',
      created: CREATED,
      owned_by: 'imagegate',
      alias_of: id === resolved.model ? null : resolved.model,
      offers: offers.map((offer) => {
        const manifest = catalogue.providers.get(offer.provider)?.manifest
        const provider = config().providers.get(offer.provider)
        return {
          provider: offer.provider,
          provider_model: offer.providerModel,
          enabled: provider?.enabled ?? false,
          reason: provider?.reason ?? null,
          limits: offer.limits,
          price: offer.price,
          surcharge_percent: offer.surchargePercent ?? null,
          latency_ms: measured.latency(offer.provider, resolved.model),
          ...(offer.retiresOn !== undefined && { retires_on: offer.retiresOn }),
          ...(offer.replacedBy !== undefined && { replaced_by: offer.replacedBy }),
          docs_url: manifest?.models[resolved.model]?.docs_url ?? '',
          notes: [...(manifest?.models[resolved.model]?.notes ?? [])],
        }
      }),
    }
  }
  return {
    list: () => {
      const aliases = [...config().models.keys()].filter((name) => !catalogue.models.includes(name))
      return [...catalogue.models, ...aliases].flatMap((id) => entry(id) ?? [])
    },
    find(id) {
      const model = entry(id)
      return model && { ...model, offers: model.offers.map((offer) => ({ ...offer, options: optionsOf(catalogue, offer.provider) })) }
    },
    suggest: (id) => suggestModel(config(), catalogue, id),
  }
}

export interface ProviderListingDependencies {
  readonly config: () => Config
  readonly catalogue: Catalogue
  readonly run: Pick<Run, 'inFlight' | 'waiting'>
  /** Unfinished tasks of the other gateways on the store, at each provider; absent where there are none. */
  readonly tasksElsewhere?: (() => Promise<ReadonlyMap<string, number>>) | undefined
  readonly health: Health
  readonly breakers: Pick<Breakers, 'state' | 'failuresInARow' | 'nextTryAt'>
  readonly send: Send
  readonly clock: Clock
  readonly ids: Ids
  readonly configuration: ProviderSource['configuration']
  readonly nodes: ProviderSource['nodes']
}

/** What is left of a provider's balance, as it was within the last minute; null where it has none, or does not answer. */
function createBalances({
  catalogue,
  send,
  clock,
  ids,
}: Pick<ProviderListingDependencies, 'catalogue' | 'send' | 'clock' | 'ids'>): (id: string) => Promise<Usd | null> {
  const balances = new Map<string, { readonly readAtMs: number; readonly usd: Promise<Usd | null> }>()

  async function ask(id: string): Promise<Usd | null> {
    const adapter = catalogue.providers.get(id)?.adapter
    const call = adapter?.account?.(ids.task())
    if (!call) return null
    const sent = await send(id, call, BALANCE_TIMEOUT_MS)
    return sent.kind === 'reply' ? (adapter?.readBalance?.(sent.reply) ?? null) : null
  }

  return (id) => {
    const known = balances.get(id)
    if (known && clock.monotonicMs() - known.readAtMs < BALANCE_LIFE_MS) return known.usd
    const usd = ask(id)
    balances.set(id, { readAtMs: clock.monotonicMs(), usd })
    return usd
  }
}

/** GET /v1/providers. A balance is read at most once a minute, and never delays the list by more than seconds. */
export function providerListing({
  config,
  catalogue,
  run,
  tasksElsewhere,
  health,
  breakers,
  send,
  clock,
  ids,
  configuration,
  nodes,
}: ProviderListingDependencies): ProviderSource {
  const balanceOf = createBalances({ catalogue, send, clock, ids })
  return {
    configuration,
    nodes,
    async list() {
      const elsewhere = await tasksElsewhere?.()
      return Promise.all(
        [...config().providers.values()].map(async (provider) => {
          const manifest = catalogue.providers.get(provider.id)?.manifest
          return {
            id: provider.id,
            object: 'provider' as const,
            title: manifest?.title ?? provider.id,
            state: provider.enabled ? ('enabled' as const) : ('disabled' as const),
            reason: provider.reason,
            sandbox: config().sandbox,
            models: Object.keys(manifest?.models ?? {}),
            in_flight: run.inFlight(provider.id) + (elsewhere?.get(provider.id) ?? 0),
            waiting: run.waiting(provider.id),
            max_in_flight: provider.maxInFlight,
            breaker: breakers.state(provider.id),
            failures_in_a_row: breakers.failuresInARow(provider.id),
            next_try_at: isoOrNull(breakers.nextTryAt(provider.id)),
            success_rate: health.successRate(provider.id),
            balance_usd: provider.enabled ? await balanceOf(provider.id) : null,
            docs_url: manifest?.docs_url ?? '',
          }
        }),
      )
    },
  }
}
