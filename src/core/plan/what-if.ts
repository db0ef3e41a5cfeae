import { compareUsd, createTally, percentAbove, type Offer, type Usd, type UsdTally, type WhatIf } from '#contract'
import type { Made } from '../records.ts'
import { dependsOnReferences, priceOf, type Price } from './price.ts'
import { nearestSize } from './size.ts'

/** Images of one kind that were delivered by one provider: what they have in common decides their price. */
interface Shape {
  readonly provider: string
  readonly model: string
  readonly made: Made
  images: number
  readonly spent: UsdTally
}

/** Gathers delivered images, then asks what they would have cost elsewhere: as many questions as there are kinds, not images. */
export interface WhatIfTally {
  add(task: {
    readonly provider: string
    readonly model: string
    readonly made: Made | null
    readonly images: number
    readonly amount: Usd | null
  }): void
  /** One row for each provider that sells one of the models, but one where everything ran anyway; cheapest first. */
  result(offersOf: (model: string) => readonly Offer[]): readonly WhatIf[]
}

export function createWhatIfTally(): WhatIfTally {
  const shapes = new Map<string, Shape>()
  const models = new Set<string>()
  let unseen = 0
  let unknown = 0

  return {
    add({ provider, model, made, images, amount }) {
      if (images === 0) return
      models.add(model)
      if (made === null) unseen += images
      else if (amount === null) unknown += images
      else {
        const name = JSON.stringify([provider, model, made])
        const shape = shapes.get(name) ?? { provider, model, made, images: 0, spent: createTally() }
        shape.images += images
        shape.spent.add(amount)
        shapes.set(name, shape)
      }
    },
    result(offersOf) {
      const offers = new Map([...models].map((model) => [model, offersOf(model)]))
      const providers = new Set([...offers.values()].flatMap((list) => list.map(({ provider }) => provider)))
      const all = [...shapes.values()]
      return [...providers]
        .filter((provider) => unseen + unknown > 0 || all.some((shape) => shape.provider !== provider))
        .map((provider) => compare(provider, all, offers, { unseen, unknown }))
        .toSorted(cheapestFirst)
    },
  }
}

function compare(
  provider: string,
  shapes: readonly Shape[],
  offers: ReadonlyMap<string, readonly Offer[]>,
  { unseen, unknown }: { readonly unseen: number; readonly unknown: number },
): WhatIf {
  const there = createTally()
  const spent = createTally()
  let images = 0
  let notPriced = unseen
  for (const shape of shapes) {
    const offer = offers.get(shape.model)?.find((candidate) => candidate.provider === provider)
    const amount =
      shape.provider === provider ? shape.spent.total() : offer ? (priceMade(offer, shape.made, shape.images)?.amount ?? null) : null
    if (amount === null) notPriced += shape.images
    else {
      there.add(amount)
      spent.add(shape.spent.total())
      images += shape.images
    }
  }
  return {
    provider,
    amount: images > 0 ? there.total() : null,
    spent: spent.total(),
    vs_spent: images > 0 ? percentAbove(there.total(), spent.total(), 1) : null,
    images,
    not_priced: notPriced,
    cost_unknown: unknown,
  }
}

/**
 * What images that were made somewhere would cost as this offer, in the nearest size it makes; null where it takes fewer references, makes no
 * such size, or its price depends on a reference nobody has seen.
 */
export function priceMade(offer: Offer, made: Made, images: number): Price | null {
  const rule = offer.price
  const size = nearestSize(made, offer.limits.size)
  if (rule === null || size === null || made.references.length > offer.limits.reference_images.max) return null
  if (dependsOnReferences(rule) && made.references.includes(null)) return null
  return priceOf(rule, {
    width: size.width,
    height: size.height,
    images,
    references: made.references.filter((reference) => reference !== null),
  })
}

function cheapestFirst(left: WhatIf, right: WhatIf): number {
  if (left.amount === null || right.amount === null) return Number(left.amount === null) - Number(right.amount === null)
  return compareUsd(left.amount, right.amount) || (left.provider < right.provider ? -1 : 1)
}
