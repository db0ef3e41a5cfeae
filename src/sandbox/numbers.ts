import { bareNumber } from '#contract'

/** 2^63 - 1. */
export const LARGEST_SEED = BigInt('9223372036854775807')

/** A number as Python writes a float: always with a point. */
export const float = (value: number | string | null): unknown =>
  value === null ? null : bareNumber(/[.e]/.test(String(value)) ? String(value) : `${value}.0`)

/** JSON whose whole numbers beyond 2^53 come as bigint, so that a seed keeps its digits. @throws SyntaxError */
export function parseExactJson(text: string): unknown {
  const exact = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? '0')
      : value
  return JSON.parse(text, exact)
}

/** The digits of a whole number that came in a body; undefined where it is none. */
export const digitsOf = (value: unknown): string | undefined =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)) ? BigInt(value).toString() : undefined
