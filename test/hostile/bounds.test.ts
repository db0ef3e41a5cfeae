import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchProcess } from '../e2e/gateway-process.ts'
import type { GatewayProcess } from '../e2e/gateway-process.ts'
import { operationsOf } from '../support/openapi-judge.ts'
import type { JsonSchema, OpenapiDocument } from '../support/openapi-judge.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

/** As long as a body may have them: what is longer is refused while it is read. */
const MANY = 4_900
const LONG = 60_000
const MOST_ANSWER_CHARS = 8_000

let gateway: GatewayProcess
let document: OpenapiDocument
beforeAll(async () => {
  gateway = await launchProcess()
  document = (await (await gateway.ask('/openapi.json')).json()) as OpenapiDocument
}, 60_000)
afterAll(() => gateway.close())

type Kind = 'text' | 'list' | 'record'
interface Spot {
  readonly path: readonly string[]
  readonly kind: Kind
}
const VALUES: Readonly<Record<Kind, readonly unknown[]>> = {
  text: ['a'.repeat(LONG), `https://a.example/${'a'.repeat(LONG)}`],
  list: [Array.from({ length: MANY }, () => 'a'), Array.from({ length: MANY }, () => 'URL')],
  record: [Object.fromEntries(Array.from({ length: MANY }, (_, index) => [`k${index}`, 'a']))],
}

/** Where a body that fits the schema may hold a text, a list or a record, each once. */
function spotsIn(schema: JsonSchema, path: readonly string[] = [], seen: readonly string[] = []): readonly Spot[] {
  const { $ref: reference, type, properties, items, additionalProperties } = schema
  if (typeof reference === 'string') {
    const named = document.components.schemas[reference.split('/').at(-1) ?? '']
    return named === undefined || seen.includes(reference) ? [] : spotsIn(named, path, [...seen, reference])
  }
  const into = (next: unknown, ...more: readonly string[]): readonly Spot[] =>
    typeof next === 'object' && next !== null ? spotsIn(next as JsonSchema, [...path, ...more], seen) : []
  const kinds = { string: 'text', array: 'list', object: 'record' } as const
  const own = [type].flat().flatMap((one) => kinds[one as keyof typeof kinds] ?? [])
  const spots = [
    ...own.map((kind) => ({ path, kind })),
    ...['anyOf', 'oneOf', 'allOf'].flatMap((key) => ((schema[key] ?? []) as readonly unknown[]).flatMap((one) => into(one))),
    ...into(items, '0'),
    ...Object.entries(properties ?? {}).flatMap(([name, one]) => into(one, name)),
    ...into(additionalProperties, 'more'),
  ]
  return [...new Map(spots.map((spot) => [`${spot.kind} ${spot.path.join('.')}`, spot])).values()]
}

/** A body with another value at one spot. */
function put(body: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value
  if (name === '0') return [put(Array.isArray(body) ? body[0] : undefined, rest, value)]
  const fields = typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Readonly<Record<string, unknown>>) : {}
  return { ...fields, [name]: put(fields[name], rest, value) }
}

interface Said {
  readonly isRefused: boolean
  readonly text: string
}
type Ask = (body: unknown) => Promise<Said>

/** What was not refused in a few words, of everything that is too long at each spot. */
async function taken(what: string, ask: Ask, body: unknown, spots: readonly Spot[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const { path, kind } of spots) {
    for (const value of VALUES[kind]) {
      const { isRefused, text } = await ask(put(body, path, value))
      // The list itself is named by what it is; a list of one text is a text.
      const isBounded = kind !== 'list' || /at most \d+|1 to \d+ task|must be|unknown|missing/i.test(text)
      if (!isRefused || text.length > MOST_ANSWER_CHARS || !isBounded)
        found.push(`${what} ${kind} ${path.join('.')}: ${text.slice(0, 300)}`)
    }
  }
  return found
}

const HEADERS = { prefer: 'respond-async', accept: 'application/json, text/event-stream' }
const posting =
  (path: string): Ask =>
  async (body) => {
    const reply = await gateway.post(path, body, HEADERS)
    return { isRefused: reply.status >= 400 && reply.status < 500, text: await reply.text() }
  }
