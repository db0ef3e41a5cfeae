import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Catalogue } from '../../src/catalogue/catalogue.ts'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { liveConfig, type Prepared, type Reloaded } from '../../src/config/watch.ts'
import { objections } from '../../src/config/protection.ts'
import { stateOf, watchFiles } from '../../src/config/watch-files.ts'
import { watchConfiguration } from '../../src/gateway/watch-configuration.ts'
import { fakeProviders, temporaryFolder } from '../catalogue/fake-providers.ts'

const hasKeys = ({ keys }: Config): boolean => keys.length > 0

async function live(yaml: string, env: Record<string, string> = {}) {
  const path = join(await temporaryFolder(), 'imagegate.yaml')
  const catalogue: Catalogue = await loadCatalogue(await fakeProviders())
  const load = () => loadConfig({ env, path, catalogue })
  await writeFile(path, yaml)
  const started = await load()
  if (started.kind === 'refused') throw new Error(JSON.stringify(started.problems))
  const reports: Reloaded[] = []
  const applied: Config[] = []
  const world = {
    path,
    started: started.config,
    reports,
    applied,
    prepare: (next: Config): Prepared => ({ kind: 'prepared', apply: () => void applied.push(next) }),
    config: liveConfig({
      started: started.config,
      files: started.files,
      load,
      prepare: (next): Prepared => world.prepare(next),
      isAnyKeyLive: hasKeys,
      report: (reloaded) => reports.push(reloaded),
    }),
  }
  return world
}

