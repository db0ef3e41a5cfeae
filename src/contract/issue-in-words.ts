import type { z } from 'zod'
import { insteadOf } from './foreign-fields.ts'
import { nearest } from './nearest.ts'

/** One thing that is wrong with data: the field, dotted, and the rest of a sentence about it ("is missing"). */
export interface Objection {
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly kind: 'missing' | 'unknown' | 'wrong'
}

type Judged<Output> =
  | { readonly kind: 'right'; readonly value: Output }
  | { readonly kind: 'wrong'; readonly objections: readonly Objection[] }

/** Judges data that somebody wrote; what is wrong comes in words, an unknown field under its own path and with the nearest right name. */
export function judge<Schema extends z.ZodType>(schema: Schema, data: unknown): Judged<z.output<Schema>> {
  const parsed = schema.safeParse(data, { error: issueInWords })
  return parsed.success ? { kind: 'right', value: parsed.data } : { kind: 'wrong', objections: objectionsOf(parsed.error.issues) }
}

/** "prompt is missing"; a path that is empty is the whole. */
export function sentenceOf({ path, message }: Pick<Objection, 'message'> & { readonly path: string }, whole = 'the body'): string {
  const subject = path === '' ? whole : path
  return /^(?:is|has|have|must|holds?|goes|go|may|cannot|does|names|needs) /.test(message)
    ? `${subject} ${message}`
    : `${subject}: ${message}`
}

