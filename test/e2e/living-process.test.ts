import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import type { Quote } from '#contract'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const READ_AGAIN = 'the configuration was read again and has not changed'

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-living-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function started(environment: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const server = await startProcess({ IMAGEGATE_DATA: join(temporaryFolder(), 'data'), ...environment })
  closers.push(() => server.kill('SIGKILL'))
  return server
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endsAt = performance.now() + 40_000
  while (performance.now() < endsAt) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`never: ${what}`)
}

interface Refused {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What an operator sees of a start that fails. */
async function refusedStart(environment: Readonly<Record<string, string>>): Promise<Refused> {
  const env = { ...BARE_ENVIRONMENT, PORT: '0', IMAGEGATE_CONFIG: '', ...environment }
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  closers.push(() => void child.kill('SIGKILL'))
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code: code as number | null, stdout, stderr }
}
const inOneSentence = (sentence: string) => ({
  code: 1,
  stdout: '',
  stderr: expect.stringMatching(new RegExp(`^imagegate cannot start:\\n[^\\n]*${sentence}[^\\n]*\\n$`)) as string,
})

test('a configuration that is saved while the process starts is in force soon after it listens', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder()
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, 'models: { early: { model: flux-2-pro } }\n')
  const starting = started({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data') })
  // The configuration was read by then, and nobody listens yet.
  await until(() => existsSync(join(folder, 'data/sandbox/imagegate.db')), 'the database was opened')
  writeFileSync(`${config}.swap`, 'models: { late: { model: flux-2-pro } }\n')
  renameSync(`${config}.swap`, config)
  const { url } = await starting
  await until(async () => (await fetch(`${url}/v1/models/late`)).status === 200, 'the saved configuration was in force')
  expect((await fetch(`${url}/v1/models/early`)).status).toBe(404)
})

