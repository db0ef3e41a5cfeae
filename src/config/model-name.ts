import type { Catalogue } from '../catalogue/catalogue.ts'

/** A canonical model, perhaps pinned to one provider. */
export interface ModelName {
  readonly model: string
  readonly pinned: string | null
}

/** Reads a canonical id or `provider/model`; null where no installed provider sells it. */
export function readModelName(catalogue: Catalogue, name: string): ModelName | null {
  const offers = catalogue.offers(name)
  if (offers.length > 0) return { model: name, pinned: null }
  const slash = name.indexOf('/')
  if (slash < 1) return null
  const [pinned, model] = [name.slice(0, slash), name.slice(slash + 1)]
  return catalogue.offers(model).some((offer) => offer.provider === pinned) ? { model, pinned } : null
}
