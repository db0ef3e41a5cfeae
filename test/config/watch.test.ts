import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Catalogue } from '../../src/catalogue/catalogue.ts'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { loadConfig } from '../../src/config/load.ts'
import { liveConfig, watchConfig, type Reloaded } from '../../src/config/watch.ts'
import { fakeProviders, temporaryFolder } from '../catalogue/fake-providers.ts'

async function live(yaml: string, env: Record<string, string> = {}) {
  const path = join(await temporaryFolder(), 'imagegate.yaml')
  const catalogue: Catalogue = await loadCatalogue(await fakeProviders())
  const load = () => loadConfig({ env, path, catalogue })
  await writeFile(path, yaml)
  const started = await load()
  if (started.kind === 'refused') throw new Error(JSON.stringify(started.problems))
  const reports: Reloaded[] = []
  const config = liveConfig(started.config, load, (reloaded) => reports.push(reloaded))
  return { config, reports, path, started: started.config }
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

describe('watching the file', () => {
  const stops: (() => void)[] = []
  afterEach(() => stops.splice(0).forEach((stop) => stop()))

  test('sees a write, and a save by renaming another file into its place, again and again', async () => {
    const path = join(await temporaryFolder(), 'imagegate.yaml')
    await writeFile(path, 'a')
    const changed = vi.fn()
    stops.push(watchConfig(path, changed, 5))
    await writeFile(path, 'b')
    await vi.waitFor(() => expect(changed).toHaveBeenCalled())
    for (const content of ['c', 'd']) {
      changed.mockClear()
      await writeFile(`${path}.swap`, content)
      await rename(`${path}.swap`, path)
      await vi.waitFor(() => expect(changed).toHaveBeenCalled())
    }
  })

  test('takes a burst of changes as one, and other files in the folder as none', async () => {
    const path = join(await temporaryFolder(), 'imagegate.yaml')
    await writeFile(path, 'a')
    const changed = vi.fn()
    stops.push(watchConfig(path, changed, 60))
    await writeFile(`${path}.other`, 'x')
    for (const content of ['b', 'c', 'd', 'e']) await writeFile(path, content)
    await vi.waitFor(() => expect(changed).toHaveBeenCalled())
    expect(changed).toHaveBeenCalledTimes(1)
  })
})
