import { isAlias, isCollection, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, Node, Pair, Scalar, YAMLError, YAMLMap, YAMLSeq } from 'yaml'
import type { Variables } from './environment.ts'
import type { ConfigProblem } from './problem.ts'

type Path = readonly PropertyKey[]

/** A configuration file as data, with the line and column of every key. */
export interface ConfigDocument {
  /** Plain data with every `${NAME}` replaced; null for an empty file. */
  readonly data: unknown
  /** A problem at a key's value, or at the key itself (an unknown one). */
  at(path: Path, message: string, remedy: string | null, where?: 'key' | 'value'): ConfigProblem
  /** The names or positions in a section as written, whether its shape is right or not. */
  names(section: string): readonly string[]
  /** The variables that the value at the path came out of; such a value is always text. Empty where it is written out. */
  variables(path: Path): readonly string[]
}

export type ReadDocument = { readonly document: ConfigDocument; readonly problems: readonly ConfigProblem[] }

/**
 * For these keys an unset variable is an absent value, not an error: without an API key a provider is disabled, and says why; without a proxy
 * the way out is direct.
 */
function mayBeUnset([section, name, key, ...rest]: Path): boolean {
  if (section === 'providers') return key === 'api_key' && rest.length === 0
  return section === 'network' && (name === 'proxy' || name === 'no_proxy') && key === undefined
}

/** Parses YAML text. `${NAME}` and `${NAME:-default}` read variables; `$${` writes a literal `${`. */
export function readDocument(file: string, text: string, environment: Variables): ReadDocument {
  const lineCounter = new LineCounter()
  const yaml = parseDocument(text, { lineCounter, prettyErrors: false })
  const position = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset)
    return { file, line, column: col }
  }
  const problems: ConfigProblem[] = faultsOf(yaml).map((error) => ({
    ...position(error.pos[0]),
    path: '',
    ...yamlProblem(error, text, lineCounter),
  }))
  const variablesAt = new Map<string, readonly string[]>()
  const variables = (path: Path): readonly string[] => variablesAt.get(JSON.stringify(path)) ?? []
  const at: ConfigDocument['at'] = (path, message, remedy, where = 'value') => {
    const names = where === 'value' ? variables(path) : []
    const origin = names.length === 0 ? '' : ` (it comes from ${names.map((name) => `\${${name}}`).join(' and ')})`
    return { ...position(offsetOf(yaml, path, where)), path: path.map(nameOnly).join('.'), message: `${message}${origin}`, remedy }
  }
  if (yaml.errors.length > 0) return { document: { data: null, at, names: () => [], variables: () => [] }, problems }

  // Asked for each, the document would be gone through anew.
  const anchored = new Map<string, Node>()
  const see = (node: Scalar | YAMLMap | YAMLSeq): void => {
    if (node.anchor !== undefined) anchored.set(node.anchor, node)
  }
  let aliases = 0
  let isData = true
  visit(yaml, {
    Collection: (_key, node) => see(node),
    Pair(_key, { key }, ancestors) {
      // By a name among providers or models it would be skipped; elsewhere it is an unknown key.
      const isLost = isScalar(key) && key.value === '__proto__' && ancestors.length > TOP_LEVEL
      if (!isLost && !isCollection(isAlias(key) ? anchored.get(key.source) : key)) return
      isData = false
      problems.push({ ...position(isNode(key) ? (key.range?.[0] ?? 0) : 0), path: '', ...KEY_IS_NO_NAME })
    },
    Alias(_key, node) {
      if (++aliases > MOST_ALIASES) return visit.BREAK
      if (!anchored.has(node.source)) problems.push({ ...position(node.range?.[0] ?? 0), path: '', ...BEGINS_AS_ALIAS })
    },
    Scalar(key, node, ancestors) {
      see(node)
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return
      const path = pathOf(ancestors, key)
      const filled = fill(node.value, environment)
      for (const name of mayBeUnset(path) ? [] : filled.missing) {
        problems.push(at(path, `the environment variable ${name} is not set`, `set ${name}, or write "\${${name}:-default}"`))
      }
      node.value = filled.text
      variablesAt.set(JSON.stringify(path), filled.names)
    },
  })
  if (aliases > MOST_ALIASES) {
    isData = false
    problems.push(at([], `has more than ${MOST_ALIASES} aliases`, WRITE_OUT))
  }
  const data = isData ? toData(yaml, problems, at) : null
  const names = (section: string) => Object.keys((data as Readonly<Record<string, object | null>> | null)?.[section] ?? {})
  return { document: { data, at, names, variables }, problems }
}

/** Faults that leave the rest of the file what it is. */
const OF_ONE_VALUE: ReadonlySet<YAMLError['code']> = new Set([
  'DUPLICATE_KEY',
  'TAG_RESOLVE_FAILED',
  'BAD_SCALAR_START',
  'BAD_DQ_ESCAPE',
  'MULTIPLE_ANCHORS',
  'MULTIPLE_TAGS',
])

/** In the order of the file, up to the first behind which it is read as something else: what is found there follows from that one. */
function faultsOf(yaml: Document): readonly YAMLError[] {
  // Nested too deeply for the parser, the file has a fault for each level beside: the first says it all.
  const tooDeep = yaml.errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION')
  if (tooDeep) return [tooDeep]
  const faults = [...yaml.errors, ...yaml.warnings].toSorted((left, right) => left.pos[0] - right.pos[0])
  const broken = faults.findIndex(({ code }) => !OF_ONE_VALUE.has(code))
  return broken < 0 ? faults : faults.slice(0, broken + 1)
}

