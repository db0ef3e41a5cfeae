import type { Json } from '#contract'

/**
 * The digits of a whole number that is not negative, such as a seed, all of them; undefined for anything else. A number beyond 2^53
 * arrives as its digits unless a double prints it as it was written, so what a number prints is what the vendor wrote.
 */
export function digitsOf(value: Json | undefined): string | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value < 1e21 ? String(Math.abs(value)) : undefined
  return typeof value === 'string' && /^\d{1,40}$/.test(value) ? value : undefined
}
