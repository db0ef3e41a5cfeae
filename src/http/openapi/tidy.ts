import type { Examples } from './examples.ts'

type Node = Record<string, unknown>
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value)

const REFERENCE = '#/components/schemas/'
const nameOf = (reference: unknown): string | null =>
  typeof reference === 'string' && reference.startsWith(REFERENCE) ? reference.slice(REFERENCE.length) : null

const ANY = { description: 'Any JSON value.' }

/** Every object below a value, itself included. */
function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const entry of value) yield* nodesOf(entry)
  else if (isNode(value)) {
    yield value
    for (const entry of Object.values(value)) yield* nodesOf(entry)
  }
}

const referencesOf = (value: unknown): readonly string[] => [...nodesOf(value)].flatMap((node) => nameOf(node['$ref']) ?? [])

const mapReferences = (value: unknown, rename: (name: string) => string): unknown =>
  JSON.parse(JSON.stringify(value), (key, entry: unknown) => {
    const name = key === '$ref' ? nameOf(entry) : null
    return name === null ? entry : `${REFERENCE}${rename(name)}`
  })

interface Document extends Node {
  readonly paths?: Readonly<Record<string, unknown>>
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> }
}

/**
 * The document as people and generators read it: one schema where what is sent and what is answered are the same, none that nothing refers
 * to, no bounds that only say "a whole number", and an example of every input.
 */
export function tidied(document: Document, examples: Examples): Document {
  const { components } = document
  // Said without a circle, which generators of types stumble over.
  const schemas = { ...components?.schemas, Json: ANY, JsonInput: ANY }
  const merged = withOneNameEach({ ...document, components: { ...components, schemas } })
  const text = JSON.stringify(merged, (key, value: unknown) =>
    (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) || (key === 'maximum' && value === Number.MAX_SAFE_INTEGER)
      ? undefined
      : value,
  )
  const own = JSON.parse(text) as Document
  for (const operations of Object.values(own.paths ?? {}))
    for (const operation of Object.values(operations as Node))
      if (isNode(operation)) addExamples(operation, examples[String(operation['operationId'])] ?? {})
  return own
}

/** `XInput` becomes `X` where nothing is answered as `X`, or where both are the same; schemas that nothing refers to are left out. */
function withOneNameEach(document: Document): Document {
  const schemas = document.components?.schemas ?? {}
  const plain = (name: string): string => name.replace(/Input$/, '')
  const used = reachable(document.paths, schemas)
  const isSame = (name: string): boolean =>
    JSON.stringify(mapReferences(schemas[name], plain)) === JSON.stringify(mapReferences(schemas[plain(name)], plain))
  const same = new Set([...used].filter((name) => name.endsWith('Input') && (!used.has(plain(name)) || isSame(name))))
  // What refers to a schema that stays apart stays apart as well.
  for (let before = -1; before !== same.size;) {
    before = same.size
    for (const name of same) {
      const staysApart = referencesOf(schemas[name]).some((other) => other.endsWith('Input') && !same.has(other))
      if (staysApart && used.has(plain(name))) same.delete(name)
    }
  }
  const rename = (name: string): string => (same.has(name) ? plain(name) : name)
  const kept = [...used].map((name) => [rename(name), mapReferences(schemas[name], rename)] as const)
  const paths = mapReferences(document.paths, rename) as Node
  return {
    ...document,
    paths,
    components: { ...document.components, schemas: Object.fromEntries(kept.toSorted(([one], [other]) => (one < other ? -1 : 1))) },
  }
}

function reachable(paths: unknown, schemas: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const found = new Set<string>()
  const waiting = [...referencesOf(paths)]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue
    found.add(name)
    waiting.push(...referencesOf(schemas[name]))
  }
  return found
}

function addExamples(operation: Node, { body, parameters = {} }: Examples[string]): void {
  for (const parameter of (operation['parameters'] ?? []) as Node[]) {
    const example = parameters[String(parameter['name'])]
    if (example !== undefined) parameter['example'] = example
  }
  const content = (operation['requestBody'] as Node | undefined)?.['content']
  if (body === undefined || !isNode(content)) return
  for (const [type, media] of Object.entries(content)) {
    const own = Object.entries(body).filter(([, { type: written = 'application/json' }]) => written === type)
    if (isNode(media) && own.length > 0)
      media['examples'] = Object.fromEntries(own.map(([name, { summary, value }]) => [name, { summary, value }]))
  }
}
