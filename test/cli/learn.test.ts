import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Manifest } from '#contract'
import type { Draft } from '../../src/catalogue/learn/draft.ts'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { temporaryFolder, writeFiles } from '../catalogue/fake-providers.ts'
import { launchProcess } from '../e2e/gateway-process.ts'
import { ROOT } from '../support/source-tree.ts'
import { fakeTerminal } from './fake-gateway.ts'

const string = { type: 'string' }
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const json = (schema: object) => ({ content: { 'application/json': { schema } } })
const post = (summary: string, body: object, reply: object) => ({
  post: { summary, requestBody: json(body), responses: { 200: { description: 'ok', ...json(reply) }, 422: { description: 'no' } } },
})

/** A queue whose models have a path each; it sells videos too, and one image in a shape that nobody knows. */
const QUEUE = {
  openapi: '3.1.0',
  info: { title: 'Acme Images' },
  externalDocs: { url: 'https://docs.acme.example/' },
  paths: {
    '/v1/swift': post('Draws an image', ref('Swift'), { anyOf: [ref('Task'), { type: 'null' }] }),
    '/v1/grand': post(
      'Draws a large image',
      { allOf: [ref('Swift'), { properties: { steps: { type: 'integer', minimum: 1, maximum: 50 } } }] },
      ref('Task'),
    ),
    '/v1/video': post('Draws a film', ref('Swift'), ref('Task')),
    '/v1/oracle': post('Draws in words', { properties: { prompt: string } }, { properties: { drawing: string } }),
    '/v1/task': { get: { responses: { 200: { description: 'ok', ...json(ref('State')) } } } },
  },
  components: {
    securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-Acme-Key' } },
    schemas: {
      Swift: {
        required: ['prompt'],
        properties: {
          prompt: { ...string, minLength: 1, maxLength: 900 },
          width: { type: 'integer', minimum: 64, maximum: 2048, multipleOf: 16, default: 1024 },
          height: { type: 'integer', minimum: 64, maximum: 2048, multipleOf: 16 },
          seed: { anyOf: [{ type: 'integer', minimum: 0, maximum: 4294967295 }, { type: 'null' }] },
          output_format: { enum: ['jpg', 'png', 'avif'], default: 'png' },
          input_image: { anyOf: [{ ...string, format: 'uri' }, { type: 'null' }] },
          parent: ref('Swift'),
        },
      },
      Task: { properties: { id: string, polling_url: { ...string, format: 'uri' } } },
      State: {
        properties: {
          status: { enum: ['Pending', 'Ready', 'Content Moderated', 'Error', 'Recalibrating'] },
          result: { properties: { sample: { ...string, format: 'uri' } } },
        },
      },
    },
  },
}

/** What somebody reads on the vendor’s pages, by where the draft misses it. */
const READ: Readonly<Record<string, unknown>> = {
  base_url: 'http://127.0.0.1',
  hosts: ['127.0.0.1.example'],
  max_in_flight: 4,
  'shape.status.words.Recalibrating': 'pending',
  'declares.seed_returned': false,
  docs_url: 'https://docs.acme.example/swift',
  'limits.size.follows_reference': false,
  'limits.reference_images.forms': ['data_uri'],
}

interface Task {
  readonly path: string
  readonly body: object
  readonly key: string | undefined
}
const tasks: Task[] = []
let vendor: Server
let url: string
beforeAll(async () => {
  const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  vendor = createServer((request, response) => {
    const answer = (body: object) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
    const { url: path = '' } = request
    if (path === '/openapi.json') return answer(QUEUE)
    if (path === '/image.png') return response.setHeader('content-type', 'image/png').end(png)
    if (path === '/large.json') return response.end(`{"a":"${'a'.repeat(21_000_000)}"}`)
    if (path.startsWith('/v1/task')) return answer({ status: 'Ready', result: { sample: `${url}/image.png` } })
    if (request.method !== 'POST') return response.writeHead(404).end()
    const accept = async () => {
      const body = await text(request)
      tasks.push({ path, body: JSON.parse(body) as object, key: request.headers['x-acme-key'] as string | undefined })
      answer({ id: `task-${tasks.length}`, polling_url: `${url}/v1/task?id=${tasks.length}` })
    }
    void accept()
  }).listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
})
afterAll(() => {
  vendor.closeAllConnections()
  vendor.close()
})

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The command as it is typed. */
const learn = (...args: readonly string[]): Promise<Ended> =>
  promisify(execFile)(process.execPath, [join(ROOT, 'bin/imagegate.mjs'), 'learn', ...args], { maxBuffer: 1 << 24 }).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, out: stdout, err: stderr }),
  )

