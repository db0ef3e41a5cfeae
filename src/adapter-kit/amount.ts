import { compareUsd, GREATEST_USD, USD_SPELLING, usdFromDecimal } from '#contract'
import type { Json, Usd, VendorCost } from '#contract'

/** A vendor's decimal as dollars, negative ones too; null where it is no amount. `shift` moves the point: credits that are US cents use -2. */
export function usdOf(value: Json | undefined, shift = 0): Usd | null {
  if (typeof value !== 'number' && typeof value !== 'string') return null
  try {
    const amount = usdFromDecimal(value, shift)
    return USD_SPELLING.test(amount) ? amount : null
  } catch {
    return null
  }
}

/** As `usdOf`, but what is too large to be written is the greatest amount: no bill of that is believed, and none counts as no bill. */
function chargedOf(value: Json | undefined, shift = 0): Usd | null {
  const amount = usdOf(value, shift)
  if (amount !== null || (typeof value !== 'number' && typeof value !== 'string')) return amount
  const isDecimal = /^\d+(\.\d+)?(e\+?\d+)?$|^Infinity$/i.test(String(value).trim())
  return isDecimal && Number(value) > Number(GREATEST_USD) ? GREATEST_USD : null
}

/** What the vendor says it charged, zero included; undefined where it says no amount, or one below zero. `raw` is `value` unless given. */
export function costOf(
  value: Json | undefined,
  { shift = 0, raw = value ?? null }: { readonly shift?: number; readonly raw?: Json } = {},
): Extract<VendorCost, { amount: Usd }> | undefined {
  const amount = chargedOf(value, shift)
  return amount === null || amount.startsWith('-') ? undefined : { amount, raw }
}

/** Whether a vendor's cost is more than nothing. */
export function isCharge(cost: VendorCost): boolean {
  if ('tokens' in cost) return Object.values(cost.tokens).some((count) => count > 0)
  return 'amount' in cost ? compareUsd(cost.amount, '0') !== 0 : cost.units !== '0'
}
