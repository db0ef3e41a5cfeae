import { withoutTrailing } from './trailing.ts'

/**
 * Arithmetic on money, and nothing else, so that it runs in a browser too. Outside: a decimal string of US dollars (`"0.045"`). Inside: an
 * integer of nanodollars (1e-9 USD) as a bigint. Only this module does arithmetic on money; a float never carries an amount.
 */
export type Usd = string

/** How an amount is spelled. */
export const USD_SPELLING = /^-?\d{1,12}(\.\d{1,9})?$/

/** An integer count of nanodollars. */
export type Nano = bigint

const NANO_DECIMALS = 9

export class MoneyError extends Error {}

/**
 * Reads a decimal in any spelling a vendor uses (`0.045`, `"4.5"`, `1e-7`) from its digits, without float arithmetic.
 * Digits finer than a nanodollar are rounded half up. `shift` moves the decimal point: credits that are US cents use -2.
 */
export function nanoFromDecimal(value: string | number, shift = 0): Nano {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(String(value).trim())
  if (!match) throw new MoneyError(`not a decimal amount: ${String(value).slice(0, 40)}`)
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const scale = Number(exponent) + shift + NANO_DECIMALS - fraction.length
  if (Math.abs(scale) > 60 || whole.length + fraction.length > 60) throw new MoneyError('amount out of range')
  const digits = BigInt(whole + fraction)
  const divisor = 10n ** BigInt(Math.max(0, -scale))
  const magnitude = scale >= 0 ? digits * 10n ** BigInt(scale) : (digits + divisor / 2n) / divisor
  return sign ? -magnitude : magnitude
}

/** The canonical string: no exponent, no trailing zeros, `"0"` for nothing. */
export function usdFromNano(nano: Nano): Usd {
  const known = written.get(nano)
  return known ?? remember(written, nano, writeNano(nano))
}

function writeNano(nano: Nano): Usd {
  const digits = (nano < 0n ? -nano : nano).toString().padStart(NANO_DECIMALS + 1, '0')
  const whole = digits.slice(0, -NANO_DECIMALS)
  const fraction = withoutTrailing(digits.slice(-NANO_DECIMALS), '0')
  return `${nano < 0n ? '-' : ''}${whole}${fraction ? `.${fraction}` : ''}`
}

export function nanoFromUsd(amount: Usd): Nano {
  const known = read.get(amount)
  return known ?? remember(read, amount, nanoFromDecimal(amount))
}

/** The same few amounts come again with every request, so each is converted only once. */
const MOST_REMEMBERED = 2_048
const read = new Map<Usd, Nano>()
const readShifted = new Map<string, Nano>()
const written = new Map<Nano, Usd>()

function remember<Key, Value>(memory: Map<Key, Value>, key: Key, value: Value): Value {
  if (memory.size >= MOST_REMEMBERED) memory.clear()
  memory.set(key, value)
  return value
}

/** A vendor's decimal as canonical US dollars; `shift` as in `nanoFromDecimal`. */
export function usdFromDecimal(value: string | number, shift = 0): Usd {
  if (shift === 0) return usdFromNano(nanoFromUsd(String(value)))
  const spelled = `${shift} ${value}`
  return usdFromNano(readShifted.get(spelled) ?? remember(readShifted, spelled, nanoFromDecimal(value, shift)))
}

export function sumUsd(amounts: readonly Usd[]): Usd {
  let total = 0n
  for (const amount of amounts) total += nanoFromUsd(amount)
  return usdFromNano(total)
}

/** The sum, or `null` as soon as one part is unknown: an unknown part makes the whole unknown, never smaller. */
export function sumKnownUsd(amounts: readonly (Usd | null)[]): Usd | null {
  const known = amounts.filter((amount): amount is Usd => amount !== null)
  return known.length === amounts.length ? sumUsd(known) : null
}

export function multiplyUsd(amount: Usd, quantity: number): Usd {
  if (!Number.isSafeInteger(quantity)) throw new MoneyError(`not a whole quantity: ${quantity}`)
  return usdFromNano(nanoFromUsd(amount) * BigInt(quantity))
}

export const subtractUsd = (left: Usd, right: Usd): Usd => usdFromNano(nanoFromUsd(left) - nanoFromUsd(right))

