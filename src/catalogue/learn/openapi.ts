import { isObject } from '#contract'
import type { Json, JsonObject } from '#contract'

/** A part of the document, with where it stands in it. */
export interface Part {
  readonly value: JsonObject
  /** `#/components/schemas/Order/properties/prompt` */
  readonly pointer: string
}

/** One field of a body, whatever the schema is put together of. */
export interface Field extends Part {
  /** Where it stands in the body: `/input/prompt`. */
  readonly at: string
  readonly name: string
  readonly isRequired: boolean
}

/** An operation that takes a body and answers with one. */
export interface Operation {
  readonly path: string
  readonly pointer: string
  readonly summary: string
  readonly fields: readonly Field[]
  /** Of the answer to a call that went well. */
  readonly reply: readonly Field[]
}

/** References that follow one another, and schemas inside schemas. */
const MOST_DEEP = 12
/** Fields of one body; a schema that names itself would have them without end. */
const MOST_FIELDS = 400
/** Schemas that are read for one body; one that names itself several times would multiply them. */
const MOST_VISITS = 4_000

export const textOf = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)
export const numberOf = (value: Json | undefined): number | null => (typeof value === 'number' ? value : null)

const step = (name: string | number): string => String(name).replaceAll('~', '~0').replaceAll('/', '~1')

/** Follows `$ref` within the document, and a choice of which only one is not null. */
export function resolve(document: JsonObject, part: Part, depth = 0): Part {
  const { value, pointer } = part
  const reference = textOf(value['$ref'])
  if (depth > MOST_DEEP) return part
  if (reference !== null) {
    const found = at(document, reference)
    return found === null ? part : resolve(document, found, depth + 1)
  }
  for (const word of ['anyOf', 'oneOf'] as const) {
    const choices = partsOf(value[word], `${pointer}/${word}`).filter(({ value: choice }) => choice['type'] !== 'null')
    const [only] = choices
    if (only === undefined || choices.length > 1) continue
    const inner = resolve(document, only, depth + 1)
    // What is said beside the choice, such as a default, counts too.
    return { value: { ...value, ...inner.value, [word]: null }, pointer: inner.pointer }
  }
  return part
}

function at(document: JsonObject, reference: string): Part | null {
  if (!reference.startsWith('#/')) return null
  let value: Json | undefined = document
  for (const name of reference.slice(2).split('/')) {
    const key = decoded(name).replaceAll('~1', '/').replaceAll('~0', '~')
    value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
  }
  return isObject(value) ? { value, pointer: reference } : null
}

/** As it is where it is no percent-encoding. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

const partsOf = (list: Json | undefined, pointer: string): readonly Part[] =>
  Array.isArray(list) ? list.flatMap((value, index) => (isObject(value) ? [{ value, pointer: `${pointer}/${index}` }] : [])) : []

/** Every field of a body, those of objects inside it too; the entries of a list stand under `*`. */
export function fieldsOf(document: JsonObject, schema: Part): readonly Field[] {
  // Thousands of operations may share one schema.
  const { value } = resolve(document, schema)
  const known = fieldsRead.get(value) ?? readFields(document, schema)
  fieldsRead.set(value, known)
  return known
}

const fieldsRead = new WeakMap<JsonObject, readonly Field[]>()

function readFields(document: JsonObject, schema: Part): readonly Field[] {
  const fields = new Map<string, Field>()
  let visits = 0
  const visit = (part: Part, path: string, depth: number): void => {
    visits += 1
    if (depth > MOST_DEEP || fields.size > MOST_FIELDS || visits > MOST_VISITS) return
    const { value, pointer } = resolve(document, part)
    for (const word of ['allOf', 'anyOf', 'oneOf'] as const)
      for (const inner of partsOf(value[word], `${pointer}/${word}`)) visit(inner, path, depth + 1)
    const { items, required } = value
    if (isObject(items)) visit({ value: items, pointer: `${pointer}/items` }, `${path}/*`, depth + 1)
    for (const [name, inner] of Object.entries(isObject(value['properties']) ? value['properties'] : {})) {
      if (!isObject(inner)) continue
      const field = resolve(document, { value: inner, pointer: `${pointer}/properties/${step(name)}` })
      const own = `${path}/${step(name)}`
      if (fields.has(own)) continue
      fields.set(own, { ...field, name, at: own, isRequired: Array.isArray(required) && required.includes(name) })
      visit(field, own, depth + 1)
    }
  }
  visit(schema, '', 0)
  return [...fields.values()]
}

/** The operations of one method, in the order of the document. */
export function operationsOf(document: JsonObject, method: 'get' | 'post'): readonly Operation[] {
  const { paths } = document
  return Object.entries(isObject(paths) ? paths : {}).flatMap(([path, item]) => {
    const operation = isObject(item) ? item[method] : undefined
    if (!isObject(operation)) return []
    const pointer = `#/paths/${step(path)}/${method}`
    const body = resolve(document, {
      value: isObject(operation['requestBody']) ? operation['requestBody'] : {},
      pointer: `${pointer}/requestBody`,
    })
    const schema = schemaIn(body)
    const reply = replyOf(document, operation, pointer)
    return [
      {
        path,
        pointer,
        summary: textOf(operation['summary']) ?? '',
        fields: schema === null ? [] : fieldsOf(document, schema),
        reply: reply === null ? [] : fieldsOf(document, reply),
      },
    ]
  })
}

function replyOf(document: JsonObject, { responses }: JsonObject, pointer: string): Part | null {
  if (!isObject(responses)) return null
  for (const [status, response] of Object.entries(responses)) {
    if (!/^2(\d\d|XX)$/i.test(status) || !isObject(response)) continue
    const schema = schemaIn(resolve(document, { value: response, pointer: `${pointer}/responses/${status}` }))
    if (schema !== null) return schema
  }
  return null
}

/** Of JSON, or of a form where there is no JSON. */
function schemaIn({ value: { content }, pointer }: Part): Part | null {
  if (!isObject(content)) return null
  for (const type of ['application/json', 'multipart/form-data']) {
    const { [type]: media } = content
    const schema = isObject(media) ? media['schema'] : undefined
    if (isObject(schema)) return { value: schema, pointer: `${pointer}/content/${step(type)}/schema` }
  }
  return null
}
