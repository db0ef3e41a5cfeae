import {
  compareUsd,
  createTally,
  percentAbove,
  subtractUsd,
  type Cheapest,
  type Offer,
  type Usd,
  type UsdTally,
  type WhatIf,
} from '#contract'
import type { Breathe } from '../ports.ts'
import type { Made } from '../records.ts'
import { dependsOnReferences, priceOf, withSurcharge } from './price.ts'
import { isNearSize } from './fidelity.ts'
import { nearestSize } from './size.ts'
import { nearestTier } from './tier-size.ts'

/** Images of one kind that were delivered by one provider: what they have in common decides their price. */
interface Shape {
  readonly provider: string
  readonly model: string
  readonly made: Made
  images: number
  readonly spent: UsdTally
}

interface Gathered {
  readonly shapes: Map<string, Shape>
  readonly models: Set<string>
  unseen: number
  unknown: number
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
  /** What another one has gathered. */
  addAll(other: WhatIfTally, breathe: Breathe): Promise<void>
  readonly gathered: Gathered
  /** One row for each provider that sells one of the models, but one where everything ran anyway; and the cheapest of all, that one included. */
  result(
    offersOf: (model: string) => readonly Offer[],
    breathe: Breathe,
  ): Promise<{ readonly rows: readonly WhatIf[]; readonly cheapest: Cheapest | null }>
}

export function createWhatIfTally(): WhatIfTally {
  const shapes = new Map<string, Shape>()
  const models = new Set<string>()
  const gathered: Gathered = { shapes, models, unseen: 0, unknown: 0 }

  function addShape(name: string, { provider, model, made }: Omit<Shape, 'images' | 'spent'>, images: number, amount: Usd): void {
    const shape = shapes.get(name) ?? { provider, model, made, images: 0, spent: createTally() }
    shape.images += images
    shape.spent.add(amount)
    shapes.set(name, shape)
  }

  return {
    gathered,
    add({ provider, model, made, images, amount }) {
      if (images === 0) return
      models.add(model)
      if (made === null) gathered.unseen += images
      else if (amount === null) gathered.unknown += images
      else addShape(nameOf(provider, model, made), { provider, model, made }, images, amount)
    },
    async addAll({ gathered: other }, breathe) {
      for (const model of other.models) models.add(model)
      for (const [name, shape] of other.shapes) {
        addShape(name, shape, shape.images, shape.spent.total())
        await breathe()
      }
      gathered.unseen += other.unseen
      gathered.unknown += other.unknown
    },
    async result(offersOf, breathe) {
      const { unseen, unknown } = gathered
      const offers = new Map([...models].map((model) => [model, offersOf(model)]))
      const providers = new Set([...offers.values()].flatMap((list) => list.map(({ provider }) => provider)))
      const all = [...shapes.values()]
      const rows: WhatIf[] = []
      for (const provider of providers) {
        const row = createRow(provider, { unseen, unknown })
        for (const shape of all) {
          await breathe()
          row.add(
            shape,
            offers.get(shape.model)?.find((offer) => offer.provider === provider),
          )
        }
        rows.push(row.result())
      }
      const ranked = rank(rows)
      const isSole = ({ provider }: WhatIf): boolean => unseen + unknown === 0 && all.every((shape) => shape.provider === provider)
      return { rows: ranked.filter((row) => !isSole(row)), cheapest: cheapestOf(ranked) }
    },
  }
}

/** Nearly all images have no references, and are named without JSON. */
const nameOf = (provider: string, model: string, made: Made): string =>
  made.references.length === 0 ? `${provider} ${model} ${made.width}x${made.height}` : JSON.stringify([provider, model, made])

