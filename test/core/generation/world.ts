import { blankGeneration } from '../../../src/core/blank-records.ts'
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { Manifest } from '#contract'
import type { Adapter, Call, GenerationRequest, Outcome, Provider, Reply } from '#contract'
import type { GenerationRecord, Route } from '../../../src/core/records.ts'
import type { Patience } from '../../../src/core/generation/open-generation.ts'
import { createRun } from '../../../src/core/generation/run.ts'
import { AssetError } from '../../../src/core/ports.ts'
import type { Availability, Downloaded, Ports, Sent, Store } from '../../../src/core/ports.ts'
import { migrate } from '../../../src/store/sqlite/migrations.ts'
import { sqliteStore } from '../../../src/store/sqlite/store.ts'

/** A clock that stands still until it is moved. The wall clock can jump; the monotonic one cannot. */
export function manualClock(start = 1_000_000) {
  let elapsed = 0
  let wall = start
  let timers: { at: number; callback: () => void }[] = []
  return {
    now: () => wall + elapsed,
    monotonicMs: () => start + elapsed,
    after(delayMs: number, callback: () => void) {
      const timer = { at: elapsed + delayMs, callback }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    /** The wall clock is set. */
    jump(ms: number) {
      wall += ms
    },
    /** The process stands still for a while; then everything that became due is due at once. */
    async suspend(ms: number) {
      await settled()
      elapsed += ms
      await this.pass(0)
    },
    /** Lets time pass, one timer after the other, with everything they cause. */
    async pass(ms: number) {
      const end = elapsed + ms
      await settled()
      for (;;) {
        const next = timers.filter((timer) => timer.at <= end).toSorted((a, b) => a.at - b.at)[0]
        if (!next) break
        timers = timers.filter((timer) => timer !== next)
        elapsed = Math.max(elapsed, next.at)
        next.callback()
        await settled()
      }
      elapsed = end
      await settled()
    },
  }
}

/** Everything that can happen without time passing has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export const limits = {
  prompt: { min_chars: 1, max_chars: 1000 },
  size: {
    kind: 'range',
    width: { type: 'range', min: 64, max: 2048 },
    height: { type: 'range', min: 64, max: 2048 },
    max_pixels: null,
    required: false,
    follows_reference: false,
  },
  reference_images: { max: 4, forms: ['url', 'base64'] },
  n: { max: 1 },
  seed: { type: 'range', min: 0, max: 4294967295 },
  output_format: { type: 'enum', values: ['jpeg'], default: 'jpeg' },
  output_quality: null,
  safety_tolerance: null,
  prompt_upsampling: { type: 'boolean', default: null, settable: false },
  guidance: null,
  steps: null,
}

const price = { kind: 'per_image', per_image: '0.04', as_of: '2026-11-01', source_url: 'https://vendor.example/prices' } as const

/** The provider `bytes` takes no links. */
function manifestOf(id: string): Manifest {
  return Manifest.parse({
    id,
    title: id,
    docs_url: 'https://vendor.example/docs',
    base_url: 'https://vendor.example',
    hosts: ['vendor.example'],
    auth: { header: 'x-key', env: `${id.toUpperCase()}_KEY` },
    max_in_flight: 8,
    timeouts: { submit_ms: 5_000, poll_ms: 5_000, deadline_ms: 60_000 },
    polling: { first_ms: 1_000, min_ms: 500, max_ms: 4_000 },
    result_url_ttl_ms: 600_000,
    webhook_secret_header: null,
    declares: {
      delivery: ['sync', 'poll'],
      batch: false,
      recover: false,
      cost: 'at_result',
      seed_returned: true,
      balance: false,
      webhook: false,
    },
    models: {
      'model-x': {
        provider_model: 'x-1',
        docs_url: 'https://vendor.example/docs',
        limits: id === 'bytes' ? { ...limits, reference_images: { max: 4, forms: ['base64'] } } : limits,
        price,
      },
    },
  })
}

/** Its replies hold the outcome itself, so that a test writes down what the vendor would mean. */
export const scripted: Adapter = {
  options: z.object({}),
  translate: (order) => ({
    call: {
      purpose: 'submit',
      method: 'POST',
      url: '/submit',
      body: {
        task: order.taskId,
        seed: order.seed ?? null,
        references: order.references,
        ...(order.mask === undefined ? {} : { mask: order.mask }),
      },
    },
    warnings: [],
  }),
  interpret: (reply) => reply.body as unknown as Outcome,
}

export const pollCall: Call = { purpose: 'poll', method: 'GET', url: '/task/1' }
export const recoverCall: Call = { purpose: 'recover', method: 'GET', url: '/recover' }
export const says = (outcome: Outcome): Sent => ({ kind: 'reply', reply: { status: 200, headers: {}, body: outcome } as unknown as Reply })
export const pending = (more: Partial<Extract<Outcome, { kind: 'pending' }>> = {}): Sent =>
  says({ kind: 'pending', next: pollCall, afterMs: 1_000, taskId: 'vendor-1', ...more })
export const done = (...urls: string[]): Sent =>
  says({
    kind: 'done',
    images: urls.map((url) => ({ source: { kind: 'url', url }, seed: '7' })),
    cost: { amount: '0.05', raw: 0.05 },
    taskId: 'vendor-1',
  })
export const failed = (
  code:
    | 'moderated'
    | 'outcome_unknown'
    | 'provider_unauthorized'
    | 'rate_limited'
    | 'provider_unavailable'
    | 'provider_rejected'
    | 'insufficient_credit',
  billed: boolean | 'unknown',
  more: object = {},
): Sent => says({ kind: 'failed', failure: { code, message: `the vendor said ${code}`, billed, ...more } })

/** The call is refused; nothing is said about the task. */
export const refused = (status: number, more: object = {}): Sent =>
  says({
    kind: 'refused',
    failure: {
      code: 'provider_unavailable',
      message: `the vendor answered ${status}`,
      billed: 'unknown',
      provider_status: status,
      ...more,
    },
  })

export type Script = (call: Call, provider: string) => Sent | Promise<Sent>

export interface WorldOptions {
  readonly script: Script
  readonly recover?: boolean
  readonly maxInFlight?: number
  readonly keepImages?: boolean
  readonly download?: (url: string) => Downloaded | Promise<Downloaded>
  readonly store?: Store
  readonly adapter?: Adapter
  readonly hooks?: Ports['hooks']
  readonly patience?: Patience
  /** By provider; open where absent. */
  readonly availability?: (provider: string) => Availability
  readonly put?: Ports['assets']['put']
}

const IMAGE = Buffer.from('an image')

/** A run whose vendors are scripts, on a real store in memory. */
export function createWorld(options: WorldOptions) {
  const clock = manualClock()
  const database = new DatabaseSync(':memory:')
  migrate(database)
  const store = options.store ?? sqliteStore(database)
  const calls: { provider: string; call: Call }[] = []
  const logged: { level: string; fields: object; message: string }[] = []
  const downloads: string[] = []
  let count = 0
  const next = (prefix: string) => `${prefix}_${++count}`
  const adapter: Adapter = { ...(options.adapter ?? scripted), ...(options.recover ? { recover: () => recoverCall } : {}) }
  const provider = (id: string): Provider => ({ id, manifest: manifestOf(id), adapter })
  const log = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message })
  const held = new Set<string>()
  const download = async (url: string) => {
    downloads.push(url)
    return options.download?.(url) ?? image()
  }
  const ports: Ports = {
    clock,
    ids: { generation: () => next('gen'), attempt: () => next('att'), image: () => next('img'), task: () => next('task') },
    connect(id) {
      const installed = ports.settings.provider(id)
      if (installed === null) return null
      held.add(id)
      return {
        provider: installed,
        async send(call) {
          calls.push({ provider: id, call })
          return options.script(call, id)
        },
        download,
        release: () => void held.delete(id),
      }
    },
    download,
    store,
    assets: {
      examine: (source, maxBytes) => ports.assets.put(source, maxBytes),
      putReference: (source, maxBytes) => ports.assets.put(source, maxBytes),
      async put(source) {
        const bytes = Buffer.isBuffer(source) ? source : await collect(source)
        if (bytes.includes('not an image')) throw new AssetError('not_an_image', 'not an image')
        return { sha256: createHash('sha256').update(bytes).digest('hex'), format: 'jpeg', width: 1024, height: 1024, bytes: bytes.length }
      },
      open: async () => null,
      read: async () => IMAGE,
      link: async () => null,
      small: async () => null,
      measure: async () => null,
    },
    settings: {
      sandbox: false,
      keepImages: options.keepImages ?? true,
      slotWaitMs: 2_000,
      availability: (id) => options.availability?.(id) ?? { kind: 'open' },
      maxImageBytes: 1_000_000,
      provider: (id) => (id === 'removed' ? null : { ...provider(id), maxInFlight: options.maxInFlight ?? 8 }),
    },
    observer: { submitted() {}, taskEnded() {}, generationEnded() {} },
    log: { info: log('info'), warn: log('warn'), error: log('error') },
    ...(options.hooks ? { hooks: options.hooks } : {}),
  }
  const submits = () => calls.filter(({ call }) => call.purpose === 'submit').length
  return { ports, clock, store, calls, logged, downloads, submits, held, run: createRun(ports, options.patience) }
}

