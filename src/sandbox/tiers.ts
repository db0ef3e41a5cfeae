import type { Usd } from '#contract'
import { fields, oneOf, text, type Check, type Checks, type Fields } from './fields.ts'
import type { Pixels } from './reference-pixels.ts'
import type { SizeRule } from './size-and-price.ts'
import type { EmulatedModel } from './wire.ts'

/** A model whose body names a shape and a resolution instead of pixels, in a closed schema. */
export interface TieredModel {
  /** Of `aspect_ratio`; the first one acts without it. `auto` is the shape of the first reference, else 1:1. */
  readonly ratios: readonly string[]
  /** Of `resolution`, by name: the side of a square, and the price of an image. The first one acts without it. */
  readonly tiers: Readonly<Record<string, readonly [side: number, price: Usd]>>
  /** The fields beside these and the prompt. */
  readonly own: Checks
}

const GRID = 16
const onGrid = (length: number): number => Math.max(GRID, Math.round(length / GRID) * GRID)

const wordIn = (body: Fields, name: string): string | undefined => {
  const value = body[name]
  return typeof value === 'string' ? value : undefined
}

export function tieredModel(model: TieredModel): EmulatedModel {
  const { ratios, tiers, own } = model
  const [usualTier = ''] = Object.keys(tiers)
  const tierOf = (body: Fields) => tiers[wordIn(body, 'resolution') ?? usualTier] ?? [0, '0']
  const schema: Check = fields(
    { prompt: text(1), aspect_ratio: oneOf(...ratios), resolution: oneOf(...Object.keys(tiers)), ...own },
    { required: ['prompt'] },
  )
  const usual = ratios[0] ?? '1:1'
  return {
    schema,
    size: { ofBody: (body, reference) => sizeIn(body, tierOf(body)[0], usual, reference) },
    price: { ofBody: (body) => tierOf(body)[1] },
  }
}

/**
 * The size where the body names a shape, and the resolution is always the same.
 * @param side of a square
 * @param usual the shape that acts where the body names none
 */
export const shaped = (side: number, usual: string): SizeRule => ({ ofBody: (body, reference) => sizeIn(body, side, usual, reference) })

function sizeIn(body: Fields, side: number, usual: string, reference: Pixels | undefined): Pixels {
  const asked = wordIn(body, 'aspect_ratio') ?? usual
  const following = reference ? [reference.width, reference.height] : [1, 1]
  const [across = 1, down = 1] = asked === 'auto' ? following : asked.split(':').map(Number)
  return withinTier({ width: onGrid(side * Math.sqrt(across / down)), height: onGrid(side * Math.sqrt(down / across)) }, side * side)
}

/** What is sold as so many pixels has no more of them: a begun megapixel may be billed as a whole one. */
function withinTier({ width, height }: Pixels, most: number): Pixels {
  if (width * height <= most) return { width, height }
  return width > height ? withinTier({ width: width - GRID, height }, most) : withinTier({ width, height: height - GRID }, most)
}
