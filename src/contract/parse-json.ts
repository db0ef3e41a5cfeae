import type { Json } from './json.ts'

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/**
 * Finds texts that may hold a number of 16 or more significant digits, an exponent beyond a double's range, or a `__proto__` key
 * (also one with escaped underscores). May be wrong about strings; that costs time only.
 */
const NEEDS_CARE = /[\d.]{16}|(?:^|[:[,\s])-?\d[\d.]*e[+-]?\d{3}|__proto__|\\u005f/i

/**
 * Parses JSON without losing a digit: a number that a double cannot hold to the last digit arrives as the string it was written as.
 * `__proto__` keys are dropped.
 * @throws SyntaxError where the text is not JSON, RangeError where it is nested too deeply
 */
export function parseJson(text: string): Json {
  if (!NEEDS_CARE.test(text)) return JSON.parse(text) as Json
  return JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown) as Json
}

const keepDigits: Reviver = (key, value, context) => {
  if (key === '__proto__') return undefined
  if (typeof value !== 'number' || context.source === undefined) return value
  return significantDigits(String(value)) === significantDigits(context.source) ? value : context.source
}

/** The digits that carry a number's precision, and nothing of its sign, point, exponent or padding: `-0.0120e5` → `12`. */
function significantDigits(number: string): string {
  const [mantissa = ''] = number.split(/e/i)
  return mantissa.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '')
}
