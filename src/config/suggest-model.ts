import { nearest } from '#contract'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Config } from './config.ts'

const MOST_LISTED = 40

/**
 * The remedy for a model's name that means nothing here: the same model under our name, where a provider or another gateway calls it so, else the
 * nearest name there is, else all of them.
 * @param allowed the only names to propose: those that a key may use; null for all
 */
export function suggestModel(config: Config, catalogue: Catalogue, name: string, allowed: readonly string[] | null = null): string {
  const known = allowed ?? [...new Set([...catalogue.models, ...config.models.keys()])]
  const [prefix, rest] = split(name)
  const pinned = prefix === null ? null : nearest(prefix, [...catalogue.providers.keys()])
  const model = meant(catalogue, known, name) ?? (rest === null ? null : (meant(catalogue, known, rest) ?? nearest(rest, known)))
  if (pinned === null) return proposal(model ?? nearest(name, known), known)
  if (model === null) return proposal(null, known)
  const offers = catalogue.offers(model)
  // An alias, whose providers its route names: none can be pinned before it.
  if (offers.length === 0) return proposal(model, known)
  if (offers.some(({ provider }) => provider === pinned)) return proposal(`${pinned}/${model}`, known)
  return `${pinned} does not sell ${model}, which is sold by ${offers.map(({ provider }) => provider).join(', ')}`
}

function proposal(name: string | null, known: readonly string[]): string {
  if (name !== null) return `did you mean "${name}"?`
  if (known.length === 0) return 'there are none'
  return `there are ${known.slice(0, MOST_LISTED).join(', ')}${known.length > MOST_LISTED ? ' …' : ''}`
}

const split = (name: string): readonly [string | null, string | null] => {
  const slash = name.indexOf('/')
  return slash < 1 ? [null, null] : [name.slice(0, slash), name.slice(slash + 1)]
}

/** The known model that somebody else's name stands for: a vendor's own id, or the same words in another order or writing. */
function meant(catalogue: Catalogue, known: readonly string[], name: string): string | null {
  const words = wordsOf(name)
  const isVendorId = (model: string) =>
    catalogue.offers(model).some(({ providerModel }) => providerModel.toLowerCase() === name.toLowerCase())
  return known.find((model) => wordsOf(model) === words) ?? known.find(isVendorId) ?? null
}

/** `flux-pro/v1.1`, `FLUX.1.1 [pro]` and `flux-1.1-pro` hold the same words. */
const wordsOf = (name: string): string =>
  (name.toLowerCase().match(/[a-z]+|\d+(\.\d+)?/g) ?? [])
    .filter((word) => word !== 'v')
    .toSorted()
    .join(' ')
