import type { z } from 'zod'
import { issueInWords, objectionsOf } from '#contract'
import type { ConfigDocument } from './document.ts'
import { suggest, type ConfigProblem } from './problem.ts'
import { ConfigFile } from './schema.ts'

const IN_WORDS = { error: issueInWords }

export interface ValidatedFile {
  /** What is right in shape, so that its meaning can be judged too. */
  readonly file: ConfigFile
  readonly problems: readonly ConfigProblem[]
}

/** Judges the file's shape; every problem is reported, with its line and column. */
export function validateFile(document: ConfigDocument): ValidatedFile {
  const data = document.data ?? {}
  const first = ConfigFile.safeParse(data, IN_WORDS)
  if (first.success) return { file: first.data, problems: [] }
  const converted = first.error.issues.reduce((converted, issue) => convertVariable(data, issue, document) || converted, false)
  const parsed = converted ? ConfigFile.safeParse(data, IN_WORDS) : first
  if (parsed.success) return { file: parsed.data, problems: [] }
  return { file: soundPart(data), problems: parsed.error.issues.flatMap((issue) => describe(issue, document)) }
}

/** A faulty field leaves its entry without something it needs, and so on up to its section. */
const MOST_ROUNDS = 6

/** The file without what is wrong in it: an unknown key alone, a wrong value with its key, the whole entry where something is missing. */
function soundPart(data: unknown): ConfigFile {
  const rest = structuredClone(data)
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const parsed = ConfigFile.safeParse(rest)
    if (parsed.success) return parsed.data
    for (const path of parsed.error.issues.flatMap(faultyPaths(rest))) removeAt(rest, path)
  }
  return {}
}

const faultyPaths =
  (data: unknown) =>
  (issue: z.core.$ZodIssue): readonly (readonly PropertyKey[])[] => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...issue.path, key])
    const path = valueAt(data, issue.path) === undefined ? issue.path.slice(0, -1) : issue.path
    // The rest of a list keeps its positions only as a whole.
    const list = path.findIndex((name) => typeof name === 'number')
    return [list === -1 ? path : path.slice(0, list)]
  }

function removeAt(data: unknown, path: readonly PropertyKey[]): void {
  const parent = valueAt(data, path.slice(0, -1))
  const name = path.at(-1)
  if (typeof parent === 'object' && parent !== null && name !== undefined) delete (parent as Record<PropertyKey, unknown>)[name]
}

/** A variable's text becomes the number or boolean its key asks for: `port: "${PORT}"`. */
function convertVariable(data: unknown, issue: z.core.$ZodIssue, document: ConfigDocument): boolean {
  if (issue.code !== 'invalid_type' || document.variables(issue.path).length === 0) return false
  const parent = valueAt(data, issue.path.slice(0, -1)) as Record<PropertyKey, unknown>
  const name = issue.path.at(-1)
  const text = name === undefined ? undefined : parent[name]
  if (name === undefined || typeof text !== 'string') return false
  const isNumber = (issue.expected === 'number' || issue.expected === 'int') && /^-?\d+(\.\d+)?$/.test(text)
  const isBoolean = issue.expected === 'boolean' && /^(true|false)$/.test(text)
  if (isNumber) parent[name] = Number(text)
  if (isBoolean) parent[name] = text === 'true'
  return isNumber || isBoolean
}

function describe(issue: z.core.$ZodIssue, document: ConfigDocument): readonly ConfigProblem[] {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(issue.path)
      return issue.keys.map((key) => document.at([...issue.path, key], 'unknown key', remedyOf(key, known), 'key'))
    }
    case 'invalid_type': {
      const value = valueAt(document.data, issue.path)
      if (value === undefined) return [document.at(issue.path, 'is required', `add it: ${typeInWords(issue.expected)}`)]
      return [document.at(issue.path, `is ${inWords(value)}`, `write ${typeInWords(issue.expected)}`)]
    }
    case 'invalid_value':
      return [document.at(issue.path, 'is not one of the known values', `write one of: ${issue.values.map(String).join(', ')}`)]
    case 'invalid_format':
    case 'invalid_union':
      return objectionsOf([issue]).map(({ path, message }) => document.at(path, 'does not have the right form', formInWords(message)))
    case 'too_small':
    case 'too_big':
    case 'not_multiple_of':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return objectionsOf([issue]).map(({ path, message }) => document.at(path, 'is refused', message))
  }
}

/** `api_key:value` is one name in YAML, and the value may be a secret. */
function remedyOf(key: string, known: readonly string[]): string {
  const name = key.replace(/[:=].*$/s, '')
  return name !== key && known.includes(name) ? `write a space behind the colon: "${name}: …"` : suggest(name, known)
}

const formInWords = (message: string): string =>
  message.startsWith('must be ') ? message.replace('must be ', 'write ') : `expected: ${message}`

function typeInWords(expected: string): string {
  switch (expected) {
    case 'int':
      return 'a whole number'
    case 'object':
    case 'record':
      return 'a mapping of keys'
    case 'array':
      return 'a list'
    case 'boolean':
      return 'true or false'
    case 'string':
      return 'text in quotes'
    default:
      return `a ${expected}`
  }
}

function inWords(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? 'text' : `the ${typeof value} ${JSON.stringify(value)}`
}

function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  let value = data
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<PropertyKey, unknown>)[name]
  }
  return value
}

/** The keys a mapping at this path may have, read from the schema. */
function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = ConfigFile
  for (const name of path) schema = child(unwrap(schema), name)
  return Object.keys(shapeOf(unwrap(schema)) ?? {})
}

interface SchemaNode {
  readonly def?: { readonly innerType?: unknown; readonly valueType?: unknown; readonly element?: unknown }
  readonly shape?: Readonly<Record<string, unknown>>
}

const shapeOf = (schema: unknown): Readonly<Record<string, unknown>> | undefined => (schema as SchemaNode | undefined)?.shape

function unwrap(schema: unknown): unknown {
  const inner = (schema as SchemaNode | undefined)?.def?.innerType
  return inner === undefined ? schema : unwrap(inner)
}

function child(schema: unknown, name: PropertyKey): unknown {
  return (
    shapeOf(schema)?.[String(name)] ??
    (schema as SchemaNode | undefined)?.def?.valueType ??
    (schema as SchemaNode | undefined)?.def?.element
  )
}
