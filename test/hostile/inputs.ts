import fc from 'fast-check'
import { fromSchema } from '../support/from-schema.ts'
import type { Media, Named, OpenapiDocument, Parameter } from '../support/openapi-judge.ts'
import type { Sent } from './client.ts'

const ODD_TEXTS =
  "|0|-1|1e999|__proto__|constructor|null|../../etc/passwd|..%2f..%2fetc|\u0000|%|\ud800|' OR 1=1 --|img_x|gen_x|cmp_x|999999999999999999999999999999"
export const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(...ODD_TEXTS.split('|'), 'a'.repeat(290), 'a'.repeat(310), '🜁'.repeat(40)),
)

const ODD_JSON = String.raw`| |{|[]|{}|null|true|0|""|1e999|{"__proto__":{}}|{"constructor":{"prototype":1}}|"\ud800"|[{}]|[null]|[[]]|{"a":1,"a":2}`
export const json = fc.oneof(
  fc.json({ maxDepth: 4, stringUnit: 'binary' }),
  fc.constantFrom(...ODD_JSON.split('|'), '\ufeff{}', `${'['.repeat(70)}${']'.repeat(70)}`, '[{"taskType":"imageInference"}]'),
  fc.constantFrom('{"jsonrpc":"2.0","id":1,"method":"tools/call"}', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', '{"jsonrpc":"2.0"}'),
)

/** A value with one of its values, however deep, taken out, doubled, renamed or made something else. */
function changed(value: unknown, at: number, other: unknown): unknown {
  if (typeof value !== 'object' || value === null || (at % 5 === 0 && !Array.isArray(value))) return other
  const inner = Math.floor(at / 7)
  if (Array.isArray(value)) {
    if (value.length === 0 || at % 7 === 0) return [...(value as unknown[]), other]
    if (at % 7 === 1) return [...(value as unknown[]), ...(value as unknown[])]
    const index = at % value.length
    return value.map((entry, here) => (here === index ? changed(entry, inner, other) : (entry as unknown)))
  }
  const names = Object.keys(value)
  const name = names[at % Math.max(1, names.length)]
  if (name === undefined || at % 7 === 0) return { ...value, [String(other).slice(0, 20)]: other }
  const { [name]: before, ...rest } = value as Record<string, unknown>
  if (at % 7 === 1) return rest
  return at % 7 === 2 ? { ...rest, [`${name} `]: before } : { ...rest, [name]: changed(before, inner, other) }
}

const mutated = (valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(valid, fc.nat(100_000), fc.oneof(odd, fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' }), fc.double(), fc.maxSafeInteger()))
    .map(([value, at, other]) => changed(value, at, other))

/** What a form holds, as a body; a value that is an object is a file. */
function form(fields: Readonly<Record<string, unknown>>, boundary: string): Buffer {
  const parts = Object.entries(fields).flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as unknown[]) : [value]).map((entry) => {
      const isFile = typeof entry === 'object' && entry !== null
      const head = `content-disposition: form-data; name="${name.replaceAll('"', '%22')}"${isFile ? '; filename="a.png"\r\ncontent-type: image/png' : ''}`
      return Buffer.concat([
        Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
        isFile ? PIXEL : Buffer.from(typeof entry === 'string' ? entry : (JSON.stringify(entry) ?? '')),
        Buffer.from('\r\n'),
      ])
    }),
  )
  return Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)])
}

const PIXEL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64')

interface Body {
  readonly type: string
  readonly bytes: Buffer
}

const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? '')

/** A body of a documented type: as its schema or its examples have it, with something changed, or anything. */
function bodyOf(type: string, media: Media, document: OpenapiDocument): fc.Arbitrary<Body> {
  const examples = Object.values(media.examples ?? {}).map(({ value }) => value)
  const valid = fc.oneof(
    ...(examples.length > 0 ? [fc.constantFrom(...examples)] : []),
    ...(media.schema ? [fromSchema(media.schema, document)] : []),
  )
  if (type === 'multipart/form-data') {
    const files = fc.constantFrom({ image: {} }, { image: {} }, { 'image[]': [{}, {}] }, { image: {}, mask: {} }, {})
    return fc.tuple(fc.oneof(valid, mutated(valid)), files, fc.constantFrom('b', 'b', 'b', 'c', '"')).map(([fields, images, boundary]) => ({
      type: `${type}; boundary=b`,
      bytes: form({ ...(typeof fields === 'object' ? fields : { fields }), ...images }, boundary),
    }))
  }
  if (!type.endsWith('json'))
    return fc
      .array(fc.array(fc.oneof(odd, fc.constantFrom('provider', 'task_id', 'amount', '0.05', 'USD', 'bfl')), { maxLength: 4 }), {
        maxLength: 4,
      })
      .map((rows) => ({ type, bytes: Buffer.from(rows.map((row) => row.join(',')).join('\n')) }))
  return fc
    .oneof(
      valid.map(bytesOf),
      mutated(valid).map(bytesOf),
      json.map((text) => Buffer.from(text)),
    )
    .map((bytes) => ({ type, bytes }))
}

