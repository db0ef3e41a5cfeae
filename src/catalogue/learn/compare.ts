import { isObject, valuesAt, type Call, type Json, type JsonObject, type Limits, type Range } from '#contract'
import { draftLimits, wordsOf } from './limits.ts'
import { named, type Named } from './names.ts'
import { Notes } from './notes.ts'
import { numberOf, operationsOf, type Operation } from './openapi.ts'

/** What a published schema and our manifest say of one model. */
export interface SchemaFinding {
  readonly verdict: 'new' | 'contradicts'
  readonly detail: string
}

export interface Compared {
  /** What would be sent, without references and with as many as it takes. */
  readonly calls: readonly Call[]
  readonly limits: Limits
  /** Names of fields that are known, beside those of the calls. */
  readonly known: readonly string[]
}

/** Each difference between what we would send for a model and what its vendor's OpenAPI document takes. */
export function compareWithSchema(document: JsonObject, { calls, limits, known }: Compared): readonly SchemaFinding[] {
  const operations = operationsOf(document, 'post')
  const findings = calls.flatMap((call): readonly SchemaFinding[] => {
    const operation = operationFor(call, operations)
    const path = pathOf(call)
    if (operation === undefined) return [contradiction(`the published schema has no POST ${path}`)]
    return [...fieldFindings(call, operation), ...newFields(calls, operation, known), ...limitFindings(limits, named(operation.fields))]
  })
  return findings.filter(({ detail }, index) => findings.findIndex((other) => other.detail === detail) === index)
}

const contradiction = (detail: string): SchemaFinding => ({ verdict: 'contradicts', detail })
const pathOf = ({ url }: Call): string => url.replace(/\?.*$/, '')

/** A server's own prefix may stand before the paths of a document. */
const operationFor = (call: Call, operations: readonly Operation[]): Operation | undefined =>
  operations.find(({ path }) => path === pathOf(call)) ?? operations.find(({ path }) => path !== '/' && pathOf(call).endsWith(path))

/** Where each field of a call stands, the entries of a list under `*`; of a form, the names of its parts. */
function sentBy({ body, form }: Call): ReadonlySet<string> {
  const sent = new Set<string>(form?.map(({ name }) => `/${name.replace('[]', '')}`))
  const walk = (value: Json | undefined, path: string): void => {
    if (typeof value !== 'object' || value === null || '$digits' in value) return
    for (const [name, part] of Object.entries<Json>(value as Record<string, Json>)) {
      const below = `${path}/${Array.isArray(value) ? '*' : name}`
      if (!Array.isArray(value)) sent.add(below)
      walk(part, below)
    }
  }
  walk(body, '')
  return sent
}

const parentOf = (at: string): string => at.replace(/\/[^/]+$/, '').replace(/\/\*$/, '')

function fieldFindings(call: Call, { fields }: Operation): readonly SchemaFinding[] {
  const [sent, published] = [sentBy(call), new Set(fields.map(({ at }) => at))]
  const isOpen = (at: string): boolean => at !== '' && ![...published].some((path) => path.startsWith(`${at}/`))
  const unknown = [...sent].filter((at) => !published.has(at) && !isOpen(parentOf(at)))
  const missing = fields.filter(
    ({ at, isRequired }) => isRequired && !sent.has(at) && (parentOf(at) === '' || sent.has(parentOf(at))) && !at.includes('*'),
  )
  return [
    ...unknown.map((at) => contradiction(`the published schema has no field ${at}, which is sent`)),
    ...missing.map(({ at }) => contradiction(`the published schema requires ${at}, which is not sent`)),
  ]
}

const nameIn = (at: string): string => at.slice(at.lastIndexOf('/') + 1)

function newFields(calls: readonly Call[], { fields }: Operation, known: readonly string[]): readonly SchemaFinding[] {
  const names = new Set([...known, ...calls.flatMap((call) => [...sentBy(call)].map(nameIn))])
  return fields
    .filter(({ at, name }) => parentOf(at) === '' && !at.includes('*') && !names.has(name))
    .map(({ at }) => ({ verdict: 'new', detail: `a field of the published schema that is not known here: ${at}` }))
}

/** Ours may be narrower than what is published, and never wider. */
function limitFindings(limits: Limits, fields: Named): readonly SchemaFinding[] {
  const published = draftLimits(fields, 'limits', new Notes())
  const at = (pointer: string): Json | null => valuesAt(published, pointer)[0] ?? null
  const wider = (path: string, ours: number | null, theirs: Json | null): readonly SchemaFinding[] =>
    ours === null || typeof theirs !== 'number' || ours <= theirs
      ? []
      : [contradiction(`limits.${path}: ${theirs} published, ${ours} here`)]
  const ranges = (['seed', 'output_quality', 'safety_tolerance', 'guidance', 'steps'] as const).flatMap((name) =>
    rangeFindings(name, limits[name], at(`/${name}`)),
  )
  const sides = (['width', 'height'] as const).flatMap((side) =>
    limits.size.kind === 'range' ? rangeFindings(`size.${side}`, { ...limits.size[side], default: null }, at(`/size/${side}`)) : [],
  )
  return [
    ...wider('prompt.max_chars', limits.prompt.max_chars, at('/prompt/max_chars')),
    // One field may be one of several that are numbered.
    ...(fields.references?.value['type'] === 'array'
      ? wider('reference_images.max', limits.reference_images.max, at('/reference_images/max'))
      : []),
    ...ranges,
    ...sides,
    ...wordFindings('output_format', limits.output_format.values, at('/output_format/values')),
    ...(limits.size.kind === 'tier' ? tierFindings(limits.size, fields) : []),
  ]
}

function rangeFindings(path: string, ours: Range | null, published: Json): readonly SchemaFinding[] {
  if (ours === null || !isObject(published)) return []
  const differs = (what: string, there: number, here: number | string): SchemaFinding =>
    contradiction(`limits.${path}.${what}: ${there} published, ${here} here`)
  const [min, max, step, initial] = ['min', 'max', 'step', 'default'].map((name) => numberOf(published[name]))
  return [
    ...(min != null && ours.min < min ? [differs('min', min, ours.min)] : []),
    ...(max != null && ours.max > max ? [differs('max', max, ours.max)] : []),
    ...(step != null && (ours.step ?? 0) % step !== 0 ? [differs('step', step, ours.step ?? 'none')] : []),
    ...(initial != null && ours.default != null && initial !== ours.default ? [differs('default', initial, ours.default)] : []),
  ]
}

function wordFindings(path: string, ours: readonly string[], published: Json): readonly SchemaFinding[] {
  if (!Array.isArray(published)) return []
  const gone = ours.filter((word) => !(published as readonly Json[]).includes(word))
  return gone.map((word) => contradiction(`limits.${path}: the published schema has no "${word}"`))
}

const tierFindings = (size: Extract<Limits['size'], { kind: 'tier' }>, { aspect_ratio: ratio, tier }: Named): readonly SchemaFinding[] => [
  ...wordFindings('size.aspect_ratios', size.aspect_ratios, ratio === undefined ? null : listOf(wordsOf(ratio))),
  ...(size.tiers.length > 1
    ? wordFindings(
        'size.tiers',
        size.tiers.map(({ name }) => name),
        tier === undefined ? null : listOf(wordsOf(tier)),
      )
    : []),
]

/** Null where the document lists no words: then it takes any. */
const listOf = (words: readonly string[]): Json => (words.length === 0 ? null : [...words])
