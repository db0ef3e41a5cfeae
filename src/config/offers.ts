import {
  multiplyUsd,
  usdFromDecimal,
  type GenerationRequest,
  type Manifest,
  type Offer,
  type PriceRule,
  type RouteRule,
  type Usd,
} from '#contract'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Config, OperatorPrices } from './config.ts'
import { readModelName } from './model-name.ts'
import type { PriceOverride } from './price-schema.ts'
import type { Defaults } from './schema.ts'

/** What a caller's `model` means under this configuration. */
export interface ResolvedModel {
  /** Canonical id. */
  readonly model: string
  /** The only provider that may be used, or null. */
  readonly pinned: string | null
  /** For fields the request does not give; see `withDefaults`. */
  readonly defaults: Defaults
  /** Empty where the operator has no rule. */
  readonly rule: RouteRule
}

/** Reads a canonical id, an alias or `provider/model`; null where it is none of them, never a substitute. */
export function resolveModel(config: Config, catalogue: Catalogue, name: string): ResolvedModel | null {
  const alias = config.models.get(name)
  const target = alias ?? readModelName(catalogue, name)
  if (target === null || catalogue.offers(target.model).length === 0) return null
  const own = config.models.get(target.model)
  return {
    model: target.model,
    pinned: target.pinned,
    defaults: alias === undefined || alias === own ? (own?.defaults ?? {}) : withDefaults(alias.defaults, own?.defaults ?? {}),
    rule: alias?.route ?? own?.route ?? {},
  }
}

const SIZE_FIELDS = ['width', 'height', 'aspect_ratio', 'megapixels'] as const

/** The fields of `given`, then of `defaults`. Sizes go together: any size field given replaces every default one. */
export function withDefaults<Given extends Partial<GenerationRequest> | Defaults>(given: Given, defaults: Defaults): Given {
  const hasSize = SIZE_FIELDS.some((field) => given[field] !== undefined)
  const merged: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(defaults)) {
    if (value !== undefined && !(hasSize && (SIZE_FIELDS as readonly string[]).includes(field))) merged[field] = value
  }
  for (const [field, value] of Object.entries(given)) if (value !== undefined) merged[field] = value
  const providerOptions = mergeOptions(given.provider_options, defaults.provider_options)
  if (providerOptions) merged['provider_options'] = providerOptions
  return merged as Given
}

type ProviderOptions = Defaults['provider_options']

function mergeOptions(given: ProviderOptions, defaults: ProviderOptions): ProviderOptions {
  if (given === undefined || defaults === undefined) return given ?? defaults
  const ids = new Set([...Object.keys(defaults), ...Object.keys(given)])
  return Object.fromEntries([...ids].map((id) => [id, { ...defaults[id], ...given[id] }]))
}

/** Every offer of a canonical model, enabled or not, with the operator's prices applied. A snapshot never changes, so neither do its offers. */
export function offersOf(config: Config, catalogue: Catalogue, model: string): readonly Offer[] {
  const known = offersBySnapshot.get(config)?.get(model)
  if (known !== undefined) return known
  const offers = pricedOffers(config, catalogue, model)
  offersBySnapshot.set(config, (offersBySnapshot.get(config) ?? new Map<string, readonly Offer[]>()).set(model, offers))
  return offers
}

const offersBySnapshot = new WeakMap<Config, Map<string, readonly Offer[]>>()

function pricedOffers(config: Config, catalogue: Catalogue, model: string): readonly Offer[] {
  return catalogue.offers(model).map((offer) => {
    const { prices, surchargePercent } = config.providers.get(offer.provider) ?? {}
    const entry = catalogue.providers.get(offer.provider)?.manifest.models[model]
    if (prices === undefined || entry === undefined) return offer
    const end = config.models.get(model)?.end
    return { ...offer, ...end, price: operatorPrice(prices, model, entry), ...(surchargePercent !== undefined && { surchargePercent }) }
  })
}

type ModelEntry = Manifest['models'][string]

/** An override names the provider's own page as its source, so that both can be compared. */
function operatorPrice(prices: OperatorPrices, model: string, entry: ModelEntry): PriceRule | null {
  const override = prices.byModel.get(model)
  if (override === undefined) return discounted(entry.price, prices.discountPercent)
  const provenance = {
    as_of: override.as_of,
    source_url: entry.price?.source_url ?? entry.docs_url,
    note: 'operator price, set in the configuration; source_url is the provider’s own page',
    source: 'configuration' as const,
  }
  if ('per_image' in override) return { kind: 'per_image', per_image: override.per_image, ...provenance }
  if ('tiers' in override) return { kind: 'per_tier', tiers: override.tiers, reference: override.reference ?? null, ...provenance }
  if ('per_million' in override) return tokenPrice(override, entry.price, provenance)
  const { first_output, extra_output, reference } = override
  const reference_cap_mp = entry.price?.kind === 'megapixel' ? entry.price.reference_cap_mp : null
  return { kind: 'megapixel', first_output, extra_output, reference, rounding: 'up_1048576', reference_cap_mp, ...provenance }
}

/** What the operator leaves out is not agreed, and so not known; tables of tokens are the vendor's. */
function tokenPrice(
  { per_million, output_tokens, reference_tokens }: Extract<PriceOverride, { per_million: unknown }>,
  published: PriceRule | null,
  provenance: { readonly as_of: string; readonly source_url: string; readonly source: 'configuration' },
): PriceRule {
  const tables = published?.kind === 'token' ? published : null
  const { text_input = null, image_input = null, cached_input = null, image_output = null, text_output = null } = per_million
  return {
    kind: 'token',
    per_million: { text_input, image_input, cached_input, image_output, text_output },
    output_tokens: output_tokens ?? tables?.output_tokens ?? null,
    reference_tokens: reference_tokens ?? tables?.reference_tokens ?? null,
    ...(tables?.partial_tokens !== undefined && { partial_tokens: tables.partial_tokens }),
    ...provenance,
  }
}

function discounted(price: PriceRule | null, percent: number): PriceRule | null {
  if (price === null || percent === 0) return price
  const less = (amount: Usd): Usd => usdFromDecimal(multiplyUsd(amount, 10_000 - Math.round(percent * 100)), -4)
  const unit = 'unit_amount' in price && price.unit_amount !== undefined ? { unit_amount: less(price.unit_amount) } : {}
  const note = `published price less ${percent} %, the operator’s discount`
  const source = 'configuration' as const
  switch (price.kind) {
    case 'per_image':
      return { ...price, ...unit, per_image: less(price.per_image), ...(price.edit != null && { edit: less(price.edit) }), note, source }
    case 'megapixel':
      return {
        ...price,
        ...unit,
        first_output: less(price.first_output),
        extra_output: less(price.extra_output),
        reference: less(price.reference),
        note,
        source,
      }
    case 'per_tier': {
      const tiers = Object.entries(price.tiers).map(([tier, amount]) => [tier, amount === null ? null : less(amount)])
      return {
        ...price,
        ...unit,
        tiers: Object.fromEntries(tiers),
        reference: price.reference === null ? null : less(price.reference),
        note,
        source,
      }
    }
    case 'token': {
      const amounts = Object.entries(price.per_million).map(([kind, amount]) => [kind, amount === null ? null : less(amount)])
      return { ...price, per_million: Object.fromEntries(amounts), note, source }
    }
  }
}