export type World = ReturnType<typeof createWorld>

export function image(text = 'an image'): Downloaded {
  return { kind: 'body', stream: Readable.from([Buffer.from(text)]), contentType: 'image/jpeg', statedBytes: null }
}

async function collect(source: Readable): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of source) parts.push(Buffer.from(part as Buffer))
  return Buffer.concat(parts)
}

const route = (provider: string, tasks: readonly number[]): Route => ({
  provider,
  model: 'model-x',
  providerModel: 'x-1',
  applied: { n: tasks.length, reference_images: 0, width: 1024, height: 1024 },
  warnings: [],
  tasks,
  quoted: { amount: '0.04', lines: [] },
  price,
  options: {},
})

let generations = 0

/** A planned generation, about to be accepted. */
export function planned(
  providers: readonly string[],
  more: { tasks?: readonly number[]; seed?: number; request?: Partial<GenerationRequest> } = {},
): GenerationRecord {
  const tasks = more.tasks ?? [1]
  return {
    ...blankGeneration(),
    id: `gen_${String(++generations).padStart(6, '0')}`,
    createdAt: 1_000_000,
    request: { model: 'model-x', prompt: 'a lighthouse', ...more.request },
    model: 'model-x',
    routing: { strategy: 'order', considered: [] },
    routes: providers.map((id) => {
      const one = route(id, tasks)
      return more.seed === undefined ? one : { ...one, applied: { ...one.applied, seed: more.seed } }
    }),
  }
}

/** Accepts, lets `ms` pass, and reads what is on disk then. */
export async function runFor(world: World, record: GenerationRecord, ms: number): Promise<GenerationRecord> {
  await world.run.accept(record, null)
  await world.clock.pass(ms)
  return onDisk(world, record.id)
}

export async function onDisk(world: World, id: string): Promise<GenerationRecord> {
  const record = await world.store.generation(id)
  if (!record) throw new Error(`no generation ${id}`)
  return record
}
