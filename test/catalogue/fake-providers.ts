import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { PRO_PRICE } from '../core/plan/offers.ts'

const range = (min: number, max: number) => ({ type: 'range', min, max })

const limits = {
  prompt: { min_chars: 1, max_chars: 1000 },
  size: { kind: 'range', width: range(64, 2048), height: range(64, 2048), max_pixels: null, required: false, follows_reference: false },
  reference_images: { max: 0, forms: [] },
  n: { max: 1 },
  seed: null,
  output_format: { type: 'enum', values: ['jpeg'], default: 'jpeg' },
  output_quality: null,
  safety_tolerance: null,
  prompt_upsampling: { type: 'boolean', default: null, settable: false },
  guidance: null,
  steps: null,
}

const PRICE = { kind: 'per_image', per_image: '0.04', as_of: '2026-11-01', source_url: 'https://prices.example.com/' }
export const MEGAPIXEL_PRICE = { ...PRO_PRICE, as_of: '2026-11-01', source_url: 'https://prices.example.com/' }

export const modelEntry = (price: object | null = PRICE) => ({
  provider_model: 'vendor-id',
  docs_url: 'https://docs.example.com/model',
  limits,
  price,
})

export const manifest = (id: string, models: object) => ({
  id,
  title: id.toUpperCase(),
  docs_url: 'https://docs.example.com/',
  base_url: `https://api.${id}.example`,
  hosts: [`api.${id}.example`],
  auth: { header: 'x-key', env: `${id.toUpperCase()}_API_KEY` },
  max_in_flight: 8,
  timeouts: { submit_ms: 1000, poll_ms: 1000, deadline_ms: 10_000 },
  polling: { first_ms: 100, min_ms: 50, max_ms: 1000 },
  result_url_ttl_ms: null,
  webhook_secret_header: null,
  declares: { delivery: ['poll'], batch: false, recover: false, cost: 'none', seed_returned: false, balance: false, webhook: false },
  models,
})

export const ADAPTER = `
export const adapter = {
  options: { safeParse: (value) => Object.keys(value).every((key) => key === 'tone') ? { success: true, data: value } : { success: false, error: { issues: [{ path: ['tone'], message: 'only tone is known' }] } } },
  translate: () => ({ call: { purpose: 'submit', method: 'POST', url: '/' }, warnings: [] }),
  interpret: () => ({ kind: 'pending', next: { purpose: 'poll', method: 'GET', url: '/' }, afterMs: null }),
}
`
const SANDBOX = `export const startEmulator = async () => ({ url: 'http://127.0.0.1:1', submits: () => 0, close: async () => {} })`

/** A fresh folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'imagegate-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Writes files by their path below `folder`. */
export async function writeFiles(folder: string, files: Readonly<Record<string, string | object>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content))
  }
}

/** Two tiny providers: `acme` sells big (by megapixel) and small, `zenith` sells big without a price. */
export async function fakeProviders(more: Readonly<Record<string, string | object>> = {}): Promise<string> {
  const folder = await temporaryFolder()
  await writeFiles(folder, {
    'README.md': 'how to add one',
    'notes/ideas.txt': 'not a provider',
    'zenith/manifest.json': manifest('zenith', { big: modelEntry(null) }),
    'zenith/adapter.ts': ADAPTER,
    'acme/manifest.json': manifest('acme', { small: modelEntry(), big: modelEntry(MEGAPIXEL_PRICE) }),
    'acme/adapter.ts': ADAPTER,
    'acme/emulator.ts': SANDBOX,
    ...more,
  })
  return folder
}
