import { parseUrl } from '#contract'
import type { Json } from '#contract'
import { hasBlankOrControl } from '../blank-or-control.ts'

/** One entry of FastAPI's 422 `detail`. */
export interface Issue {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
  /** Why, where FastAPI says more. */
  readonly ctx?: { readonly error: string }
}

type Fault = Pick<Issue, 'msg' | 'type'>
export type Checked = { readonly kind: 'value'; readonly value: Json } | ({ readonly kind: 'fault' } & Fault)

/** Judges one field as pydantic does in its lax mode, conversions from texts included. Pure and total. */
export type Check = (value: Json) => Checked

const accept = (value: Json): Checked => ({ kind: 'value', value })
const fault = (type: string, msg: string): Checked => ({ kind: 'fault', type, msg })

export const nullable =
  (check: Check): Check =>
  (value) =>
    value === null ? accept(null) : check(value)

export const string: Check = (value) => (typeof value === 'string' ? accept(value) : fault('string_type', 'Input should be a valid string'))

export interface Bounds {
  readonly min?: number
  readonly max?: number
  readonly step?: number
}

/** In pydantic's order: the step, then the upper bound, then the lower one. */
function bounded(value: number, { min, max, step }: Bounds): Checked {
  if (step !== undefined && value % step !== 0) return fault('multiple_of', `Input should be a multiple of ${step}`)
  if (max !== undefined && value > max) return fault('less_than_equal', `Input should be less than or equal to ${max}`)
  if (min !== undefined && value < min) return fault('greater_than_equal', `Input should be greater than or equal to ${min}`)
  return accept(value)
}

export const integer =
  (bounds: Bounds = {}): Check =>
  (value) => {
    if (typeof value === 'boolean') return bounded(value ? 1 : 0, bounds)
    if (typeof value === 'string') {
      return /^\s*[-+]?\d+(\.0*)?\s*$/.test(value)
        ? bounded(Number(value), bounds)
        : fault('int_parsing', 'Input should be a valid integer, unable to parse string as an integer')
    }
    if (typeof value !== 'number') return fault('int_type', 'Input should be a valid integer')
    return Number.isInteger(value)
      ? bounded(value, bounds)
      : fault('int_from_float', 'Input should be a valid integer, got a number with a fractional part')
  }

/** The largest seed that a request carries: 2^63 - 1. */
const MAX_SEED = 9_223_372_036_854_775_807n
/** BFL's word for "any seed". */
export const RANDOM_SEED = -1

/** An integer of any length, as a number or as its digits: a number while a double holds it to the last digit, else its digits. */
export const seed: Check = (value) => {
  const digits = typeof value === 'string' ? /^\s*\+?(-?\d{1,40})(\.0*)?\s*$/.exec(value)?.[1] : undefined
  if (digits === undefined) return integer({ min: RANDOM_SEED, max: Number.MAX_SAFE_INTEGER })(value)
  const exact = BigInt(digits)
  if (exact > MAX_SEED) return fault('less_than_equal', `Input should be less than or equal to ${MAX_SEED}`)
  if (exact < RANDOM_SEED) return fault('greater_than_equal', `Input should be greater than or equal to ${RANDOM_SEED}`)
  return accept(exact <= Number.MAX_SAFE_INTEGER ? Number(exact) : String(exact))
}

export const number =
  (bounds: Bounds = {}): Check =>
  (value) => {
    if (typeof value === 'boolean') return bounded(value ? 1 : 0, bounds)
    if (typeof value === 'string') {
      return value.trim() !== '' && Number.isFinite(Number(value))
        ? bounded(Number(value), bounds)
        : fault('float_parsing', 'Input should be a valid number, unable to parse string as a number')
    }
    return typeof value === 'number' ? bounded(value, bounds) : fault('float_type', 'Input should be a valid number')
  }

const YES: ReadonlySet<Json> = new Set(['1', 't', 'true', 'y', 'yes', 'on', 1])
const NO: ReadonlySet<Json> = new Set(['0', 'f', 'false', 'n', 'no', 'off', 0])

export const boolean: Check = (value) => {
  if (typeof value === 'boolean') return accept(value)
  const said = typeof value === 'string' ? value.toLowerCase() : value
  if (YES.has(said)) return accept(true)
  if (NO.has(said)) return accept(false)
  return typeof value === 'string' || typeof value === 'number'
    ? fault('bool_parsing', 'Input should be a valid boolean, unable to interpret input')
    : fault('bool_type', 'Input should be a valid boolean')
}

export const oneOf =
  (values: readonly string[]): Check =>
  (value) => {
    if (typeof value === 'string' && values.includes(value)) return accept(value)
    const shown = values.map((each) => `'${each}'`)
    return fault('enum', `Input should be ${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`)
  }

/** One value, or a list of up to so many, as a list. */
export const listOf =
  (check: Check, most: number): Check =>
  (value) => {
    const list: readonly Json[] = Array.isArray(value) ? value : [value]
    if (list.length > most) return fault('too_long', `List should have at most ${most} items after validation, not ${list.length}`)
    const wrong = list.map((entry) => check(entry)).find((checked) => checked.kind === 'fault')
    return wrong ?? accept([...list])
  }

/** A shape between 21:9 and 9:21. */
export const ratio: Check = (value) => {
  if (typeof value !== 'string') return string(value)
  const [, across = '0', down = '0'] = /^([1-9]\d{0,3}):([1-9]\d{0,3})$/.exec(value) ?? []
  const shape = Number(across) / Number(down)
  return shape >= 9 / 21 && shape <= 21 / 9 ? accept(value) : fault('value_error', 'Value error, it is a ratio between 21:9 and 9:21')
}

const MAX_URL_CHARS = 2083

export const webUrl: Check = (value) => {
  if (typeof value !== 'string') return fault('url_type', 'URL input should be a string or URL')
  if (value.length > MAX_URL_CHARS) return fault('url_too_long', `URL should have at most ${MAX_URL_CHARS} characters`)
  if (hasBlankOrControl(value)) return fault('url_parsing', 'Input should be a valid URL, it has white space or a control character')
  const parsed = parseUrl(value)
  if (parsed === null)
    return fault('url_parsing', `Input should be a valid URL, ${value === '' ? 'input is empty' : 'it cannot be parsed'}`)
  return parsed.protocol === 'http:' || parsed.protocol === 'https:'
    ? accept(value)
    : fault('url_scheme', "URL scheme should be 'http' or 'https'")
}

/** Ours: BFL names none, and receivers take few headers that are longer. */
export const MOST_HEADER_CHARS = 1_024

/** A text that an HTTP header can carry. */
export const headerText: Check = (value) => {
  if (typeof value !== 'string') return string(value)
  if (value.length > MOST_HEADER_CHARS) return fault('string_too_long', `String should have at most ${MOST_HEADER_CHARS} characters`)
  return /^[\x20-\x7e]*$/.test(value) && value.trim() === value
    ? accept(value)
    : fault('value_error', 'Value error, it is sent in a header: use printable ASCII without spaces at either end')
}
