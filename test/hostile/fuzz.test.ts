import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'

/** The long form: `npm run fuzz`. */
const LONGER = Number(process.env['FUZZ_TIMES'] ?? 1)

interface Operation {
  readonly method: string
  readonly path: string
  readonly statuses: ReadonlySet<string>
  readonly example: unknown
}

let gateway: Gateway
let operations: readonly Operation[]

interface Documented {
  readonly responses?: Readonly<Record<string, unknown>>
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly example?: unknown }>> }
}

beforeAll(async () => {
  gateway = await launchGateway()
  const document = (await (await gateway.ask('/openapi.json')).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>
  }
  operations = Object.entries(document.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs)
      // A stream has no end to wait for, and a backup writes where it is sent.
      .filter(([method]) => ['get', 'post', 'delete', 'put'].includes(method) && !/events$|backup/.test(path))
      .map(([method, { responses, requestBody }]) => ({
        method: method.toUpperCase(),
        path,
        statuses: new Set(Object.keys(responses ?? {})),
        example: requestBody?.content?.['application/json']?.example ?? {},
      })),
  )
})
afterAll(() => gateway.close())

const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    '0',
    '-1',
    '1e999',
    '__proto__',
    'null',
    '../../etc/passwd',
    '\u0000',
    'img_x',
    'gen_x',
    '9'.repeat(30),
    '%',
    '\ud800',
  ),
)
const json = fc.oneof(
  fc.json({ maxDepth: 4, stringUnit: 'binary' }),
  fc.constantFrom(
    '',
    '{',
    '[]',
    '{}',
    'null',
    '1e999',
    '{"__proto__":{}}',
    '{"constructor":{"prototype":1}}',
    '"\\ud800"',
    '[{}]',
    '[{"taskType":"imageInference"}]',
  ),
)

/** A body that would be taken, with one of its fields made something else; nothing that it can become is bought twice. */
const mutated = (example: unknown) =>
  fc.tuple(fc.nat(50), fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' })).map(([at, value]) => {
    const target = Array.isArray(example) ? (example[0] as unknown) : example
    if (typeof target !== 'object' || target === null) return JSON.stringify(value)
    const fields = [...Object.keys(target), 'provider_options', 'reference_images', 'webhook', 'seed', 'n']
    const changed = { ...target, [fields[at % fields.length] ?? 'x']: value }
    return JSON.stringify(Array.isArray(example) ? [changed] : changed)
  })

test(
  'no request to any documented route, whatever is in it, is answered with 500 or with a status that is not documented',
  { timeout: 120_000 * LONGER },
  async () => {
    const undocumented = new Set<string>()
    for (const { method, path, statuses, example } of operations) {
      const cases = fc.record({
        params: fc.array(odd, { minLength: 4, maxLength: 4 }),
        query: fc.array(
          fc.tuple(
            fc.oneof(odd, fc.constantFrom('limit', 'cursor', 'status', 'from', 'to', 'group_by', 'id', 'format', 'metadata.a')),
            odd,
          ),
          { maxLength: 3 },
        ),
        body: fc.oneof(json, mutated(example)),
        type: fc.constantFrom(
          'application/json',
          'application/json',
          'application/json',
          'text/plain',
          'multipart/form-data; boundary=b',
          'x',
        ),
        idempotencyKey: fc.constantFrom('', 'a', 'x'.repeat(300)),
      })
      for (const { params, query, body, type, idempotencyKey } of fc.sample(cases, 20 * LONGER)) {
        let next = 0
        const filled = path.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent((params[next++] ?? '').toWellFormed()) || 'x')
        const search = query
          .map(([name, value]) => `${encodeURIComponent(name.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`)
          .join('&')
        const headers: Record<string, string> = {
          prefer: 'respond-async',
          'x-key': 'a',
          ...(idempotencyKey === '' ? {} : { 'idempotency-key': idempotencyKey }),
        }
        const init = method === 'GET' ? { headers } : { headers: { ...headers, 'content-type': type }, body }
        const answer = await gateway.ask(`${filled}?${search}`, { method, ...init })
        const text = await answer.text()
        expect(answer.status, `${method} ${filled}?${search} ${body}: ${text.slice(0, 300)}`).not.toBe(500)
        if (!statuses.has(String(answer.status))) undocumented.add(`${method} ${path} ${answer.status}`)
      }
    }
    expect([...undocumented]).toEqual([])
  },
)

test('10,000 Authorization headers are answered with 200 or 401', { timeout: 120_000 }, async () => {
  const header = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 60 })
  const headers = fc.sample(
    fc.oneof(
      header,
      header.map((text) => `Bearer ${text}`),
      header.map((text) => `Basic ${text}`),
    ),
    10_000,
  )
  for (let at = 0; at < headers.length; at += 50) {
    const answers = await Promise.all(
      headers.slice(at, at + 50).map((authorization) => gateway.ask('/v1/providers', { headers: { authorization } })),
    )
    for (const answer of answers) {
      await answer.arrayBuffer()
      expect([200, 401]).toContain(answer.status)
    }
  }
})
