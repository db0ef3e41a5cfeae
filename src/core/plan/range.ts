import type { Range } from '#contract'

/** A step like 0.1 is not exact in binary; values this near to a multiple of the step are on it. */
const TOLERANCE = 1e-9

/** Legal values are the multiples of `step` (counted from 0, as vendors write "multiple of 16") from `min` to `max`; without a step every value is. */
export function isInRange(value: number, range: Range): boolean {
  if (value < range.min || value > range.max) return false
  if (range.step === undefined) return true
  const multiples = value / range.step
  return Math.abs(multiples - Math.round(multiples)) < TOLERANCE
}

/** The smallest legal value. Greater than `highest` where the range holds no legal value at all. */
export const lowest = (range: Range): number => stepUp(range.min, range.step)

/** The greatest legal value. */
export const highest = (range: Range): number => stepDown(range.max, range.step)

/** The legal value nearest to `value`; of two equally near ones the greater. */
export const nearestIn = (range: Range, value: number): number =>
  clamp(range.step === undefined ? value : multiple(Math.round(value / range.step), range.step), lowest(range), highest(range))

/** The greatest legal value not above `value`, or null where every legal value is above it. */
export function greatestNotAbove(range: Range, value: number): number | null {
  const candidate = Math.min(stepDown(value, range.step), highest(range))
  return candidate >= lowest(range) ? candidate : null
}

/** The legal values on both sides of `value`: two, or one where it is legal itself or outside. */
export function neighbours(range: Range, value: number, fallbackStep: number): readonly number[] {
  const step = range.step ?? fallbackStep
  const below = clamp(stepDown(value, step), lowest(range), highest(range))
  const above = clamp(stepUp(value, step), lowest(range), highest(range))
  return below === above ? [below] : [below, above]
}

/** `"256 to 2048 in steps of 16"` */
export const describeRange = (range: Range): string =>
  `${range.min} to ${range.max}${range.step === undefined ? '' : ` in steps of ${range.step}`}`

export const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

const multiple = (count: number, step: number): number => Number((count * step).toFixed(6))
const stepDown = (value: number, step: number | undefined): number =>
  step === undefined ? value : multiple(Math.floor(value / step + TOLERANCE), step)
const stepUp = (value: number, step: number | undefined): number =>
  step === undefined ? value : multiple(Math.ceil(value / step - TOLERANCE), step)