export const isZeroUsd = (amount: Usd): boolean => nanoFromUsd(amount) === 0n

/** Negative, zero or positive, as `Array.prototype.sort` wants it. */
export function compareUsd(left: Usd, right: Usd): number {
  const difference = nanoFromUsd(left) - nanoFromUsd(right)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** `part` of `whole` equal shares of an amount, rounded half away from zero to a nanodollar. */
export function shareOfUsd(amount: Usd, part: number, whole: number): Usd {
  if (!Number.isSafeInteger(part) || !Number.isSafeInteger(whole) || whole <= 0) throw new MoneyError(`no share: ${part} of ${whole}`)
  const product = nanoFromUsd(amount) * BigInt(part)
  const half = BigInt(whole) / 2n
  return usdFromNano((product < 0n ? product - half : product + half) / BigInt(whole))
}

/** So many percent of an amount, rounded half away from zero to a nanodollar. `percent` is a decimal: `"5.5"`. */
export function percentOfUsd(amount: Usd, percent: string): Usd {
  // A percentage in nano-percent: exact, as far as its own nine decimals.
  const product = nanoFromUsd(amount) * nanoFromDecimal(percent)
  const whole = 100n * 10n ** BigInt(NANO_DECIMALS)
  return usdFromNano((product < 0n ? product - whole / 2n : product + whole / 2n) / whole)
}

/** An amount for each of so many units, whose number is a decimal (`"3.008"`), rounded half up to a nanodollar. */
export function amountForUnits(unitAmount: Usd, units: string): Usd {
  const product = nanoFromUsd(unitAmount) * nanoFromDecimal(units)
  const whole = 10n ** BigInt(NANO_DECIMALS)
  return usdFromNano((product + whole / 2n) / whole)
}

/** Whether `amount` is above or below `base` by more than so many whole percent of it. Above nothing, everything is. */
export function isBeyondPercent(amount: Usd, base: Usd, percent: number): boolean {
  const baseNano = nanoFromUsd(base)
  const difference = nanoFromUsd(amount) - baseNano
  return (difference < 0n ? -difference : difference) * 100n > (baseNano < 0n ? -baseNano : baseNano) * BigInt(percent)
}

/** A sum that grows; cheaper than summing lists where there are many amounts. */
export interface UsdTally {
  add(amount: Usd): void
  total(): Usd
}

export function createTally(): UsdTally {
  let nano = 0n
  return {
    add(amount) {
      nano += nanoFromUsd(amount)
    },
    total: () => usdFromNano(nano),
  }
}

/**
 * `amount` as a signed percentage of `base` above or below it, rounded half up: `"+50%"`, with one decimal `"+50.0%"`.
 * Null where base is nothing.
 */
export function percentAbove(amount: Usd, base: Usd, decimals = 0): string | null {
  const baseNano = nanoFromUsd(base)
  if (baseNano === 0n) return null
  const scale = 10n ** BigInt(decimals)
  const difference = (nanoFromUsd(amount) - baseNano) * 100n * scale
  const magnitude = ((difference < 0n ? -difference : difference) + baseNano / 2n) / baseNano
  const fraction = decimals > 0 ? `.${(magnitude % scale).toString().padStart(decimals, '0')}` : ''
  return `${difference < 0n && magnitude > 0n ? '-' : '+'}${magnitude / scale}${fraction}%`
}

/** An amount in whole nanodollars for each of `parts`, the first ones taking what does not divide, so that they sum to the amount. */
export function shareUsd(amount: Usd, parts: number): readonly Usd[] {
  if (!Number.isSafeInteger(parts) || parts < 1) throw new MoneyError(`not a number of parts: ${parts}`)
  const nano = nanoFromUsd(amount)
  const divisor = BigInt(parts)
  const [share, rest] = [nano / divisor, nano % divisor]
  const unit = rest < 0n ? -1n : 1n
  const extra = rest * unit
  return Array.from({ length: parts }, (_, index) => usdFromNano(BigInt(index) < extra ? share + unit : share))
}

/** As a double, for graphs and alerts only: never written down, compared or added up here. */
export const usdForGraph = (amount: Usd): number => Number(amount)