async function calling(method: string, params: object): Promise<Said> {
  const said = await posting('/mcp')({ jsonrpc: '2.0', id: 1, method, params })
  const text = /^data: (.*)$/m.exec(said.text)?.[1] ?? said.text
  return { isRefused: said.isRefused || text.includes('"isError":true') || text.includes('"error":{'), text }
}

/** Fields of OpenAI's that no model here has: they are ignored, and said to be in a header. */
const IGNORED = new Set(['svg'])

test(
  'each text, list and record of every body in the OpenAPI document has a bound, and is refused beyond it in a few words',
  { timeout: 60_000 },
  async () => {
    const found: string[] = []
    let judged = 0
    for (const { path, operation } of operationsOf(document)) {
      const media = operation.requestBody?.content['application/json']
      if (media?.schema === undefined || ['/mcp', '/runware/v1', '/bfl/v1/{endpoint}', '/v1/keys'].includes(path)) continue
      const body = Object.values(media.examples ?? {})[0]?.value
      const spots = spotsIn(media.schema).filter(({ path: [first = ''] }) => !IGNORED.has(first))
      judged += spots.length
      found.push(...(await taken(path, posting(path), body, spots)))
    }
    expect(found).toEqual([])
    expect(judged).toBeGreaterThan(100)
  },
)

test(
  'each text and list of a task of Runware’s API has a bound, and is refused beyond it in a few words',
  { timeout: 60_000 },
  async () => {
    const task = { taskType: 'imageInference', taskUUID: randomUUID(), model: 'bfl:5@1', positivePrompt: 'a', width: 256, height: 256 }
    const texts = [
      'taskType',
      'taskUUID',
      'model',
      'positivePrompt',
      'webhookURL',
      'uploadEndpoint',
      'outputType',
      'outputFormat',
      'deliveryMethod',
      'seed',
    ]
    const spots: readonly Spot[] = [
      { path: [], kind: 'list' },
      ...texts.map((name) => ({ path: ['0', name], kind: 'text' }) as const),
      ...['outputType', 'referenceImages'].map((name) => ({ path: ['0', name], kind: 'list' }) as const),
      { path: ['0', 'inputs', 'referenceImages'], kind: 'list' },
      { path: ['0', 'inputs', 'referenceImages', '0'], kind: 'text' },
      { path: ['0', 'inputs'], kind: 'record' },
      { path: ['0', 'providerSettings', 'bfl'], kind: 'record' },
      { path: ['0'], kind: 'record' },
    ]
    expect(await taken('runware', posting('/runware/v1'), [task], spots)).toEqual([])
  },
)

test('each text and list of BFL’s API has a bound at the endpoints that know it', { timeout: 60_000 }, async () => {
  const kontext: readonly Spot[] = ['prompt', 'input_image', 'aspect_ratio', 'output_format', 'webhook_url'].map((name) => ({
    path: [name],
    kind: 'text',
  }))
  const secret: Spot = { path: ['webhook_secret'], kind: 'text' }
  const images: readonly Spot[] = (['text', 'list'] as const).map((kind) => ({ path: ['images'], kind }))
  for (const [endpoint, spots] of [
    ['flux-kontext-pro', [...kontext, secret]],
    ['flux-3-image', [...images, { path: ['resolution'], kind: 'text' }]],
  ] as const)
    expect(await taken(endpoint, posting(`/bfl/v1/${endpoint}`), { prompt: 'a' }, spots)).toEqual([])
})

test(
  'each text, list and record that an agent can send has a bound, and is refused beyond it in a few words',
  { timeout: 60_000 },
  async () => {
    const { result } = JSON.parse((await calling('tools/list', {})).text) as {
      readonly result: { readonly tools: readonly { readonly name: string; readonly inputSchema: JsonSchema }[] }
    }
    const least = { model: 'flux-2-pro', prompt: 'a', id: 'gen_x', max_price_usd: '1' }
    const found: string[] = []
    for (const { name, inputSchema } of result.tools) {
      const known = Object.keys(inputSchema['properties'] ?? {})
      const body = Object.fromEntries(Object.entries(least).filter(([field]) => known.includes(field)))
      found.push(...(await taken(name, (given) => calling('tools/call', { name, arguments: given }), body, spotsIn(inputSchema))))
    }
    expect(result.tools.length).toBeGreaterThan(5)
    expect(found).toEqual([])
  },
)

