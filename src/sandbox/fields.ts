/** What is wrong with one field of a body. Each vendor words it in its own way; `sentenceOf` is for those that have none. */
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

/** A fault and the names that lead to its field, the outermost first. */
export interface FieldProblem {
  readonly path: readonly string[]
  readonly fault: Fault
}

/** Judges one value; no problems where it is fine. */
export type Check = (value: unknown) => readonly FieldProblem[]
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

/** An object with these fields. Unknown ones are a fault unless `isOpen`. */
export const fields =
  (checks: Readonly<Record<string, Check>>, { required = [], isOpen = false }: FieldsRule = {}): Check =>
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
    return [...missing, ...wrong]
  }

interface FieldsRule {
  readonly required?: readonly string[]
  readonly isOpen?: boolean
}

const under = (name: string, problems: readonly FieldProblem[]): readonly FieldProblem[] =>
  problems.map(({ path, fault }) => ({ path: [name, ...path], fault }))

export const isHttpUrl = (value: string): boolean => ['http:', 'https:'].includes(URL.parse(value)?.protocol ?? '')
export const isBase64 = (value: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/.test(value)

/** A fault in words that follow the field's name: `must be at least 64`. */
export function sentenceOf(fault: Fault): string {
  switch (fault.kind) {
    case 'missing':
      return 'is required'
    case 'unknown':
      return 'is not a known parameter'
    case 'type':
      return `must be ${/^[aeio]/.test(fault.expected) ? 'an' : 'a'} ${fault.expected}`
    case 'least':
      return `must be at least ${fault.bound}`
    case 'most':
      return `must be at most ${fault.bound}`
    case 'step':
      return `must be a multiple of ${fault.bound}`
    case 'shortest':
      return `must have at least ${fault.bound} entries or characters`
    case 'longest':
      return `must have at most ${fault.bound} entries or characters`
    case 'choice':
      return `must be one of ${fault.values.join(', ')}`
    case 'form':
      return `must be ${fault.expected}`
  }
}