function filled({ manifest, missing }: Draft): unknown {
  const whole = structuredClone(manifest) as Record<string, unknown>
  for (const { path } of missing) {
    const inModel = path.replace(/^models\.[^.]+(\.\d+)*\./, '')
    const known = Object.hasOwn(READ, path) ? path : inModel
    if (!Object.hasOwn(READ, known)) continue
    const names = path.split('.')
    const last = names.pop() ?? ''
    const at = names.reduce<Record<string, unknown>>((part, name) => part[name] as Record<string, unknown>, whole)
    at[last] = READ[known]
  }
  return whole
}

describe('imagegate learn', () => {
  test('drafts a queue from its address; filled in by what its pages say, the manifest alone sells', { timeout: 60_000 }, async () => {
    const folder = await temporaryFolder()
    const { code, out } = await learn(`${url}/openapi.json`, '--id', 'acme', '--json')
    expect(code).toBe(0)
    const draft = JSON.parse(out) as Draft
    expect(draft.manifest).toMatchObject({
      id: 'acme',
      title: 'Acme Images',
      auth: { header: 'x-acme-key', env: 'ACME_API_KEY' },
      max_in_flight: null,
      shape: {
        name: 'queue-by-returned-urls',
        path: '/v1/{provider_model}',
        body: { prompt: '/prompt', width: '/width', references: { at: '/input_image', as: 'first' } },
        models: { grand: { body: { steps: '/steps' } } },
        accepted: { id: '/id', poll: '/polling_url' },
        status: {
          at: '/status',
          words: { Pending: 'pending', Ready: 'done', 'Content Moderated': 'moderated', Error: 'failed', Recalibrating: null },
        },
        images: ['/result/sample'],
      },
    })
    const { models } = draft.manifest as { readonly models: Record<string, object> }
    expect(Object.keys(models)).toEqual(['swift', 'grand'])
    expect(models['grand']).toMatchObject({
      provider_model: 'grand',
      price: null,
      limits: {
        prompt: { min_chars: 1, max_chars: 900 },
        size: {
          kind: 'range',
          width: { min: 64, max: 2048, step: 16, default: 1024 },
          max_pixels: null,
          required: false,
          follows_reference: null,
        },
        reference_images: { max: 1, forms: null },
        seed: { min: 0, max: 4_294_967_295 },
        output_format: { values: ['jpeg', 'png'], default: 'png' },
        steps: { min: 1, max: 50 },
      },
    })
    expect(draft.others).toEqual(['POST /v1/oracle'])
    expect(draft.sources).toContainEqual({
      path: 'models.grand.limits.prompt.max_chars',
      from: '#/components/schemas/Swift/properties/prompt/maxLength',
    })
    expect(draft.missing.map(({ path }) => path)).toContain('models.swift.price')

    const manifest = Manifest.parse(filled(draft))
    await writeFiles(folder, { 'acme/manifest.json': { ...manifest, base_url: 'https://api.acme.example', hosts: ['api.acme.example'] } })
    const gateway = await launchProcess({
      providersDirectory: folder,
      providers: ['acme'],
      env: { ACME_API_KEY: 'a-key-of-acme-0123' },
      config: `providers: { acme: { base_url: "${url}" } }`,
    })
    const asked = { model: 'swift', prompt: 'a fox', width: 64, height: 64, reference_images: [] }
    expect(await gateway.generate(asked, { prefer: 'wait=60' })).toMatchObject({
      status: 'succeeded',
      cost: { quoted: null, amount: null },
    })
    expect(tasks).toMatchObject([{ path: '/v1/swift', body: { prompt: 'a fox', width: 64, height: 64 }, key: 'a-key-of-acme-0123' }])
    await gateway.close()
  })

  test('drafts an API of OpenAI’s shape from a file of YAML, prints the manifest and lists what it misses, and overwrites nothing', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, {
      'openapi.yaml': `openapi: 3.0.3
servers: [{ url: https://api.bright.example/v2 }]
components: { securitySchemes: { bearer: { type: http, scheme: bearer } } }
paths:
  /images/generations:
    post:
      requestBody: { content: { application/json: { schema: { properties: {
        model: { enum: [bright-1, team/bright-2] }, prompt: { type: string }, n: { type: integer, maximum: 4 },
        size: { enum: [1024x1024, 1536x1024] } } } } } }
      responses: { 200: { content: { application/json: { schema: { properties: { data: { items: { properties: { b64_json: { type: string } } } } } } } } } }
  /images/edits:
    post:
      requestBody: { content: { multipart/form-data: { schema: { properties: { prompt: { type: string }, image: { type: string } } } } } }
      responses: {}
`,
    })
    const [file, out] = [join(folder, 'openapi.yaml'), join(folder, 'manifest.json')]
    const { code, out: printed, err } = await learn(file)
    expect(code).toBe(0)
    expect(JSON.parse(printed)).toMatchObject({
      id: 'bright',
      base_url: 'https://api.bright.example/v2',
      hosts: ['api.bright.example'],
      auth: { header: 'authorization', scheme: 'Bearer' },
      shape: { name: 'openai-images', path: '/images/generations', size: 'size', references: 'multipart', edits_path: '/images/edits' },
      declares: { delivery: ['sync'], inline: true, batch: true },
      models: {
        'bright-1': { provider_model: 'bright-1', limits: { n: { max: 4 }, size: null } },
        'bright-2': { provider_model: 'team/bright-2' },
      },
    })
    expect(err).toMatch(/models\.bright-1\.limits\.size +the document names these: 1024x1024, 1536x1024/)
    expect((await learn(file, '--out', out)).code).toBe(0)
    expect(await learn(file, '--out', out)).toMatchObject({ code: 1, err: expect.stringContaining('manifest.json cannot be written') })
  })

  test('says in a sentence why nothing can be learned, and ends with 1', { timeout: 60_000 }, async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, {
      'old.json': { swagger: '2.0' },
      'chat.json': { openapi: '3.1.0', paths: { '/v1/chat/completions': post('Chats', { properties: { prompt: string } }, {}) } },
      'loops.json': {
        openapi: '3.1.0',
        paths: { '/v1/draw': post('Draws', ref('Self'), { $ref: '#/components/%zz' }) },
        components: { schemas: { Self: { allOf: Array.from({ length: 30 }, () => ref('Self')) } } },
      },
      'many.json': {
        openapi: '3.1.0',
        paths: Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`/v1/p${index}`, post('Draws', ref('Self'), ref('Self'))])),
        components: {
          schemas: {
            Self: {
              properties: Object.fromEntries(
                Array.from({ length: 300 }, (_, index) => [`field${index}`, { anyOf: Array.from({ length: 12 }, () => ref('Self')) }]),
              ),
            },
          },
        },
      },
      'list.json': '[1]',
      'broken.yaml': 'a: [',
      'deep.yaml': `a: ${'['.repeat(20_000)}`,
    })
    const reasons: Readonly<Record<string, string>> = {
      [join(folder, 'old.json')]: 'it is no OpenAPI document of version 3',
      [join(folder, 'chat.json')]: 'no operation of it takes a prompt and makes images',
      [join(folder, 'loops.json')]: 'no operation of it takes a prompt and makes images',
      [join(folder, 'many.json')]: 'no operation of it takes a prompt and makes images',
      [join(folder, 'list.json')]: 'it is no object of JSON or YAML',
      [join(folder, 'broken.yaml')]: 'cannot be read as JSON or YAML',
      [join(folder, 'deep.yaml')]: 'deep.yaml cannot be read as JSON or YAML: it is nested too deeply',
      [join(folder, 'none.json')]: 'none.json cannot be read: there is no such file',
      [`${url}/nowhere`]: 'answered 404; give the address of the document itself',
      [`${url}/large.json`]: 'larger than 20 MB',
    }
    const refused = async (source: string) => {
      const terminal = fakeTerminal({})
      return { code: await runCommandLine(['learn', source], terminal), err: terminal.stderr() }
    }
    const ended = await Promise.all(Object.keys(reasons).map(refused))
    expect(ended.map(({ code }) => code)).toEqual(ended.map(() => 1))
    for (const [index, reason] of Object.values(reasons).entries()) expect(ended[index]?.err).toContain(reason)
    expect(ended.map(({ err }) => err.trim().split('\n').length)).toEqual(ended.map(() => 1))
  })
})