test.each([
  '/v1/generations',
  '/v1/costs',
  '/v1/webhooks/deliveries',
  '/v1/comparisons',
  '/v1/providers/bfl/history',
  '/bfl/v1/get_result',
])('each parameter of GET %s is refused beyond its bound in a few words', async (path) => {
  const named = operationsOf(document).find((one) => one.path === path.replace('/bfl/history', '/{id}/history') && one.method === 'GET')
  const names = (named?.operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name)
  expect(names.length).toBeGreaterThan(0)
  const found: string[] = []
  for (const name of [...names, 'metadata.k']) {
    const reply = await gateway.ask(`${path}?${name}=${'a'.repeat(7_000)}`)
    const text = await reply.text()
    if (reply.status < 400 || reply.status > 499 || text.length > MOST_ANSWER_CHARS)
      found.push(`${name}: ${reply.status} ${text.slice(0, 200)}`)
  }
  expect(found).toEqual([])
})

/** A PNG by its first bytes; what is refused is refused for another field. */
const PIXEL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
const LEAST_FORM: Readonly<Record<string, string>> = { model: 'flux-2-pro', prompt: 'a' }

/** What each field of a form is filled with: a long text, the field many times, a list in brackets, keys in brackets, JSON of each. */
const FILLED: Readonly<Record<string, (name: string) => Filling>> = {
  'long text': (name) => [[name, 'a'.repeat(LONG)]],
  'long address': (name) => [[name, `https://a.example/${'a'.repeat(LONG)}`]],
  repeated: (name) => Array.from({ length: 150 }, () => [name, 'a'] as const),
  'a list': (name) => Array.from({ length: 150 }, () => [`${name}[]`, 'a'] as const),
  'a record': (name) => Array.from({ length: 150 }, (_, index) => [`${name}[k${index}]`, 'a'] as const),
  'a deep record': (name) => [[name + '[a]'.repeat(60), 'a']],
  'a long name': (name) => [[`${name}[${'a'.repeat(LONG)}]`, 'a']],
  'a list as JSON': (name) => [[name, JSON.stringify(Array.from({ length: MANY }, () => 'a'.repeat(9)))]],
  'a record as JSON': (name) => [
    [name, JSON.stringify(Object.fromEntries(Array.from({ length: MANY }, (_, index) => [`k${index}`, 'a'])))],
  ],
}

type Filling = readonly (readonly [name: string, value: string])[]

async function sendForm(path: string, field: string, filling: Filling): Promise<{ readonly status: number; readonly text: string }> {
  const form = new FormData()
  if (field !== 'image') form.append('image', new Blob([PIXEL], { type: 'image/png' }), 'a.png')
  for (const [name, value] of Object.entries(LEAST_FORM)) if (name !== field) form.append(name, value)
  for (const [name, value] of filling) form.append(name, value)
  const reply = await fetch(gateway.url + path, { method: 'POST', body: form, headers: HEADERS })
  return { status: reply.status, text: await reply.text() }
}

test(
  'each field of every form in the OpenAPI document is refused beyond its bound in a few words that name it',
  { timeout: 60_000 },
  async () => {
    const found: string[] = []
    let judged = 0
    for (const { path, operation } of operationsOf(document)) {
      const { $ref: reference, properties } = operation.requestBody?.content['multipart/form-data']?.schema ?? {}
      const named = typeof reference === 'string' ? document.components.schemas[reference.split('/').at(-1) ?? '']?.properties : properties
      for (const field of Object.keys(named ?? {})) {
        const judge = async ([how, fill]: readonly [string, (name: string) => Filling]): Promise<void> => {
          const { status, text } = await sendForm(path, field, fill(field))
          judged++
          if (status < 400 || status > 499 || text.length > MOST_ANSWER_CHARS || !text.includes(field))
            found.push(`${path} ${field}, ${how}: ${status} ${text.slice(0, 200)}`)
        }
        await Promise.all(Object.entries(FILLED).map(judge))
      }
    }
    expect(found).toEqual([])
    expect(judged).toBeGreaterThan(100)
    const many = await sendForm(
      '/v1/images/edits',
      'prompt',
      Array.from({ length: 5_000 }, () => ['prompt', 'a'] as const),
    )
    expect([many.status, many.text]).toEqual([400, expect.stringContaining('more parts than a request has fields and images')])
  },
)
