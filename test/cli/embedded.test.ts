import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { SHOWN_PROVIDERS } from '../../src/cli/demo.ts'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { temporaryFolder, writeFiles } from '../catalogue/fake-providers.ts'
import { fakeTerminal } from './fake-gateway.ts'

async function surroundings() {
  const folder = await temporaryFolder()
  await writeFiles(folder, { 'empty.yaml': '' })
  return { folder, env: { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'empty.yaml'), PORT: '0' } }
}

interface DemoOutput {
  readonly calls: readonly { readonly provider: string; readonly url: string | null; readonly warnings: readonly object[] }[]
  readonly summary: readonly {
    readonly provider: string
    readonly status: string
    readonly amount: string | null
    readonly saved: readonly string[]
  }[]
  readonly generations: readonly { readonly sandbox: boolean }[]
}

describe('the demo', () => {
  test('asks three providers of the model, shows what each is sent, and never uses a key that is set', async () => {
    const { folder, env } = await surroundings()
    const catalogue = await loadCatalogue()
    const keys = Object.fromEntries([...catalogue.providers.values()].map(({ manifest }) => [manifest.auth.env, 'a-real-key']))
    const terminal = fakeTerminal({ ...env, ...keys })
    const status = await runCommandLine(['demo', '--json', '--typical-ms', '20', '--out', join(folder, 'out')], terminal)
    const { calls, summary, generations } = JSON.parse(terminal.stdout()) as DemoOutput
    expect(status).toBe(0)
    expect(summary.map(({ provider }) => provider)).toEqual(SHOWN_PROVIDERS)
    expect(summary.every(({ status, amount }) => status === 'succeeded' && amount !== null)).toBe(true)
    expect(generations.every(({ sandbox }) => sandbox)).toBe(true)
    expect(calls.every(({ url, warnings }) => url?.startsWith('https://') && warnings.length > 0)).toBe(true)
    expect((await readdir(join(folder, 'out'))).length).toBe(SHOWN_PROVIDERS.length)
    expect(JSON.stringify([calls, summary])).not.toContain('a-real-key')
  })

  test('a provider that fails is a row with its reason, and the status is 1', async () => {
    const { folder, env } = await surroundings()
    const terminal = fakeTerminal(env)
    const [refuser = ''] = (await loadCatalogue()).providers.keys()
    const args = ['demo', '--typical-ms', '20', '--out', join(folder, 'out'), '--prompt', `a hill sandbox:moderated@${refuser}`]
    expect(await runCommandLine(args, terminal)).toBe(1)
    expect(terminal.stdout()).toMatch(new RegExp(`${refuser} +failed: moderated`))
    expect(terminal.stdout()).toContain('cheapest')
  })
})

describe('a verb without a running gateway', () => {
  test('runs one inside itself and leaves a real image', async () => {
    const { folder, env } = await surroundings()
    const terminal = fakeTerminal(env)
    const [model = ''] = (await loadCatalogue()).models
    const status = await runCommandLine(['generate', 'a hill', '--model', model, '--format', 'png', '--out', join(folder, 'out')], terminal)
    expect(status).toBe(0)
    expect(terminal.stderr()).toContain('sandbox: emulated vendors, no money is spent')
    const [file = ''] = await readdir(join(folder, 'out'))
    expect((await readFile(join(folder, 'out', file))).subarray(1, 4).toString()).toBe('PNG')
  })
})

describe('sandbox and serve', () => {
  test('sandbox prints every emulator’s address and the key, and ends when asked to', async () => {
    const terminal = { ...fakeTerminal(), stopped: async () => 'SIGTERM' as const }
    expect(await runCommandLine(['sandbox', '--json'], terminal)).toBe(0)
    const { key, providers } = JSON.parse(terminal.stdout()) as { key: string; providers: Record<string, string> }
    expect(key).toBe('sandbox-key')
    expect(Object.keys(providers)).toEqual([...(await loadCatalogue()).providers.keys()])
    for (const url of Object.values(providers)) await expect(fetch(url)).rejects.toThrow()
  })

  test('serve refuses an open address without keys, with the way out', async () => {
    const { env } = await surroundings()
    const terminal = fakeTerminal({ ...env, HOST: '0.0.0.0' })
    expect(await runCommandLine(['serve'], terminal)).toBe(1)
    expect(terminal.stderr()).toContain('refusing to listen on 0.0.0.0')
  })

  test('serve prints its address once it listens', async () => {
    const { env } = await surroundings()
    const terminal = { ...fakeTerminal({ ...env, LOG_LEVEL: 'silent' }), stopped: async () => 'SIGTERM' as const }
    expect(await runCommandLine(['serve', '--port', '0', '--json'], terminal)).toBe(0)
    expect(JSON.parse(terminal.stdout())).toMatchObject({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
      sandbox: true,
    })
  })
})
