import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ROOT } from '../../support/source-tree.ts'
import { launchProcess } from '../../e2e/gateway-process.ts'
import type { Gateway } from '../../e2e/gateway.ts'
import { hashOfKey } from '../../../src/http/access.ts'
import { BARE_ENVIRONMENT } from '../../support/bare-environment.ts'

const run = promisify(execFile)

interface Media {
  readonly schema?: object
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}
interface Operation {
  readonly operationId: string
  readonly security?: readonly object[]
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly example?: string | number
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Media>> }>>
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>>; readonly securitySchemes: Readonly<Record<string, object>> }
}

/** Of scope admin, so that every operation can be asked. */
const ROOT_KEY = { authorization: 'Bearer key-of-root' }

interface Named {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

let gateway: Gateway
let document: Document
let operations: readonly Named[]
/** Ids that stand for those of the examples. */
let made: Readonly<Record<string, string>>

beforeAll(async () => {
  const keys = `keys: [{ name: root, key_hash: ${hashOfKey('key-of-root')}, scope: admin }]`
  gateway = await launchProcess({ config: `${keys}\nwebhooks: {}\nnetwork: { allow: ["127.0.0.0/8"] }\n` })
  for (const name of ['team-a', 'team-b']) await gateway.post('/v1/keys', { name }, ROOT_KEY)
  document = (await (await gateway.ask('/openapi.json')).json()) as Document
  operations = Object.entries(document.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const generation = await gateway.generate({ webhook: { url: `${gateway.url}/v1/nothing` } }, ROOT_KEY)
  const comparison = (await (await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'x' }, ROOT_KEY)).json()) as {
    id: string
  }
  const deliveries = (await (await gateway.ask('/v1/webhooks/deliveries', { headers: ROOT_KEY })).json()) as {
    data: readonly { id: string }[]
  }
  const file = new URL(generation.images[0]?.url ?? '').pathname.split('/').at(-1) ?? ''
  const sha256 = generation.images[0]?.sha256 ?? ''
  const format = generation.images[0]?.format ?? ''
  made = { gen: generation.id, cmp: comparison.id, whd: deliveries.data[0]?.id ?? '', img: file, sha256, format }
})
afterAll(() => gateway.close())

/** An example’s id stands for one that an earlier call returned. */
function realValue(name: string, example: string | number | undefined, path: string): string {
  if (path.includes('/backup/images')) return made[name] ?? ''
  const kind = /^(gen|cmp|whd|img)_/.exec(String(example))?.[1]
  return kind === undefined ? String(example) : (made[kind] ?? '')
}

/** A body as its type has it. */
function written(body: unknown, type: string): string | FormData {
  if (type !== 'multipart/form-data') return typeof body === 'string' ? body : JSON.stringify(body)
  const form = new FormData()
  for (const [name, value] of Object.entries(body as Readonly<Record<string, string>>)) form.append(name, value)
  return form
}

/** Sends an operation as its examples have it. */
function send({ method, path, operation }: Named, body: unknown, type: string): Promise<Response> {
  const given = (operation.parameters ?? []).filter((parameter) => parameter.example !== undefined || path.includes('/backup/images'))
  const values = given.map((parameter) => ({ ...parameter, value: realValue(parameter.name, parameter.example, path) }))
  const of = (where: string) => values.filter((parameter) => parameter.in === where)
  const url = of('path').reduce((before, { name, value }) => before.replace(`{${name}}`, encodeURIComponent(value)), path)
  const query = new URLSearchParams(of('query').map(({ name, value }) => [name, value]))
  const headers = Object.fromEntries(of('header').map(({ name, value }) => [name, value]))
  return gateway.ask(`${url}${query.size > 0 ? `?${query.toString()}` : ''}`, {
    method,
    headers: {
      accept: 'application/json, text/event-stream, */*',
      ...ROOT_KEY,
      ...headers,
      ...(body === undefined || type === 'multipart/form-data' ? {} : { 'content-type': type }),
    },
    ...(body === undefined ? {} : { body: written(body, type) }),
  })
}

/** Why a reply is not as the document says; null where it is. */
async function contradiction({ operation }: Named, reply: Response): Promise<string | null> {
  const declared = operation.responses[String(reply.status)]
  if (!declared) return `status ${reply.status} is not declared: ${await reply.text()}`
  const type = reply.headers.get('content-type')?.split(';')[0] ?? ''
  const media = declared.content?.[type]
  if (declared.content === undefined) return type === '' ? null : `${reply.status} has content of type ${type}`
  if (!media?.schema) return `${reply.status} is ${type}, and declared are ${Object.keys(declared.content).join(', ')}`
  if (!type.endsWith('json')) return null
  const parsed = schemaOf(media.schema).safeParse(await reply.json())
  return parsed.success ? null : `${reply.status} does not fit its schema: ${z.prettifyError(parsed.error)}`
}

