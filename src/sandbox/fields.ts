/** What is wrong with one field of a body, or with several together. Each vendor words it in its own way; `sentenceOf` is for those that have none. */
export type Fault =
  | { readonly kind: 'missing' | 'unknown' }
  | {
      readonly kind: 'type'
      readonly expected: 'string' | 'boolean' | 'integer' | 'number' | 'object' | 'list'
      readonly isFraction: boolean
    }
  | { readonly kind: 'least' | 'most' | 'step' | 'shortest' | 'longest'; readonly bound: number }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'form'; readonly expected: string }
  | { readonly kind: 'together'; readonly words: string }

/** A fault and the names that lead to its field, the outermost first. */
export interface FieldProblem {
  readonly path: readonly string[]
  readonly fault: Fault
}

/** Judges one value; no problems where it is fine. */
export type Check = (value: unknown) => readonly FieldProblem[]
export type Checks = Readonly<Record<string, Check>>
export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

const FINE: readonly FieldProblem[] = []
const one = (fault: Fault): readonly FieldProblem[] => [{ path: [], fault }]
const wrongType = (expected: Extract<Fault, { kind: 'type' }>['expected'], isFraction = false) =>
  one({ kind: 'type', expected, isFraction })

interface NumberRule {
  readonly min?: number | bigint
  readonly max?: number | bigint
  readonly step?: number
}

function bounded(value: number | bigint, { min, max, step }: NumberRule): readonly FieldProblem[] {
  if (min !== undefined && value < min) return one({ kind: 'least', bound: Number(min) })
  if (max !== undefined && value > max) return one({ kind: 'most', bound: Number(max) })
  return step !== undefined && Number(value) % step !== 0 ? one({ kind: 'step', bound: step }) : FINE
}

export const whole =
  (rule: NumberRule = {}): Check =>
  (value) => {
    if (typeof value !== 'number' && typeof value !== 'bigint') return wrongType('integer')
    if (typeof value === 'number' && !Number.isInteger(value)) return wrongType('integer', true)
    return bounded(value, rule)
  }

export const number =
  (rule: NumberRule = {}): Check =>
  (value) =>
    typeof value === 'number' || typeof value === 'bigint' ? bounded(value, rule) : wrongType('number')

/** A string of `min` to `max` UTF-16 units. */
export const text =
  (min = 0, max = Number.POSITIVE_INFINITY): Check =>
  (value) => {
    if (typeof value !== 'string') return wrongType('string')
    if (value.length < min) return one({ kind: 'shortest', bound: min })
    return value.length > max ? one({ kind: 'longest', bound: max }) : FINE
  }

/** A string that one of the tests accepts; `expected` says in words what that is. */
export const form =
  (expected: string, test: (value: string) => boolean): Check =>
  (value) => {
    if (typeof value !== 'string') return wrongType('string')
    return test(value) ? FINE : one({ kind: 'form', expected })
  }

/** `16:9`, either way round; the longer side at most `most` times the shorter. */
export const aspectRatio = (most: number): Check =>
  form(`an aspect ratio of at most ${most.toFixed(2)}:1`, (value) => {
    const [width = 0, height = 0] = value.split(':').map(Number)
    return width > 0 && height > 0 && Math.max(width / height, height / width) <= most
  })

export const flag: Check = (value) => (typeof value === 'boolean' ? FINE : wrongType('boolean'))

export const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value) ? FINE : one({ kind: 'choice', values })

export const nullable =
  (check: Check): Check =>
  (value) =>
    value === null ? FINE : check(value)

export const list =
  (entry: Check, max = Number.POSITIVE_INFINITY, min = 0): Check =>
  (value) => {
    if (!Array.isArray(value)) return wrongType('list')
    if (value.length < min) return one({ kind: 'shortest', bound: min })
    if (value.length > max) return one({ kind: 'longest', bound: max })
    return value.flatMap((each, index) => under(String(index), entry(each)))
  }

/** The first of several checks that finds something. */
export const all =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.map((check) => check(value)).find((problems) => problems.length > 0) ?? FINE

/** The same check under each of these names. */
export const each = (names: readonly string[], check: Check): Checks => Object.fromEntries(names.map((name) => [name, check]))

/** An object with these fields. Unknown ones are a fault unless `isOpen`. */
export const fields =
  (checks: Checks, { required = [], isOpen = false, together }: FieldsRule = {}): Check =>
  (value) => {
    if (!isFields(value)) return wrongType('object')
    const missing = required
      .filter((name) => value[name] === undefined)
      .map((name): FieldProblem => ({ path: [name], fault: { kind: 'missing' } }))
    const wrong = Object.entries(value).flatMap(([name, entry]) => {
      const check = Object.hasOwn(checks, name) ? checks[name] : undefined
      if (check) return under(name, check(entry))
      return isOpen ? FINE : under(name, one({ kind: 'unknown' }))
    })
    if (missing.length > 0 || wrong.length > 0) return [...missing, ...wrong]
    const words = together?.(value) ?? null
    return words === null ? FINE : one({ kind: 'together', words })
  }

interface FieldsRule {
  readonly required?: readonly string[]
  readonly isOpen?: boolean
  /** What is wrong with several fields together, in the vendor's words; null where nothing is. Judged where each by itself is right. */
  readonly together?: (fields: Fields) => string | null
}

const under = (name: string, problems: readonly FieldProblem[]): readonly FieldProblem[] =>
  problems.map(({ path, fault }) => ({ path: [name, ...path], fault }))

export const isHttpUrl = (value: string): boolean => ['http:', 'https:'].includes(URL.parse(value)?.protocol ?? '')
export const isBase64 = (value: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/.test(value)
