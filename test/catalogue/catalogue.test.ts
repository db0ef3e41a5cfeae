import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CatalogueError, loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { ADAPTER, fakeProviders, manifest, MEGAPIXEL_PRICE, modelEntry } from './fake-providers.ts'

const refusal = (directory: string) =>
  loadCatalogue(directory).then(
    () => 'it loaded',
    (error: unknown) => (error instanceof CatalogueError ? error.message : String(error)),
  )

describe('a folder of providers that cannot be used', () => {
  test('names the file that is not JSON', async () => {
    const directory = await fakeProviders({ 'acme/manifest.json': '{ "id": ' })
    expect(await refusal(directory)).toContain(`${join(directory, 'acme/manifest.json')}: not readable as JSON`)
  })

  test('names file and field of every wrong manifest at once', async () => {
    const directory = await fakeProviders({
      'acme/manifest.json': { ...manifest('acme', {}), max_in_flight: 0 },
      'zenith/manifest.json': manifest('zenith', { big: { ...modelEntry(), provider_model: '' } }),
    })
    const message = await refusal(directory)
    expect(message).toContain(`${join(directory, 'acme/manifest.json')}: max_in_flight: `)
    expect(message).toContain(`${join(directory, 'zenith/manifest.json')}: models.big.provider_model: `)
  })

  test.each([
    ['cents written as dollars', { kind: 'per_image', per_image: '5' }, 'per_image'],
    ['a negative amount', { kind: 'per_image', per_image: '-0.04' }, 'per_image'],
    ['a slipped decimal point', { ...MEGAPIXEL_PRICE, extra_output: '0.000015' }, 'extra_output'],
    ['a reference dearer than any image', { ...MEGAPIXEL_PRICE, reference: '15' }, 'reference'],
  ])('refuses %s as a price, by its field', async (_, price, field) => {
    const provenance = { as_of: '2026-11-01', source_url: 'https://prices.example.com/' }
    const directory = await fakeProviders({ 'acme/manifest.json': manifest('acme', { big: modelEntry({ ...provenance, ...price }) }) })
    expect(await refusal(directory)).toMatch(
      new RegExp(`models\\.big\\.price\\.${field}: .+ is no likely price: US dollars \\(not cents\\)`),
    )
  })

  test.each(['https://keys.elsewhere.example/jwks.json', 'http://api.acme.example/jwks.json'])(
    'refuses keys that sign callbacks from %s, which is no https address of the manifest’s hosts',
    async (jwks_url) => {
      const headers = { signed: ['x-id', 'x-at'], id: 'x-id', timestamp: 'x-at', signature: 'x-signed' }
      const callbacks = { signature: { scheme: 'ed25519-jwks', jwks_url, headers } }
      const directory = await fakeProviders({ 'acme/manifest.json': { ...manifest('acme', { big: modelEntry() }), callbacks } })
      expect(await refusal(directory)).toContain('callbacks.signature.jwks_url: is not an https address of the hosts of this manifest')
    },
  )

  test('refuses a manifest whose id is not its folder’s name', async () => {
    const directory = await fakeProviders({ 'acme/manifest.json': manifest('other', {}) })
    expect(await refusal(directory)).toContain('id: "other" is not the name of its folder, "acme"')
  })

  test('takes a manifest that names a shape without an adapter, and not one that names a shape nobody knows, or has both', async () => {
    const shaped = (shape: object) => ({ ...manifest('relay', { big: modelEntry() }), shape })
    const known = await fakeProviders({ 'relay/manifest.json': shaped({ name: 'openai-images' }) })
    expect((await loadCatalogue(known)).providers.get('relay')?.adapter.translate).toBeTypeOf('function')
    expect(await refusal(await fakeProviders({ 'relay/manifest.json': shaped({ name: 'unheard-of' }) }))).toContain(
      'shape.name: is none of the shapes we know',
    )
    const faulty = shaped({ name: 'openai-images', size: 'huge', references: 'some' })
    expect(await refusal(await fakeProviders({ 'relay/manifest.json': faulty }))).toMatch(/shape\.size: .*\n.*shape\.references: /)
    const both = await fakeProviders({ 'relay/manifest.json': shaped({ name: 'openai-images' }), 'relay/adapter.ts': ADAPTER })
    expect(await refusal(both)).toContain('stands beside a manifest that names a shape')
  })

  test('says that an adapter is missing', async () => {
    const directory = await fakeProviders()
    await rm(join(directory, 'acme/adapter.ts'))
    expect(await refusal(directory)).toContain(`${join(directory, 'acme/adapter.ts')}: does not exist`)
  })

  test('says which part an adapter does not export', async () => {
    const directory = await fakeProviders({ 'acme/adapter.ts': 'export const adapter = { options: { safeParse() {} }, translate() {} }' })
    expect(await refusal(directory)).toContain(`${join(directory, 'acme/adapter.ts')}: adapter.interpret: is missing`)
  })

  test('says why an adapter cannot be imported', async () => {
    const directory = await fakeProviders({ 'acme/adapter.ts': `throw new Error('half written')\n${ADAPTER}` })
    expect(await refusal(directory)).toContain('cannot be imported: half written')
  })

  test('says that the folder itself is not there', async () => {
    expect(await refusal('/nowhere/at/all')).toBe('/nowhere/at/all: the providers folder cannot be read (ENOENT)')
  })
})

describe('the catalogue', () => {
  test('finds every folder with a manifest, by id, and no other', async () => {
    const catalogue = await loadCatalogue(await fakeProviders())
    expect([...catalogue.providers.keys()]).toEqual(['acme', 'zenith'])
    expect(catalogue.models).toEqual(['big', 'small'])
  })

  test('offers a model once per provider that sells it, with the manifest’s price', async () => {
    const catalogue = await loadCatalogue(await fakeProviders())
    expect(catalogue.offers('big').map(({ provider, price }) => [provider, price?.kind ?? null])).toEqual([
      ['acme', 'megapixel'],
      ['zenith', null],
    ])
    expect(catalogue.offers('tiny')).toEqual([])
  })

  test('loads an emulator on demand and says where there is none', async () => {
    const directory = await fakeProviders()
    const catalogue = await loadCatalogue(directory)
    const startEmulator = await catalogue.loadEmulator('acme')
    expect((await startEmulator()).url).toBe('http://127.0.0.1:1')
    await expect(catalogue.loadEmulator('zenith')).rejects.toThrow(`${join(directory, 'zenith/emulator.ts')} does not exist`)
    await expect(catalogue.loadEmulator('nobody')).rejects.toThrow('no provider "nobody" is installed; there are: acme, zenith')
  })
})