/** A schema of the document, which can be asked whether a value fits. */
function schemaOf(schema: object): z.ZodType {
  const whole = JSON.stringify({ ...schema, $defs: document.components.schemas }).replaceAll('#/components/schemas/', '#/$defs/')
  return z.fromJSONSchema(JSON.parse(whole))
}

const isEmpty = (named: Named): boolean => named.operation.requestBody === undefined

describe('the OpenAPI document', () => {
  test('has an operationId for each operation, each its own', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(ids.every((id) => /^[a-z][A-Za-z]+$/.test(id))).toBe(true)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('has no reference that leads nowhere, and no schema that nothing leads to', () => {
    const text = JSON.stringify(document)
    const references = new Set(
      [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference = '']) => reference.replace('#/components/schemas/', '')),
    )
    expect([...references].toSorted()).toEqual(Object.keys(document.components.schemas).toSorted())
  })

  test('has errors of our own API as application/problem+json, and an answer of 401 wherever a key is asked for', () => {
    for (const { path, operation } of operations.filter(({ path }) => /^\/v1\/(?!images\/(generations|edits))/.test(path))) {
      for (const [status, { content }] of Object.entries(operation.responses))
        if (Number(status) >= 400 && content)
          expect([path, status, Object.keys(content)]).toEqual([path, status, ['application/problem+json']])
    }
    const open = operations.filter(({ operation }) => operation.security?.length === 0).map(({ path }) => path)
    expect(open.toSorted()).toEqual(expect.arrayContaining(['/healthz', '/problems/{code}', '/readyz']))
    for (const { operation } of operations.filter(({ path }) => !open.includes(path))) expect(operation.responses).toHaveProperty('401')
  })

  test('is without an error and without a warning to @redocly/cli', async () => {
    const file = join(gateway.folder, 'openapi.json')
    writeFileSync(file, JSON.stringify(document))
    const program = join(ROOT, 'node_modules/@redocly/cli/bin/cli.js')
    const linted = await run(process.execPath, [program, 'lint', file, '--format', 'json', '--config', join(ROOT, 'redocly.yaml')], {
      env: { ...BARE_ENVIRONMENT, REDOCLY_TELEMETRY: 'off', CI: 'true' },
    }).catch((error: { stdout: string }) => error)
    expect(JSON.parse(linted.stdout)).toMatchObject({ totals: { errors: 0, warnings: 0 } })
  }, 60_000)

  test('has an example for every body, of every type that it may have', () => {
    const without = operations.filter(({ operation }) => {
      const content = Object.values(operation.requestBody?.content ?? {})
      return content.some(({ examples = {} }) => Object.keys(examples).length === 0)
    })
    expect(without.map(({ operation }) => operation.operationId)).toEqual([])
  })
})

describe('the examples of the OpenAPI document', () => {
  test('of every body work when they are sent, and are answered as the document says', async () => {
    const wrong: string[] = []
    for (const named of operations) {
      for (const [type, { examples = {} }] of Object.entries(named.operation.requestBody?.content ?? {}))
        for (const [name, { value }] of Object.entries(examples)) {
          const reply = await send(named, value, type)
          const fault = reply.ok ? await contradiction(named, reply) : `${reply.status} ${await reply.text()}`
          if (fault !== null) wrong.push(`${named.operation.operationId}, ${name}: ${fault}`)
        }
    }
    expect(wrong).toEqual([])
  }, 60_000)

  test('of every operation without a body work when they are sent, and are answered as the document says', async () => {
    const wrong: string[] = []
    for (const named of operations.filter(isEmpty)) {
      const reply = await send(named, undefined, '')
      const fault = reply.ok ? await contradiction(named, reply) : `${reply.status} ${await reply.text()}`
      await reply.body?.cancel().catch(() => {})
      if (fault !== null) wrong.push(`${named.operation.operationId}: ${fault}`)
    }
    expect(wrong).toEqual([])
  }, 60_000)

  test('refused bodies and unknown ids are answered as the document says, too', async () => {
    const wrong: string[] = []
    for (const named of operations) {
      const body = isEmpty(named) ? undefined : { nothing: true }
      const unknown = { ...named, path: named.path.replaceAll(/\{[^}]+\}/g, 'nothing') }
      const reply = await send(unknown, body, 'application/json')
      const fault = await contradiction(named, reply)
      if (fault !== null) wrong.push(`${named.operation.operationId}: ${fault}`)
    }
    expect(wrong).toEqual([])
  }, 60_000)
})
