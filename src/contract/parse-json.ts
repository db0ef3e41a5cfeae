import type { Json } from './json.ts'
import { withoutTrailing } from './trailing.ts'

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

const MOST_SURE_DIGITS = 16
/** An exponent beyond a double's range; the first is a part of it that is quickly found, and that many a hash has as well. */
const MAYBE_EXPONENT = /[\d.][eE][+-]?\d{3}/
const EXPONENT = /(?:^|[:[,\s])-?\d[\d.]*[eE][+-]?\d{3}/
/** Also with escaped underscores. */
const PROTO = /__proto__|\\u005[fF]/

/** Texts that may hold what is read with care. May be wrong about strings; that costs time only. */
const needsCare = (text: string): boolean => hasLongNumber(text) || PROTO.test(text) || (MAYBE_EXPONENT.test(text) && EXPONENT.test(text))

/** Whether so many digits stand in a row; a point counts as one. Of a row that is long enough every 16th character is one of its own. */
function hasLongNumber(text: string): boolean {
  for (let at = MOST_SURE_DIGITS - 1; at < text.length; at += MOST_SURE_DIGITS) {
    if (!isDigit(text, at)) continue
    let [from, end] = [at, at + 1]
    while (isDigit(text, from - 1)) from -= 1
    while (isDigit(text, end)) end += 1
    if (end - from >= MOST_SURE_DIGITS) return true
  }
  return false
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return (code >= 0x30 && code <= 0x39) || code === 0x2e
}

/**
 * Parses JSON without losing a digit: a number that a double cannot hold to the last digit arrives as the string it was written as.
 * `__proto__` keys are dropped.
 * @throws SyntaxError where the text is not JSON, RangeError where it is nested too deeply
 */
export function parseJson(text: string): Json {
  if (!needsCare(text)) return JSON.parse(text) as Json
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
  return withoutTrailing(mantissa.replace(/[-.]/g, '').replace(/^0+/, ''), '0')
}
