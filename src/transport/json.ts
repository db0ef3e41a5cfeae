import { bareNumber, type Json } from '#contract'

export { parseJson } from '#contract'

/**
 * JSON text in which `{ "$digits": "…" }` stands as a bare number of these digits, so that a seed keeps every one of them.
 * Costs nothing more than `JSON.stringify` where there is none.
 */
export function serialize(body: Json): string {
  const text = JSON.stringify(body)
  return text.includes('{"$digits":"') ? JSON.stringify(body, bareDigits) : text
}

function bareDigits(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$digits' in value)) return value
  const { $digits: digits, ...others } = value
  // Leading zeros are not JSON.
  const isNumber = typeof digits === 'string' && /^-?(?:0|[1-9]\d*)$/.test(digits) && Object.keys(others).length === 0
  return isNumber ? bareNumber(digits) : value
}