describe('reading again', () => {
  test('a bad file is refused with every problem and the old snapshot stays', async () => {
    const { config, reports, path, started } = await live('assets: { keep: true }')
    await writeFile(path, 'assets: { kep: false }\nmodels: { nothing: {} }')
    const reloaded = await config.reload()
    expect(reloaded).toMatchObject({
      kind: 'refused',
      problems: [
        { path: 'assets.kep', line: 1 },
        { path: 'models.nothing', line: 2 },
      ],
    })
    expect(reports).toEqual([reloaded])
    expect(config.current()).toBe(started)
  })

  test('a good file is in force at once, and names what waits for a restart', async () => {
    const { config, path } = await live('')
    await writeFile(path, 'server: { port: 9999 }\nassets: { keep: false }\nmodels: { big: { route: { order: [zenith] } } }')
    expect(await config.reload()).toMatchObject({ kind: 'swapped', needRestart: ['server.port'] })
    expect(config.current().models.get('big')?.route).toEqual({ order: ['zenith'] })
    expect(config.current().assets.keep).toBe(false)
  })

  test('an edit that would mix sandbox and real vendors is refused', async () => {
    const { config, path, started } = await live('')
    await writeFile(path, 'providers: { acme: { api_key: k } }')
    expect(await config.reload()).toMatchObject({
      kind: 'refused',
      problems: [{ message: expect.stringContaining('turns the sandbox off') as string, remedy: 'restart' }],
    })
    expect(config.current()).toBe(started)
  })

  test('a file without the keys that are in force, empty or gone, is refused: turning keys off needs a restart', async () => {
    const { config, path, started } = await live(`keys: [ { name: team-a, key_hash: ${'ab'.repeat(32)} } ]`)
    await writeFile(path, '')
    expect(await config.reload()).toMatchObject({
      kind: 'refused',
      problems: [{ message: 'the configuration file is empty' }, { path: 'keys', remedy: 'restart to turn keys off' }],
    })
    await writeFile(path, 'assets: { keep: false }')
    expect(await config.reload()).toMatchObject({ kind: 'refused', problems: [{ path: 'keys' }] })
    await writeFile(path, `keys: [ { name: team-b, key_hash: ${'cd'.repeat(32)} } ]`)
    expect(await config.reload()).toMatchObject({ kind: 'swapped' })
    await rm(path)
    expect(await config.reload()).toMatchObject({ kind: 'refused' })
    expect(config.current()).not.toBe(started)
    expect(config.current().keys).toHaveLength(1)
  })

  test('a file that is no longer where it was found is refused, and so is the end of keys while the address is public', async () => {
    const { started } = await live('assets: { keep: true }')
    expect(objections(started, started, { ...started, path: null }, hasKeys)).toMatchObject([{ message: 'the configuration file is gone' }])
    const open = { ...started, server: { ...started.server, host: '0.0.0.0' } }
    expect(objections(open, open, started, hasKeys)).toMatchObject([
      { path: 'keys', message: expect.stringContaining('listens on 0.0.0.0') as string },
    ])
  })

  test('a base URL that is missing is refused while the provider keeps a key; a block that goes with its key, or a written URL, is not', async () => {
    const proxied = 'https://proxy.example.com'
    const providers = (acme: string, zenith: string) => `providers: { acme: { ${acme} }, zenith: { ${zenith} } }`
    const { config, path } = await live(providers(`base_url: "${proxied}"`, `api_key: z, base_url: "${proxied}"`), { ACME_API_KEY: 'k' })
    const refused = {
      kind: 'refused',
      problems: [{ path: 'providers.acme.base_url', message: expect.stringContaining(`instead of ${proxied}`) as string }],
    }
    await writeFile(path, `providers: { zenith: { api_key: z, base_url: "${proxied}" } }`)
    expect(await config.reload()).toMatchObject(refused)
    await writeFile(path, providers('max_in_flight: 2', `api_key: z, base_url: "${proxied}"`))
    expect(await config.reload()).toMatchObject(refused)
    await writeFile(path, `providers: { acme: { base_url: "${proxied}" } }`)
    expect(await config.reload()).toMatchObject({
      kind: 'swapped',
      changes: [expect.stringMatching(/^providers\.zenith: disabled: no API key/), expect.anything(), expect.anything()],
    })
    await writeFile(path, 'providers: { acme: { base_url: "https://elsewhere.example.com" } }')
    expect(await config.reload()).toMatchObject({ kind: 'swapped' })
  })

  test('a change is reported line by line, with the names of the file and without secrets', async () => {
    const { config, path } = await live(`keys: [{ name: a, key_hash: ${'ab'.repeat(32)} }, { name: old, key_hash: ${'cd'.repeat(32)} }]
providers: { acme: { api_key: first-secret, prices: { big: { per_image: "0.05", as_of: "2026-01-01" } } } }
models: { big: { route: { sort: price } } }`)
    await writeFile(
      path,
      `keys: [{ name: a, key_hash: ${'ab'.repeat(32)}, budget_usd: "5" }, { name: new, key_hash: ${'ef'.repeat(32)} }]
providers: { acme: { api_key: second-secret, max_in_flight: 3, discount_percent: 5 }, zenith: { enabled: true } }
models: { big: { route: { order: [acme] } }, mine: { model: big } }
assets: { keep: false }
server: { port: 1234 }`,
    )
    const reloaded = await config.reload()
    expect(reloaded).toMatchObject({ kind: 'swapped', needRestart: ['server.port'] })
    const lines = reloaded.kind === 'swapped' ? reloaded.changes : []
    expect(lines).toEqual([
      'keys.old: removed',
      'keys.a.budget_usd: null → "5"',
      'keys.new: added',
      'providers.acme.api_key: changed',
      expect.stringMatching(/^providers\.acme\.max_in_flight: \d+ → 3$/),
      'providers.acme.discount_percent: 0 → 5',
      'providers.acme.prices.big: removed',
      expect.stringMatching(/^models\.big\.route\.sort: removed$/),
      'models.big.route.order: added: ["acme"]',
      expect.stringMatching(/^models\.mine: added: /),
      'assets.keep: true → false',
    ])
    expect(lines.join()).not.toMatch(/secret|abab|cdcd|efef/)
    expect(config.current().server.port).toBe(8080)
  })

  test('two readings at once happen one after the other, and the last file wins', async () => {
    const { config, path, reports } = await live('')
    await writeFile(path, 'assets: { max_image_bytes: 2048 }')
    const first = config.reload()
    await writeFile(path, 'assets: { max_image_bytes: 4096 }')
    await Promise.all([first, config.reload()])
    expect(reports).toHaveLength(2)
    expect(config.current().assets.maxImageBytes).toBe(4096)
  })
})

describe('reading the same again', () => {
  test('changes nothing: no swap, and nobody is called', async () => {
    const yaml =
      'providers: { acme: { api_key: k, prices: { big: { per_image: "0.05", as_of: "2026-01-01" } } } }\nmodels: { mine: { model: big } }'
    const { config, path, started, applied } = await live(yaml)
    const swapped = vi.fn()
    config.onSwapped(swapped)
    await writeFile(path, `# rewritten\n${yaml}\n`)
    expect(await config.reload()).toEqual({ kind: 'unchanged', needRestart: [] })
    expect([applied, swapped.mock.calls, config.current() === started]).toEqual([[], [], true])
  })

  test('with another key is a change, although no key is ever shown', async () => {
    const { config, path, applied } = await live('providers: { acme: { api_key: k } }')
    await writeFile(path, 'providers: { acme: { api_key: other } }')
    expect(await config.reload()).toMatchObject({ kind: 'swapped' })
    expect(applied.map(({ providers }) => providers.get('acme')?.apiKey?.reveal())).toEqual(['other'])
  })
})

describe('a configuration that cannot be built', () => {
  test('is refused in words, and nothing of it is in force', async () => {
    const world = await live('assets: { keep: true }')
    const swapped = vi.fn()
    world.config.onSwapped(swapped)
    world.prepare = () => ({ kind: 'refused', problems: [{ path: 'network.allow[0]', message: '"x" cannot be read' }] })
    await writeFile(world.path, 'assets: { keep: false }')
    expect(await world.config.reload()).toMatchObject({
      kind: 'refused',
      problems: [{ path: 'network.allow[0]', message: '"x" cannot be read' }],
    })
    expect([world.config.current() === world.started, swapped.mock.calls]).toEqual([true, []])
  })
})

