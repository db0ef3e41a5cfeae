import type { Json } from '#contract'
import { readMessage } from '../../read-body.ts'

/** One text field of a form, in the order it came. */
export interface FormField {
  readonly name: string
  readonly value: string
}

export type FormReading =
  | { readonly kind: 'body'; readonly body: Readonly<Record<string, Json>> }
  | { readonly kind: 'refused'; readonly param: string; readonly message: string }

/** A form has text only; these fields are read as what they are. */
const NUMBERS = new Set(
  'n width height output_compression partial_images frame_count frame_duration_ms megapixels output_quality safety_tolerance guidance steps'.split(
    ' ',
  ),
)
const BOOLEANS = new Set(['stream', 'prompt_upsampling', 'provider[allow_fallbacks]'])
const STRUCTURES = new Set(['provider', 'provider_options', 'metadata', 'reference_images'])

const NUMBER = /^-?\d{1,17}(\.\d{1,17})?$/
const NAME = /^([^[\]]{1,100})((?:\[[^[\]]{0,100}\])*)$/
const MAX_DEPTH = 4

/**
 * The text fields of a form as a JSON body. Nested values come as JSON text in one field, or in brackets as the SDKs write them:
 * `provider[order][]=a`, `metadata[team]=b`. Inside `provider_options` a text that spells a number or a boolean is one.
 * @param standIns takes those of images inside JSON text; whoever asked releases them
 * @param caller who sent it
 */
export async function readForm(fields: readonly FormField[], standIns: string[], caller: string): Promise<FormReading> {
  const body = new Map<string, Draft>()
  for (const { name, value } of fields) {
    const [, root = '', brackets = ''] = NAME.exec(name) ?? []
    const path = [...brackets.matchAll(/\[([^[\]]*)\]/g)].map(([, key = '']) => key)
    if (root === '' || path.length > MAX_DEPTH || path.includes('__proto__') || root === '__proto__')
      return { kind: 'refused', param: name.slice(0, 100), message: 'not a field name; write nested fields as name[key] or as JSON text' }
    const isStructure = path.length === 0 && STRUCTURES.has(root) && value !== 'null'
    const read = isStructure ? await readStructure(value, standIns, caller) : readValue(name, root, path, value)
    if (read.kind === 'refused') return { ...read, param: name }
    if (!putInto(body, root, path, read.value))
      return { kind: 'refused', param: name, message: 'given more than once, or both as a value and as a structure' }
  }
  return { kind: 'body', body: Object.fromEntries(body) }
}

type ValueReading = { readonly kind: 'value'; readonly value: Json } | { readonly kind: 'refused'; readonly message: string }

function readValue(name: string, root: string, path: readonly string[], text: string): ValueReading {
  const of = (value: Json): ValueReading => ({ kind: 'value', value })
  if (path.length === 0 && text === 'null' && root !== 'prompt' && root !== 'model') return of(null)
  if (NUMBERS.has(name)) return NUMBER.test(text) ? of(Number(text)) : { kind: 'refused', message: 'a number' }
  // A seed of which a number would lose digits stays a text of them.
  if (name === 'seed') return of(/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text)
  if (BOOLEANS.has(name))
    return text === 'true' || text === 'false' ? of(text === 'true') : { kind: 'refused', message: '"true" or "false"' }
  if (root === 'provider_options' && (text === 'true' || text === 'false')) return of(text === 'true')
  if (root === 'provider_options' && NUMBER.test(text)) return of(Number(text))
  // A stored image: reference_images[][image]=img_… is an object, reference_images[]=https://… a text.
  return of(text)
}

/** JSON text is bounded as a body is. */
async function readStructure(text: string, standIns: string[], caller: string): Promise<ValueReading> {
  try {
    const read = await readMessage(Buffer.from(text), caller)
    standIns.push(...read.standIns)
    if (typeof read.value === 'object' && read.value !== null) return { kind: 'value', value: read.value as Json }
  } catch (error) {
    if (!(error instanceof SyntaxError)) return { kind: 'refused', message: error instanceof Error ? error.message : 'not taken' }
  }
  return { kind: 'refused', message: 'JSON text, or fields in brackets such as name[key]' }
}

/** A body while it is put together. */
type Draft = null | boolean | number | string | Draft[] | { [key: string]: Draft }

/** Puts a value where its name says; false where something else is there already. An empty key appends to a list. */
function putInto(body: Map<string, Draft>, root: string, path: readonly string[], value: Json): boolean {
  if (path.length === 0) {
    if (body.has(root)) return false
    body.set(root, value as Draft)
    return true
  }
  let container = body.get(root) ?? emptyFor(path[0])
  body.set(root, container)
  for (const [depth, key] of path.entries()) {
    const isLast = depth === path.length - 1
    const next = isLast ? (value as Draft) : emptyFor(path[depth + 1])
    if (typeof container !== 'object' || container === null || Array.isArray(container) !== (key === '')) return false
    if (Array.isArray(container)) {
      container.push(next)
      container = next
      continue
    }
    const before: Draft | undefined = Object.hasOwn(container, key) ? container[key] : undefined
    if (isLast && before !== undefined) return false
    container = container[key] = before ?? next
  }
  return true
}

const emptyFor = (key: string | undefined): Draft => (key === '' ? [] : {})
