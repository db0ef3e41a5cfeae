import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { adapterOfShape } from '#adapter-kit'
import { Manifest, type Adapter, type Offer, type Provider } from '#contract'
import type { StartEmulator } from '#sandbox'
import { ROOT } from './source-tree.ts'

/** Another folder sits the exam where the environment names one. */
export const PROVIDERS = process.env['EXAMINED_PROVIDERS'] ?? join(ROOT, 'providers')

/** The ids of every provider's folder, sorted. */
export const providerFolders = (): readonly string[] =>
  readdirSync(PROVIDERS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(PROVIDERS, entry.name, 'manifest.json')))
    .map((entry) => entry.name)
    .sort()

/** Whether its folder holds nothing but a manifest, so that there is no case of it and nothing emulates it. */
export const isManifestAlone = (id: string): boolean => readdirSync(join(PROVIDERS, id)).length === 1

export const readManifestJson = (id: string): unknown => JSON.parse(readFileSync(join(PROVIDERS, id, 'manifest.json'), 'utf8'))

export const readManifest = (id: string): Manifest => Manifest.parse(readManifestJson(id))

const load = async (id: string, file: string): Promise<Record<string, unknown>> => {
  const loaded: unknown = await import(pathToFileURL(join(PROVIDERS, id, file)).href)
  return loaded as Record<string, unknown>
}

export async function loadProvider(id: string): Promise<Provider> {
  const manifest = readManifest(id)
  if (manifest.shape !== undefined) return { id, manifest, adapter: adapterOfShape(manifest, manifest.shape) }
  const { adapter } = await load(id, 'adapter.ts')
  if (adapter === undefined) throw new Error(`providers/${id}/adapter.ts exports no \`adapter\``)
  return { id, manifest, adapter: adapter as Adapter }
}

/** Every installed provider, sorted by id. */
export const loadProviders = (): Promise<readonly Provider[]> => Promise.all(providerFolders().map((id) => loadProvider(id)))

export async function loadEmulator(id: string): Promise<StartEmulator> {
  const { startEmulator } = await load(id, 'emulator.ts')
  if (startEmulator === undefined) throw new Error(`providers/${id}/emulator.ts exports no \`startEmulator\``)
  return startEmulator as StartEmulator
}

/** What a provider sells, at its published prices. */
export const offersOf = ({ id, manifest }: Provider): readonly Offer[] =>
  Object.entries(manifest.models).map(([model, entry]) => ({
    provider: id,
    model,
    providerModel: entry.provider_model,
    limits: entry.limits,
    price: entry.price,
  }))
