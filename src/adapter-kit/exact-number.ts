import type { Json } from '#contract'

/** A whole number as a call's body holds it: a plain number while a double holds it, else its digits, which are sent without quotes. */
export function exactNumber(digits: string): Json {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : { $digits: digits }
}
