import { MEGAPIXEL, multiplyUsd, roundedMegapixels, sumUsd, type Usd } from '#contract'
import type { Fields } from './fields.ts'
import type { Pixels } from './reference-pixels.ts'

/** How large a model's images are. */
export interface SizeRule {
  /** Sides are rounded down to it; 1 without it. */
  readonly step?: number
  /** What a size that follows a reference is shrunk to. */
  readonly maxPixels?: number
  /** A side that is not asked for is that of the first reference, where there is one. */
  readonly isFollowing?: boolean
  /** Without a size and a reference; 1024 x 1024 without it. */
  readonly usual?: Pixels
  /** Where the body names a shape and a resolution instead of pixels: what they come to. */
  readonly ofBody?: (body: Fields, reference: Pixels | undefined) => Pixels
}

const SQUARE: Pixels = { width: 1024, height: 1024 }
const SMALLEST_SIDE = 64

/** The size that is delivered. */
export function deliveredSize(rule: SizeRule, asked: Partial<Record<keyof Pixels, number | undefined>>, reference?: Pixels): Pixels {
  const { step = 1, usual = SQUARE } = rule
  const otherwise = rule.isFollowing && reference ? shrunk(reference, rule) : usual
  return { width: floorTo(step, asked.width ?? otherwise.width), height: floorTo(step, asked.height ?? otherwise.height) }
}

/** A reference's size, shrunk in its ratio to at most `maxPixels`. */
function shrunk({ width, height }: Pixels, { maxPixels = Number.POSITIVE_INFINITY }: SizeRule): Pixels {
  const factor = Math.min(1, Math.sqrt(maxPixels / (width * height)))
  return { width: width * factor, height: height * factor }
}

/** A side on the grid of `step`, never larger than asked but where that would be too small for any vendor. */
const floorTo = (step: number, side: number): number => Math.max(SMALLEST_SIDE, Math.floor(side / step) * step)

/** Dollars for one image: a flat amount; one for each resolution; or the first output megapixel, each further one, each of a reference. */
export type EmulatedPrice =
  | { readonly flat: Usd }
  /** By the body's word for a resolution. */
  | { readonly ofBody: (body: Fields) => Usd }
  | { readonly first: Usd; readonly extra: Usd; readonly reference: Usd }

export const perMegapixel = (first: Usd, extra: Usd, reference: Usd): EmulatedPrice => ({ first, extra, reference })

const MAX_REFERENCE_MEGAPIXELS = 4
const rounded = ({ width, height }: Pixels): number => Math.max(1, Math.ceil((width * height) / MEGAPIXEL))

/** What one image costs. Where megapixels are billed, each image's own are rounded up, and a reference counts for at most four. */
export function priceOf(price: EmulatedPrice, output: Pixels, references: readonly Pixels[], body: Fields = {}): Usd {
  if ('flat' in price) return price.flat
  if ('ofBody' in price) return price.ofBody(body)
  const referenceMegapixels = references.reduce((sum, each) => sum + Math.min(MAX_REFERENCE_MEGAPIXELS, rounded(each)), 0)
  return sumUsd([price.first, multiplyUsd(price.extra, rounded(output) - 1), multiplyUsd(price.reference, referenceMegapixels)])
}

/** The size of one image of an order, and what it costs. `asked` has the sides where the body says them; a free estimate needs no more. */
export function estimated(
  { size: rule = {}, price }: { readonly size?: SizeRule; readonly price: EmulatedPrice },
  asked: Partial<Record<keyof Pixels, number | undefined>>,
  references: readonly Pixels[],
  body: Fields,
): { readonly size: Pixels; readonly amount: Usd } {
  const size = rule.ofBody?.(body, references[0]) ?? deliveredSize(rule, asked, references[0])
  return { size, amount: priceOf(price, size, references, body) }
}

/** All of them together, with two decimals, as vendors print them. */
export const megapixelsOf = (images: readonly Pixels[]): number =>
  roundedMegapixels(images.reduce((sum, { width, height }) => sum + width * height, 0))
