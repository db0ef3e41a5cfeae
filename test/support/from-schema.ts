import fc from 'fast-check'
import type { JsonSchema, OpenapiDocument } from './openapi-judge.ts'

/** Values for schemas that say less than a caller knows, by the name of the property: small images, so that a test buys no large ones. */
const PROMPT = fc.oneof(
  fc.constantFrom('a lighthouse', 'sandbox:moderated x', 'sandbox:rate-limited x', 'sandbox:bad-reply x', 'sandbox:lost-reply x'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
)
/** Nothing outside is reached: what is not on this machine is an address for documentation, RFC 5737. */
const URL_TEXT = fc.constantFrom('https://192.0.2.1/a.png', 'http://127.0.0.1:1/a', 'https://[::1]/a', 'ftp://192.0.2.1/', 'data:,', 'x')
const BY_NAME: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  width: fc.constantFrom(64, 256, 333, 512, 1024),
  height: fc.constantFrom(64, 256, 512, 768),
  n: fc.constantFrom(1, 1, 1, 2, 3),
  megapixels: fc.constantFrom(0.1, 0.25, 1),
  model: fc.constantFrom('flux-2-pro', 'flux-2-flex', 'bfl/flux-2-pro', 'bfl:5@1', 'gpt-image-2', 'no-such-model'),
  prompt: PROMPT,
  positivePrompt: PROMPT,
  url: URL_TEXT,
  webhook_url: URL_TEXT,
  webhookURL: URL_TEXT,
  input_image: URL_TEXT,
}

interface Bounds {
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
}

/** Values that a schema of the document takes, and, where the schema says less than a caller knows, a few that are refused all the same. */
export function fromSchema(schema: JsonSchema, document: OpenapiDocument, depth = 0): fc.Arbitrary<unknown> {
  const below = (inner: unknown): fc.Arbitrary<unknown> => fromSchema((inner ?? {}) as JsonSchema, document, depth + 1)
  const reference = schema['$ref']
  if (typeof reference === 'string') return below(document.components.schemas[reference.split('/').at(-1) ?? ''])
  if ('const' in schema) return fc.constant(schema['const'])
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]))
  const choices = (schema['anyOf'] ?? schema['oneOf']) as readonly unknown[] | undefined
  if (choices !== undefined) return fc.oneof(...choices.map(below))
  const { minimum = -1_000_000, maximum = 1_000_000, minLength = 0, maxLength = 30, minItems = 0, maxItems = 3 } = schema as Bounds
  switch (schema['type']) {
    case 'object':
      return objectFrom(schema, below)
    case 'array':
      return fc.array(below(schema['items']), { minLength: minItems, maxLength: Math.max(minItems, Math.min(3, maxItems)) })
    case 'string':
      if (typeof schema['pattern'] === 'string') return fc.stringMatching(new RegExp(schema['pattern'], 'u'))
      return fc.string({ unit: 'binary', minLength, maxLength: Math.max(minLength, Math.min(30, maxLength)) })
    case 'integer':
      return fc.integer({ min: minimum, max: Math.max(minimum, Math.min(maximum, 2 ** 31)) })
    case 'number':
      return fc.double({ min: minimum, max: maximum, noNaN: true })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    default:
      return depth > 4 ? fc.constant(null) : fc.jsonValue({ maxDepth: 1, stringUnit: 'binary' })
  }
}

function objectFrom(schema: JsonSchema, below: (inner: unknown) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const properties = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, unknown>>)
  const required = (schema['required'] ?? []) as readonly string[]
  if (properties.length === 0)
    return fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), below(schema['additionalProperties']), { maxKeys: 2 })
  const fields = properties.map(([name, inner]) => {
    const value = BY_NAME[name] ?? below(inner)
    if (required.includes(name)) return [name, value] as const
    // Most of what may be left out is: with everything in it, a request is nearly always refused for one thing.
    return [name, fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })] as const
  })
  return fc
    .record(Object.fromEntries(fields))
    .map((made) => Object.fromEntries(Object.entries(made).filter(([name, value]) => value !== undefined || required.includes(name))))
}
