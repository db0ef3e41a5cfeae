import type { Json } from '#contract'

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

/**
 * JSON text in which `{ "$digits": "…" }` stands as a bare number of these digits, so that a seed keeps every one of them.
 * Costs nothing more than `JSON.stringify` where there is none.
 */
export function serialize(body: Json): string {
  const text = JSON.stringify(body)
  return text.includes('{"$digits":"') ? JSON.stringify(body, bareDigits) : text
}

/** TypeScript does not list it yet. */
const exact = JSON as typeof JSON & { rawJSON(text: string): unknown }

function bareDigits(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$digits' in value)) return value
  const { $digits: digits, ...others } = value
  // Leading zeros are not JSON.
  const isNumber = typeof digits === 'string' && /^-?(?:0|[1-9]\d*)$/.test(digits) && Object.keys(others).length === 0
  return isNumber ? exact.rawJSON(digits) : value
}