const anyBody = fc.oneof(
  fc.record({
    type: fc.constantFrom('application/json', 'text/plain', 'x', '', 'application/json; charset=utf-16', 'a/b;'),
    bytes: json.map((text) => Buffer.from(text)),
  }),
  fc.record({
    type: fc.constantFrom(
      'application/json',
      'multipart/form-data; boundary=b',
      'multipart/form-data',
      'application/x-www-form-urlencoded',
    ),
    bytes: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  }),
)

/** What a header can hold on the wire. */
const headerText = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
  maxLength: 40,
})

/** One a line. */
const ODD_HEADERS = `prefer: wait=-1
prefer: wait=0, respond-async
prefer: wait=1e9
idempotency-key:
idempotency-key: a
idempotency-key: ${'x'.repeat(300)}
content-encoding: gzip
content-encoding: br, x
accept: text/event-stream
accept: image/webp;q=0, */*;q=x
accept:
range: bytes=0-1
range: bytes=9999999-
range: bytes=5-1,2-3
if-none-match: *
if-none-match: "x", W/"y"
last-event-id: -1
last-event-id: 0
origin: https://evil.example
origin: null
host: evil.example
host:
x-forwarded-host: evil.example
x-forwarded-proto: ftp
x-key:
expect: x
expect: 100-continue
mcp-protocol-version: 1
mcp-session-id: x
sec-fetch-site: cross-site
x-http-method-override: DELETE
x-long: ${'a'.repeat(8_000)}`
const HEADER_NAMES = 'prefer|idempotency-key|accept|range|if-none-match|last-event-id|origin|x-request-id|user-agent'

const oddHeaders = fc.oneof(
  fc.constantFrom(...ODD_HEADERS.split('\n')).map((line): readonly string[] => [line.split(':')[0] ?? '', line.replace(/^[^:]*: ?/, '')]),
  fc.tuple(fc.constantFrom(...HEADER_NAMES.split('|')), headerText),
)

export interface Known {
  /** Values of path parameters that exist, by name or by the beginning of the path and the name. */
  valuesOf(path: string, name: string): readonly string[]
  readonly key: string
}

/** Requests to an operation of the document, from one that is right to one that makes no sense. */
export function requestsTo(named: Named, document: OpenapiDocument, known: Known): fc.Arbitrary<Sent> {
  const { method, path, operation } = named
  const parameters = operation.parameters ?? []
  const of = (where: Parameter['in']): readonly Parameter[] => parameters.filter((parameter) => parameter.in === where)
  const right = ({ schema, example, name }: Parameter): fc.Arbitrary<unknown> =>
    fc.oneof(
      ...known.valuesOf(path, name).map((value) => fc.constant(value)),
      ...(example === undefined ? [] : [fc.constant(example)]),
      fromSchema(schema ?? {}, document),
    )
  const given = (parameter: Parameter): fc.Arbitrary<string> =>
    fc.oneof({ weight: 3, arbitrary: right(parameter).map(String) }, { weight: 1, arbitrary: odd })
  const pathValues = fc.tuple(...of('path').map(given))
  const pair = (name: fc.Arbitrary<string>, value: fc.Arbitrary<string>) => fc.tuple(name, value)
  const query = fc.array(
    fc.oneof(
      ...of('query').map((parameter) => pair(fc.constant(parameter.name), given(parameter))),
      pair(fc.oneof(odd, fc.constantFrom('limit', 'cursor', 'metadata.a')), odd),
    ),
    { maxLength: 3 },
  )
  const contents = Object.entries(operation.requestBody?.content ?? {}).map(([type, media]) => bodyOf(type, media, document))
  const body =
    contents.length === 0
      ? fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: anyBody })
      : fc.oneof(...contents, ...contents, ...contents, anyBody)
  // A URL that is too long, and one that is no percent-encoding, now and then.
  const ending = fc.oneof(
    { weight: 40, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.constantFrom(`&x=${'a'.repeat(9_000)}`, '&%zz', '#x', '&&=&') },
  )
  const headers = fc.array(oddHeaders, { maxLength: 2 })
  const authorization = fc.oneof({ weight: 9, arbitrary: fc.constant(`Bearer ${known.key}`) }, { weight: 1, arbitrary: headerText })
  return fc.record({ pathValues, query, body, headers, authorization, ending }).map((made): Sent => {
    const values = [...made.pathValues]
    const filled = path.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent((values.shift() ?? '').toWellFormed()) || 'x')
    const search = made.query
      .map(([name, value]) => `${encodeURIComponent(name.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`)
      .join('&')
    const sent = method === 'GET' ? null : made.body
    const prefer = made.headers.some(([name]) => name === 'prefer') ? [] : ['prefer', 'respond-async']
    return {
      method,
      path: search + made.ending === '' ? filled : `${filled}?${search}${made.ending}`,
      headers: [
        'authorization',
        made.authorization,
        ...prefer,
        'accept',
        'application/json, text/event-stream, */*',
        ...(sent === null ? [] : ['content-type', sent.type]),
        ...made.headers.flat(),
      ],
      body: sent?.bytes ?? null,
    }
  })
}