/** Gathers one provider's row, one kind of image after another. */
function createRow(provider: string, { unseen, unknown }: { readonly unseen: number; readonly unknown: number }) {
  const there = createTally()
  const spent = createTally()
  const leftOut = new Map<string, number>()
  let images = 0
  let notPriced = 0

  const leaveOut = (reason: string, count: number): void => void leftOut.set(reason, (leftOut.get(reason) ?? 0) + count)

  return {
    add(shape: Shape, offer: Offer | undefined): void {
      const elsewhere = shape.provider === provider ? { amount: shape.spent.total() } : priceElsewhere(offer, shape)
      if ('reason' in elsewhere) {
        leaveOut(elsewhere.reason, shape.images)
        notPriced += shape.images
        return
      }
      there.add(elsewhere.amount)
      spent.add(shape.spent.total())
      images += shape.images
    },
    result(): WhatIf {
      const isFull = images > 0 && notPriced === 0
      if (unseen > 0) leaveOut('images of several sizes in one task', unseen)
      if (unknown > 0) leaveOut('their own cost is not known', unknown)
      return {
        provider,
        amount: images > 0 ? there.total() : null,
        spent: spent.total(),
        vs_spent: images > 0 ? percentAbove(there.total(), spent.total(), 1) : null,
        images,
        not_priced: notPriced + unseen,
        cost_unknown: unknown,
        full_coverage: isFull,
        rank: null,
        vs_cheapest: null,
        leaves_out: [...leftOut].map(([reason, count]) => ({ images: count, reason })),
      }
    },
  }
}

/** What images of one kind would cost at an offer, or why that cannot be said. */
function priceElsewhere(offer: Offer | undefined, { model, made, images }: Shape): { readonly amount: Usd } | { readonly reason: string } {
  if (!offer) return { reason: `${model} is not sold there` }
  const { price: rule, limits } = offer
  if (rule === null) return { reason: `${model} has no published price there` }
  if (made.references.length > limits.reference_images.max)
    return { reason: `${model} takes at most ${limits.reference_images.max} reference images there` }
  const size = limits.size.kind === 'tier' ? nearestTier(made, limits.size).size : nearestSize(made, limits.size)
  if (size === null) return { reason: `${model} is made in no size there` }
  if (!isNearSize(made, size, limits.size))
    return { reason: `${made.width}×${made.height} of ${model} is made as ${Math.round(size.width)}×${Math.round(size.height)} there` }
  const references = made.references.filter((reference) => reference !== null)
  if (dependsOnReferences(rule) && references.length < made.references.length)
    return { reason: 'the size of a reference image was never seen' }
  const tier = limits.size.kind === 'tier' ? nearestTier(made, limits.size).tier.name : undefined
  const price = priceOf(rule, { width: size.width, height: size.height, images, references, tier })
  if (price === null) return { reason: `${model} has no published price for such images there` }
  return { amount: withSurcharge(price, offer.surchargePercent).amount }
}

/** Cheapest first; what leaves images out comes after all that does not, however cheap it seems, and has no rank. */
function rank(rows: readonly WhatIf[]): readonly WhatIf[] {
  const sorted = rows.toSorted(cheapestFirst)
  const full = sorted.flatMap(({ full_coverage: isFull, amount }) => (isFull && amount !== null ? [amount] : []))
  const [least] = full
  return sorted.map((row) => {
    const { amount } = row
    if (!row.full_coverage || amount === null || least === undefined) return row
    return {
      ...row,
      rank: 1 + full.filter((other) => compareUsd(other, amount) < 0).length,
      vs_cheapest: percentAbove(amount, least, 1),
    }
  })
}

function cheapestFirst(left: WhatIf, right: WhatIf): number {
  if (left.full_coverage !== right.full_coverage) return left.full_coverage ? -1 : 1
  if (left.amount === null || right.amount === null) return Number(left.amount === null) - Number(right.amount === null)
  return compareUsd(left.amount, right.amount) || (left.provider < right.provider ? -1 : 1)
}

function cheapestOf(ranked: readonly WhatIf[]): Cheapest | null {
  const [first, second] = ranked.filter(({ rank: position }) => position !== null)
  if (!first || first.amount === null) return null
  const { provider, amount, spent, vs_spent, images } = first
  return {
    provider,
    amount,
    spent,
    saving: subtractUsd(spent, amount),
    vs_spent,
    images,
    next:
      second && second.amount !== null
        ? {
            provider: second.provider,
            amount: second.amount,
            difference: subtractUsd(second.amount, amount),
            vs_cheapest: second.vs_cheapest,
          }
        : null,
  }
}