function toData(yaml: Document, problems: ConfigProblem[], at: ConfigDocument['at']): unknown {
  try {
    return yaml.toJS({ maxAliasCount: 100 })
  } catch (error) {
    // An alias without its anchor is reported where it stands.
    if (!(error instanceof ReferenceError) || problems.length === 0)
      problems.push(at([], withoutSource(error instanceof Error ? error.message : String(error)), WRITE_OUT))
    return null
  }
}

interface Filled {
  readonly text: string
  /** Of every variable in the text. */
  readonly names: readonly string[]
  readonly missing: readonly string[]
}

function fill(text: string, variables: Variables): Filled {
  const [names, missing] = [[], []] as [string[], string[]]
  const filled = text.replace(
    /\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (_, literal?: string, name = '', fallback?: string) => {
      if (literal !== undefined) return literal
      names.push(name)
      const value = variables.read(name) ?? fallback
      if (value === undefined) missing.push(name)
      return value ?? ''
    },
  )
  return { text: filled, names, missing }
}

/** People append a second block of a name that the file has already. */
function keyGivenTwice(text: string, offset: number): Pick<ConfigProblem, 'message' | 'remedy'> {
  const name = /^[^\s:="']*/.exec(text.slice(offset, offset + 100))?.[0] ?? ''
  return { message: `${name === '' ? 'a key' : `"${name}"`} is given twice`, remedy: 'put both under the first' }
}

/** Far more than anybody writes by hand; each is searched for among all. */
const MOST_ALIASES = 1_000
const WRITE_OUT = 'write the values out instead of aliases'
const QUOTE_IT = 'put the value in quotes'
const BEGINS_AS_ALIAS = { message: 'a value that begins with * is an alias in YAML, and there is no anchor of that name', remedy: QUOTE_IT }
/** The document and its map. */
const TOP_LEVEL = 2
const KEY_IS_NO_NAME = { message: 'the name of a field is a list, a mapping or __proto__', remedy: 'write a name' }
const TOO_DEEP = { message: 'the file is nested too deeply to be read', remedy: 'no setting has more than ten levels' }
const BEGINS_AS_TAG = { message: 'a value that begins with ! is a tag in YAML, and this one is not known', remedy: QUOTE_IT }

/** An opened bracket, in words; null for any other fault. */
function bracketInWords(message: string): string | null {
  const [, end] = /^Flow .+ end with a ([}\]])$/.exec(message) ?? []
  if (end !== undefined) return `a "${end === '}' ? '{' : '['}" before this is not closed: "${end}" is missing, or not indented`
  const [, kind] = /^Missing , between flow (map|sequence) items$/.exec(message) ?? []
  return kind === undefined ? null : `"," or "${kind === 'map' ? '}' : ']'}" is missing before this`
}

/** What the file says is not repeated: where it cannot be read, any part of it may be a secret. */
const withoutSource = (message: string): string => message.replace(/(: | %).*$/s, '')

/** Behind a colon without a space, or behind an equals sign, the name of a field goes on with what should have been its value: perhaps a secret. */
const nameOnly = (name: PropertyKey): string => String(name).replace(/([:=]).*$/s, '$1…')

function yamlProblem(
  { code, message, pos: [offset] }: YAMLError,
  text: string,
  lineCounter: LineCounter,
): Pick<ConfigProblem, 'message' | 'remedy'> {
  if (code === 'DUPLICATE_KEY') return keyGivenTwice(text, offset)
  if (code === 'TAG_RESOLVE_FAILED') return BEGINS_AS_TAG
  if (code === 'RESOURCE_EXHAUSTION') return TOO_DEEP
  const { line } = lineCounter.linePos(offset)
  const near = text
    .split('\n')
    .slice(Math.max(0, line - 2), line)
    .join('\n')
  return {
    message: bracketInWords(message) ?? withoutSource(message),
    remedy: /[^"'][$]\{/.test(near) ? 'quote values that contain ${…}: "${NAME}"' : null,
  }
}

const knownPairs = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>()

/** A map by its names, which are asked for once for each problem in it. */
function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  const known = knownPairs.get(map)
  if (known !== undefined) return known
  const pairs = new Map(map.items.flatMap((pair) => (isScalar(pair.key) ? [[String(pair.key.value), pair] as const] : [])))
  knownPairs.set(map, pairs)
  return pairs
}

/** Where a path's value, or its key, starts; the nearest parent that exists stands in for what is missing. */
function offsetOf(yaml: Document, path: Path, where: 'key' | 'value'): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = yaml.getIn(path.slice(0, length - 1), true)
    const container = isAlias(parent) ? parent.resolve(yaml) : parent
    const name = path[length - 1]
    if (isMap(container)) {
      const pair = pairsOf(container).get(String(name))
      const node = (where === 'key' || length < path.length ? pair?.key : (pair?.value ?? pair?.key)) as Node | null | undefined
      if (node?.range) return node.range[0]
    } else {
      const node = yaml.getIn(path.slice(0, length), true) as Node | undefined
      if (node?.range) return node.range[0]
    }
  }
  return yaml.contents?.range?.[0] ?? 0
}

function pathOf(ancestors: readonly unknown[], key: unknown): Path {
  const path: PropertyKey[] = []
  for (const [index, ancestor] of ancestors.entries()) {
    if (isPair(ancestor)) path.push(isScalar(ancestor.key) ? String(ancestor.key.value) : '?')
    else if (typeof ancestor === 'object' && ancestor !== null && 'items' in ancestor && !isMap(ancestor)) {
      const next = ancestors[index + 1]
      path.push(next === undefined ? Number(key) : (ancestor.items as readonly unknown[]).indexOf(next))
    }
  }
  return path
}