describe('a running gateway', { timeout: 60_000 }, () => {
  test('takes no notice of SIGUSR2, reads its configuration again on SIGHUP, without a configuration file too, and ends on SIGTERM', async () => {
    const server = await started({ IMAGEGATE_CONFIG: '' })
    process.kill(server.pid, 'SIGUSR2')
    process.kill(server.pid, 'SIGHUP')
    await until(() => server.said().includes(READ_AGAIN), 'the configuration read again')
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    expect(await server.kill('SIGTERM')).toBe('0')
  })

  test('that was started without a configuration file reads the one that is written into its folder later', async () => {
    const folder = temporaryFolder()
    const gateway = spawn(process.execPath, [join(ROOT, 'bin/gateway.mjs')], {
      cwd: folder,
      env: { ...BARE_ENVIRONMENT, PORT: '0', IMAGEGATE_DATA: join(folder, 'data') },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    closers.push(() => void gateway.kill('SIGKILL'))
    let said = ''
    gateway.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until(() => said.includes('listens on'), 'it listens')
    writeFileSync(join(folder, 'imagegate.yaml'), 'models: { flux-2-pro: { route: { order: [runware] } } }\n')
    await until(() => said.includes('models.flux-2-pro: added'), 'the new file in force')
  })
})

interface Listed {
  readonly data: readonly { readonly provider: string; readonly model: string; readonly price: { readonly source: string } | null }[]
}

describe('the example file, copied as it is', { timeout: 60_000 }, () => {
  test('leaves IMAGEGATE_DATA where it is and routes by published prices alone, until an operator writes one', async () => {
    const folder = temporaryFolder()
    const [config, data] = [join(folder, 'imagegate.yaml'), join(folder, 'mine')]
    copyFileSync(join(ROOT, 'imagegate.example.yaml'), config)
    const gateway = spawn(process.execPath, [join(ROOT, 'bin/gateway.mjs')], {
      cwd: folder,
      env: { ...BARE_ENVIRONMENT, PORT: '0', IMAGEGATE_DATA: data },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    closers.push(() => void gateway.kill('SIGKILL'))
    let said = ''
    gateway.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until(() => said.includes('listens on'), 'it listens')
    const [, url = '', file, kept] = /listens on (\S+) .*configuration: (\S+); data: (\S+);/.exec(said) ?? []
    expect([file, kept]).toEqual([config, join(data, 'sandbox')])
    expect(readdirSync(join(data, 'sandbox'))).toContain('imagegate.db')
    expect(readdirSync(folder).toSorted()).toEqual(['imagegate.yaml', 'mine'])

    const priced = async () => ((await (await fetch(`${url}/v1/prices`)).json()) as Listed).data
    const quoted = async () => {
      const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 1024, height: 1024 })
      const reply = await fetch(`${url}/v1/quotes`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      return (await reply.json()) as Quote
    }
    const before = await priced()
    expect(before.filter(({ price }) => price?.source === 'configuration')).toEqual([])
    const vtrix = ({ provider, model }: Listed['data'][number]) => provider === 'vtrix' && model === 'flux-2-pro'
    expect(before.find(vtrix)?.price, 'a vendor that publishes none has none').toBeNull()
    const plain = await quoted()
    expect(plain.offers.find(({ provider }) => provider === 'vtrix')?.cost).toBeNull()
    expect(plain.route.indexOf('vtrix'), 'what has no price goes after what has one').toBeGreaterThan(plain.route.indexOf('runware'))

    const written = readFileSync(config, 'utf8').replace(/# (prices:) .*\n( *)# {3}(flux-2-pro: \{ per_image: "0.028" \})/, '$1\n$2  $3')
    writeFileSync(config, written)
    process.kill(gateway.pid ?? 0, 'SIGHUP')
    await until(async () => (await priced()).find(vtrix)?.price?.source === 'configuration', 'the price of the configuration')
    const agreed = await quoted()
    expect(agreed.offers.find(({ provider }) => provider === 'vtrix')?.cost).toMatchObject({ amount: '0.028' })
    expect(agreed.route.indexOf('vtrix')).toBeLessThan(agreed.route.indexOf('runware'))
  })
})

describe('`npm start`', { timeout: 120_000 }, () => {
  test('names file, data folder and providers in its first line; a second one on its port or its data is refused in one sentence; SIGTERM to the pid it prints, or to npm’s own, drains and frees port and data', async () => {
    const data = join(temporaryFolder(), 'data')
    const start = async () => {
      const npm = spawn('npm', ['start'], {
        cwd: ROOT,
        env: { ...process.env, PORT: '0', IMAGEGATE_DATA: data, IMAGEGATE_CONFIG: '' },
        // Not this process's own: an orphan would keep the run from ending.
        stdio: ['ignore', 'pipe', 'ignore'],
        detached: true,
      })
      closers.push(async () => {
        if (npm.exitCode !== null || npm.signalCode !== null) return
        // The group: npm, and the gateway it started.
        process.kill(-(npm.pid ?? 0), 'SIGKILL')
        await once(npm, 'exit')
      })
      let said = ''
      npm.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
      await until(() => said.includes('listens on'), 'it listens')
      const line = said.split('\n').find((text) => text.startsWith('{')) ?? ''
      return { npm, said: () => said, first: JSON.parse(line) as { readonly pid: number; readonly msg: string } }
    }
    const first = await start()
    expect(first.first.msg).toMatch(
      /^imagegate listens on http:\/\/127\.0\.0\.1:\d+ \(sandbox.*; configuration: no file; data: .*\/data\/sandbox; providers: .*bfl emulated/,
    )
    const port = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(first.first.msg)?.[1] ?? ''
    const [samePort, sameData] = await Promise.all([
      refusedStart({ PORT: port, IMAGEGATE_DATA: join(temporaryFolder(), 'data') }),
      refusedStart({ IMAGEGATE_DATA: data }),
    ])
    expect(samePort).toEqual(inOneSentence('another process listens on this address .*EADDRINUSE.*PORT'))
    expect(sameData).toEqual(inOneSentence('another imagegate process is using the data folder'))
    process.kill(first.first.pid, 'SIGTERM')
    await once(first.npm, 'exit')
    expect(first.said()).toMatch(/"why":"SIGTERM","open":0.*imagegate stops.*\n.*"open":0,"ms":\d+,"msg":"imagegate has stopped"/)
    const second = await start()
    second.npm.kill('SIGTERM')
    await once(second.npm, 'exit')
    await until(() => second.said().includes('imagegate has stopped'), 'it has stopped')
    // An orphan would hold the folder.
    const third = await start()
    process.kill(third.first.pid, 'SIGTERM')
    await once(third.npm, 'exit')
  })
})

// What a process catches is read from /proc.
describe.skipIf(process.platform !== 'linux')('a gateway that starts', { timeout: 60_000 }, () => {
  const SIGHUP_AND_SIGUSR2 = 0x801n
  const catchesBoth = (pid: number): boolean => {
    const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
    return (BigInt(`0x${mask}`) & SIGHUP_AND_SIGUSR2) === SIGHUP_AND_SIGUSR2
  }

  test.each([
    ['npm start', 'bin/gateway.mjs', []],
    ['imagegate serve', 'bin/imagegate.mjs', ['serve']],
  ] as const)('as `%s` outlives SIGHUP and SIGUSR2, and reads its configuration again once it listens', async (_, program, args) => {
    const child = spawn(process.execPath, [join(ROOT, program), ...args], {
      cwd: ROOT,
      env: { ...BARE_ENVIRONMENT, PORT: '0', IMAGEGATE_DATA: join(temporaryFolder(), 'data') },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    closers.push(async () => {
      if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit')
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until(() => catchesBoth(child.pid ?? 0), 'the signals caught')
    expect(said).toBe('')
    child.kill('SIGHUP')
    child.kill('SIGUSR2')
    await until(() => said.includes('listens on'), 'it listens')
    await until(() => said.includes(READ_AGAIN), 'the configuration read again')
    expect([child.exitCode, child.signalCode]).toEqual([null, null])
  })

  test('and cannot says why in one sentence, without a stack: a configuration that cannot be built, a damaged database', async () => {
    const folder = temporaryFolder()
    const config = join(folder, 'imagegate.yaml')
    writeFileSync(config, 'network: { allow: ["::ffff:a00:0/104"] }')
    const data = join(folder, 'damaged')
    mkdirSync(data)
    writeFileSync(join(data, 'imagegate.db'), 'no database at all, whatever its name says'.repeat(200))
    const [unbuilt, damaged] = await Promise.all([
      refusedStart({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data') }),
      refusedStart({ BFL_API_KEY: 'a-key', IMAGEGATE_DATA: data }),
    ])
    expect(unbuilt).toEqual(inOneSentence('network\\.allow\\.0: is neither'))
    expect(damaged).toEqual(inOneSentence('the database file is damaged; restore it from a backup'))
  })
})

describe('a key file', { timeout: 60_000 }, () => {
  test('is read again when it changes, and the next call carries the new key; the configuration beside it is applied on SIGHUP', async () => {
    const keys: string[] = []
    const vendor = createServer((request, response) => {
      keys.push(String(request.headers['x-key']))
      response.writeHead(402, { 'content-type': 'application/json' }).end('{"detail":"Insufficient credits"}')
    })
    await new Promise<void>((resolve) => vendor.listen(0, '127.0.0.1', resolve))
    closers.push(() => new Promise((resolve) => vendor.close(resolve)))
    const folder = temporaryFolder()
    const [config, keyFile] = [join(folder, 'imagegate.yaml'), join(folder, 'secrets')]
    writeFileSync(
      config,
      `providers: { bfl: { base_url: "http://127.0.0.1:${(vendor.address() as AddressInfo).port}" } }\nbreaker: { faults: 1000 }`,
    )
    writeFileSync(keyFile, 'first-key\n')
    const server = await started({ IMAGEGATE_CONFIG: config, BFL_API_KEY_FILE: keyFile })
    writeFileSync(config, `${readFileSync(config, 'utf8')}\nmodels: { mine: { model: flux-2-pro } }`)
    process.kill(server.pid, 'SIGHUP')
    await until(async () => (await fetch(`${server.url}/v1/models/mine`)).status === 200, 'the new alias')
    const lastKey = async () => {
      const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse' })
      await fetch(`${server.url}/v1/generations`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      return keys.at(-1)
    }
    expect(await lastKey()).toBe('first-key')
    writeFileSync(`${keyFile}.new`, 'second-key\n')
    renameSync(`${keyFile}.new`, keyFile)
    await until(async () => (await lastKey()) === 'second-key', 'a call with the new key')
  })
})
