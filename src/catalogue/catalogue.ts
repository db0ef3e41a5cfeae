import { readdir } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Manifest, Offer, Provider } from '#contract'
import type { StartEmulator } from '#sandbox'
import { CatalogueError, CODE_ENDING, readProvider, shapedProvider } from './read-provider.ts'

/** Every installed provider and what it sells, read once at start. */
export interface Catalogue {
  /** By id, in the order of the folder names. */
  readonly providers: ReadonlyMap<string, Provider>
  /** Canonical ids, sorted. */
  readonly models: readonly string[]
  /** One offer per provider that sells the model, with the manifest's own prices, in the order of provider ids. Empty where nobody does. */
  offers(model: string): readonly Offer[]
  /** Whether the provider can be played in the sandbox. */
  hasEmulator(id: string): boolean
  /** These providers and others besides, each a manifest that names its shape; the same object for the same list. */
  with(manifests: readonly Manifest[]): Catalogue
  /** Loads the provider's emulator on demand; rejects with `CatalogueError` where the provider is unknown or has none. */
  loadEmulator(id: string): Promise<StartEmulator>
}

/** The `providers/` folder beside `src/`. */
export const PROVIDERS_DIRECTORY = fileURLToPath(new URL('../../providers/', import.meta.url))

/**
 * Finds `providers/<id>/manifest.json` and the adapter beside it. A folder without a manifest is not a provider. `only` leaves out every
 * other provider, as if its folder were not there.
 * @throws CatalogueError with every wrong file and field, not only the first
 */
export async function loadCatalogue(directory: string = PROVIDERS_DIRECTORY, only?: readonly string[]): Promise<Catalogue> {
  const folders = (await providerFolders(directory)).filter((folder) => only?.includes(basename(folder)) ?? true)
  const read = await Promise.all(folders.map((folder) => readProvider(folder)))
  const problems = read.flatMap((result) => (result.kind === 'refused' ? result.problems : []))
  if (problems.length > 0) throw new CatalogueError(problems.join('\n'))
  const providers = new Map(read.flatMap((result) => (result.kind === 'provider' ? [[result.provider.id, result.provider] as const] : [])))
  return catalogueOf(directory, providers)
}

function catalogueOf(directory: string, providers: ReadonlyMap<string, Provider>): Catalogue {
  const offers = offersByModel(providers)
  const extended = new WeakMap<readonly Manifest[], Catalogue>()
  const installed: Catalogue = {
    providers,
    models: [...offers.keys()].sort(),
    offers: (model) => offers.get(model) ?? [],
    hasEmulator: (id) => providers.has(id) && existsSync(emulatorFile(directory, id)),
    with(manifests) {
      if (manifests.length === 0) return installed
      const known = extended.get(manifests)
      if (known) return known
      const others = manifests.map((manifest) => [manifest.id, shapedProvider(manifest)] as const)
      const both = catalogueOf(directory, new Map([...providers, ...others]))
      extended.set(manifests, both)
      return both
    },
    loadEmulator: (id) => loadEmulator(directory, id, providers),
  }
  return installed
}

const emulatorFile = (directory: string, id: string): string => join(directory, id, `emulator.${CODE_ENDING}`)

async function providerFolders(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw new CatalogueError(`${directory}: the providers folder cannot be read (${error.code ?? error.message})`)
  })
  return entries
    .filter((entry) => entry.isDirectory() && existsSync(join(directory, entry.name, 'manifest.json')))
    .map((entry) => join(directory, entry.name))
    .sort()
}

function offersByModel(providers: ReadonlyMap<string, Provider>): ReadonlyMap<string, readonly Offer[]> {
  const offers = new Map<string, Offer[]>()
  for (const { id, manifest } of providers.values()) {
    for (const [model, entry] of Object.entries(manifest.models)) {
      const { provider_model: providerModel, limits, price, retires_on: retiresOn, replaced_by: replacedBy } = entry
      const end = { ...(retiresOn !== undefined && { retiresOn }), ...(replacedBy !== undefined && { replacedBy }) }
      const offer: Offer = { provider: id, model, providerModel, limits, price, ...end }
      offers.set(model, [...(offers.get(model) ?? []), offer])
    }
  }
  return offers
}

async function loadEmulator(directory: string, id: string, providers: ReadonlyMap<string, Provider>): Promise<StartEmulator> {
  if (!providers.has(id)) throw new CatalogueError(`no provider "${id}" is installed; there are: ${[...providers.keys()].join(', ')}`)
  const file = emulatorFile(directory, id)
  if (!existsSync(file)) throw new CatalogueError(`${file} does not exist: provider "${id}" has no emulator`)
  const loaded: { readonly startEmulator?: unknown } = await import(pathToFileURL(file).href)
  if (typeof loaded.startEmulator !== 'function') throw new CatalogueError(`${file}: must export a function \`startEmulator\``)
  return loaded.startEmulator as StartEmulator
}

export { CatalogueError } from './read-provider.ts'