const MOST_CHARS = 100
const short = (text: string): string => (text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS)}…` : text)
const quoted = (value: unknown): string => short(JSON.stringify(value) ?? String(value))

/** The names an object takes, by the list of those it does not take: zod hands out the list, not the schema. */
const knownNames = new WeakMap<readonly string[], readonly string[]>()

/** What was written instead of one of a few texts, by the path to it: zod hands out the path, not the text. */
const writtenValues = new WeakMap<readonly PropertyKey[], string>()

const MISSING = 'is missing'
/** Replaced by what is wrong in the form that was meant. */
const NO_FORM = 'does not have one of the forms that are taken'

/** For `safeParse(data, { error: issueInWords })`: what zod would say in its own words, as the rest of a sentence about the field. */
export function issueInWords(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? MISSING : `must be ${typeInWords(issue)}, not ${kindOf(issue.input)}`
    case 'invalid_value':
      if (issue.input === undefined) return MISSING
      if (typeof issue.input === 'string' && issue.path !== undefined) writtenValues.set(issue.path, issue.input)
      return oneOf(issue.values)
    case 'too_small':
    case 'too_big':
      return boundInWords(issue)
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'invalid_format':
      return formatInWords(issue)
    case 'unrecognized_keys':
      knownNames.set(issue.keys, Object.keys((issue.inst as Partial<z.ZodObject> | undefined)?.shape ?? {}))
      return 'is an unknown field'
    case 'invalid_union':
      return issue.input === undefined ? MISSING : NO_FORM
    case 'invalid_key':
      return 'has a name that is not taken here'
    default:
      return 'is refused'
  }
}

/** So many are put into words: nobody reads more, and the nearest name of each takes its time. */
const MOST_OBJECTIONS = 50

/** Issues whose messages are those of `issueInWords`, each about one field; the first fifty. */
export function objectionsOf(issues: readonly z.core.$ZodIssue[], above: readonly PropertyKey[] = []): readonly Objection[] {
  const objections: Objection[] = []
  for (const issue of issues) {
    if (objections.length >= MOST_OBJECTIONS) break
    objections.push(...objectionsOfOne(issue, [...above, ...issue.path]))
  }
  return objections.slice(0, MOST_OBJECTIONS)
}

function objectionsOfOne(issue: z.core.$ZodIssue, path: readonly PropertyKey[]): readonly Objection[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, MOST_OBJECTIONS).map((name) => ({
        path: [...path, name],
        message: unknownField(name, knownNames.get(issue.keys) ?? []),
        kind: 'unknown',
      }))
    case 'invalid_union':
      return issue.message === NO_FORM ? ofUnion(issue.errors, path) : [wrong(path, issue.message)]
    case 'invalid_value':
      return [wrong(path, `${issue.message}${nearestOf(issue)}`)]
    case 'invalid_key':
      return [wrong(path, `has a name that ${issue.issues[0]?.message ?? 'is not taken here'}`)]
    default:
      return [wrong(path, issue.message)]
  }
}

const wrong = (path: readonly PropertyKey[], message: string): Objection => ({
  path,
  message,
  kind: message === MISSING ? 'missing' : 'wrong',
})

function unknownField(name: string, known: readonly string[]): string {
  const instead = insteadOf(name, known)
  if (instead !== null) return `is an unknown field; ${instead}`
  const near = nearest(name.slice(0, MOST_CHARS), known)
  return near === null ? 'is an unknown field; remove it' : `is an unknown field; did you mean ${quoted(near)}?`
}

/** What is wrong in the one form whose type is right; where that is none, or several, the forms that there are. */
function ofUnion(forms: readonly (readonly z.core.$ZodIssue[])[], path: readonly PropertyKey[]): readonly Objection[] {
  const isOtherType = ({ code, path: below }: z.core.$ZodIssue) =>
    (code === 'invalid_type' || code === 'invalid_value') && below.length === 0
  const meant = forms.filter((issues) => issues.length > 0 && !issues.some(isOtherType))
  const [form] = meant
  if (form && meant.length === 1) return objectionsOf(form, path)
  const wanted = (meant.length > 0 ? meant : forms).flatMap(([first]) => (first ? objectionsOf([first]) : []))
  const words = [...new Set(wanted.map(({ message }) => withoutContrast(message).replace(/^must be /, '')))]
  return [wrong(path, words.length === 0 ? NO_FORM : `must be ${listed(words)}`)]
}

/** "must be a list, not a number" without its end. */
function withoutContrast(message: string): string {
  const at = message.lastIndexOf(', not ')
  return at < 0 || message.includes(',', at + 1) ? message : message.slice(0, at)
}

const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

const choices = new WeakMap<readonly unknown[], string>()

/** Thousands of entries of one list may be wrong in the same way. */
function oneOf(values: readonly unknown[]): string {
  const words = choices.get(values) ?? `must be ${listed(values.map(quoted))}`
  choices.set(values, words)
  return words
}

/** What was meant, as the end of a sentence; only of objections that are read. */
function nearestOf({ values, path }: z.core.$ZodIssueInvalidValue): string {
  const written = writtenValues.get(path)
  const known = values.filter((value) => typeof value === 'string')
  const near = written === undefined ? null : nearest(short(written), known)
  return near === null ? '' : `; did you mean ${quoted(near)}?`
}

function typeInWords({ expected, inst }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidType>): string {
  switch (expected) {
    case 'int':
      return 'a whole number'
    case 'number':
      return (inst as Partial<z.ZodNumber> | undefined)?.isInt ? 'a whole number' : 'a number'
    case 'boolean':
      return 'true or false'
    case 'array':
      return 'a list'
    case 'object':
    case 'record':
      return 'an object'
    case 'null':
      return 'null'
    default:
      return `a ${expected}`
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'object':
      return 'an object'
    case 'string':
      return 'a string'
    default:
      return quoted(value)
  }
}

type Bound = z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall> | z.core.$ZodRawIssue<z.core.$ZodIssueTooBig>

function boundInWords(issue: Bound): string {
  const { minValue, maxValue } = ((issue as { readonly schema?: unknown }).schema ?? {}) as Partial<z.ZodNumber>
  const limit = issue.code === 'too_small' ? issue.minimum : issue.maximum
  switch (issue.origin) {
    case 'string':
      return issue.code === 'too_small' && Number(limit) === 1 ? 'is empty' : `must have ${atMost(issue, limit)} characters`
    case 'array':
    case 'set':
    case 'map':
      return issue.code === 'too_small' && Number(limit) === 1 ? 'is an empty list' : `must have ${atMost(issue, limit)} entries`
    default:
      return issue.inclusive && Number.isFinite(minValue ?? Infinity) && Number.isFinite(maxValue ?? Infinity)
        ? `must be from ${minValue} to ${maxValue}`
        : `must be ${issue.inclusive ? atMost(issue, limit) : `${issue.code === 'too_small' ? 'more' : 'less'} than ${limit}`}`
  }
}

const atMost = ({ code }: Bound, limit: number | bigint): string => `at ${code === 'too_small' ? 'least' : 'most'} ${limit}`

function formatInWords({ format, pattern }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidStringFormat>): string {
  switch (format) {
    case 'url':
      return 'must be a whole http(s) URL'
    case 'date':
      return 'must be a day like 2026-11-21'
    case 'datetime':
      return 'must be an instant like 2026-11-21T10:00:00Z'
    default:
      return typeof pattern === 'string' ? `must have the form ${pattern}` : 'does not have the right form'
  }
}
