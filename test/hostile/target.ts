import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { judgeOf, operationsOf } from '../support/openapi-judge.ts'
import type { Judge, Named, OpenapiDocument } from '../support/openapi-judge.ts'

/** The long form, `npm run fuzz`, sends this many times more, and other requests each time. */
export const TIMES = Number(process.env['FUZZ_TIMES'] ?? 1)
export const SEED = Number(process.env['FUZZ_SEED'] ?? (TIMES === 1 ? 20_261_121 : Date.now() % 2 ** 31))

/** Of scope admin, where the target has keys. */
export const KEY = 'the-key-of-the-fuzz-tests'

export interface Target {
  readonly isKeyed: boolean
  readonly url: string
  readonly document: OpenapiDocument
  readonly operations: readonly Named[]
  readonly judge: Judge
  /** Everything it has logged. */
  said(): string
  ask<T>(path: string, body?: object): Promise<T>
  close(): Promise<void>
}

/** A gateway in its own process, with emulated vendors that are quick, and what its OpenAPI document says. */
export async function startTarget({ isKeyed }: { readonly isKeyed: boolean }): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-fuzz-'))
  const hash = createHash('sha256').update(KEY).digest('hex')
  const keys = `keys: [{ name: root, key_hash: ${hash}, scope: admin, rate: { per_minute: 1000000 } }]\n`
  writeFileSync(join(folder, 'imagegate.yaml'), `${isKeyed ? keys : ''}network: { allow: ["127.0.0.0/8"] }\n`)
  const server = await startOverridden(
    { IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data') },
    { providers: ['bfl', 'runware', 'vtrix'], sandboxTypicalMs: 20 },
  )
  const ask = async <T>(path: string, body?: object): Promise<T> => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
    const reply = await fetch(`${server.url}${path}`, { headers, ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}) })
    return (await reply.json()) as T
  }
  const document = await ask<OpenapiDocument>('/openapi.json')
  return {
    isKeyed,
    url: server.url,
    document,
    // The first key would turn keys on.
    operations: operationsOf(document).filter(({ operation }) => isKeyed || operation.operationId !== 'createKey'),
    judge: judgeOf(document),
    said: server.said,
    ask,
    async close() {
      await server.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What path parameters can name, by the parameter or by the beginning of the path. */
export async function makeOneOfEach({ url, ask, isKeyed }: Target): Promise<Readonly<Record<string, readonly string[]>>> {
  const lighthouse = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }
  const generation = await ask<Generation>('/v1/generations', { ...lighthouse, webhook: { url: `${url}/v1/nothing` } })
  const comparison = await ask<{ readonly id: string }>('/v1/comparisons', lighthouse)
  const { data } = await ask<{ readonly data: readonly { readonly id: string }[] }>('/v1/webhooks/deliveries')
  if (isKeyed) for (const name of ['team-a', 'team-b']) await ask('/v1/keys', { name })
  const [image] = generation.images
  return {
    '/v1/generations': [generation.id],
    '/v1/comparisons': [comparison.id],
    '/v1/webhooks': data.map(({ id }) => id),
    '/v1/models': ['flux-2-pro', 'bfl/flux-2-pro'],
    '/bfl/v1': [generation.id, 'flux-2-pro', 'flux-2-flex'],
    file: [new URL(image?.url ?? '').pathname.split('/').at(-1) ?? ''],
    sha256: [image?.sha256 ?? ''],
    format: [image?.format ?? ''],
    name: ['team-a', 'team-b', 'root'],
  }
}