describe('the files of a configuration', () => {
  test('are the file itself and every secret file, those that a refused reading asked for included', async () => {
    const folder = await temporaryFolder()
    const secret = (name: string) => join(folder, name)
    await writeFile(secret('acme'), 'key-1\n')
    const { config, path } = await live('{}', { ACME_API_KEY_FILE: secret('acme'), MORE_FILE: secret('more') })
    expect(config.files()).toEqual([path, secret('acme')])
    await writeFile(path, 'server: { host: "${MORE}" }')
    expect(await config.reload()).toMatchObject({ kind: 'refused' })
    expect(config.files()).toEqual([path, secret('acme'), secret('more')])
  })
})

describe('watching files', () => {
  const stops: (() => void)[] = []
  afterEach(() => stops.splice(0).forEach((stop) => stop()))

  const watching = (paths: readonly string[], onChange: () => void, settleMs: number) => {
    const watched = watchFiles(onChange, settleMs)
    watched.set(paths)
    stops.push(watched.stop)
    return watched
  }

  test('sees a write, and a save by renaming another file over it, again and again', async () => {
    const path = join(await temporaryFolder(), 'imagegate.yaml')
    await writeFile(path, 'a')
    const changed = vi.fn()
    watching([path], changed, 5)
    await writeFile(path, 'b')
    await vi.waitFor(() => expect(changed).toHaveBeenCalled(), { timeout: 20_000 })
    for (const content of ['c', 'd']) {
      changed.mockClear()
      await writeFile(`${path}.swap`, content)
      await rename(`${path}.swap`, path)
      await vi.waitFor(() => expect(changed).toHaveBeenCalled(), { timeout: 20_000 })
    }
  })

  test('reads a configuration again that was saved since it was read, and none that was not', async () => {
    const path = join(await temporaryFolder(), 'imagegate.yaml')
    await writeFile(path, 'a')
    const asRead = stateOf([path])
    const reload = vi.fn(() => Promise.resolve<Reloaded>({ kind: 'unchanged', needRestart: [] }))
    const followed = { files: () => [path], asRead: () => asRead, onRead: () => {}, reload }
    stops.push(watchConfiguration(followed))
    expect(reload).not.toHaveBeenCalled()
    await writeFile(`${path}.swap`, 'b')
    await rename(`${path}.swap`, path)
    stops.push(watchConfiguration(followed))
    expect(reload).toHaveBeenCalled()
  })

  test('takes a burst of changes as one, and other files in the folder as none', async () => {
    const path = join(await temporaryFolder(), 'imagegate.yaml')
    await writeFile(path, 'a')
    const changed = vi.fn()
    watching([path], changed, 60)
    await writeFile(`${path}.other`, 'x')
    for (const content of ['b', 'c', 'd', 'e']) await writeFile(path, content)
    await vi.waitFor(() => expect(changed).toHaveBeenCalled(), { timeout: 20_000 })
    expect(changed).toHaveBeenCalledTimes(1)
  })

  test('sees a change of the file a link leads to', async () => {
    const [folder, elsewhere] = [await temporaryFolder(), await temporaryFolder()]
    await writeFile(join(elsewhere, 'key'), 'a')
    await symlink(join(elsewhere, 'key'), join(folder, 'key'))
    const changed = vi.fn()
    watching([join(folder, 'key')], changed, 5)
    await writeFile(join(elsewhere, 'key'), 'b')
    await vi.waitFor(() => expect(changed).toHaveBeenCalled(), { timeout: 20_000 })
  })

  test('sees a mounted folder swapped as a whole', async () => {
    const folder = await temporaryFolder()
    for (const [version, content] of [
      ['v1', 'a'],
      ['v2', 'b'],
    ] as const) {
      await mkdir(join(folder, version))
      await writeFile(join(folder, version, 'key'), content)
    }
    await symlink('v1', join(folder, '..data'))
    await symlink('..data/key', join(folder, 'key'))
    const changed = vi.fn()
    watching([join(folder, 'key')], changed, 5)
    await symlink('v2', join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await vi.waitFor(() => expect(changed).toHaveBeenCalled(), { timeout: 20_000 })
  })

  test('leaves out a folder that is not there, and watches the others', async () => {
    const path = join(await temporaryFolder(), 'key')
    await writeFile(path, 'a')
    const changed = vi.fn()
    watching(['/nowhere/at/all/key', path], changed, 5)
    await writeFile(path, 'b')
    await vi.waitFor(() => expect(changed).toHaveBeenCalled(), { timeout: 20_000 })
  })
})
