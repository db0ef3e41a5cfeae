import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { CatalogueError } from '../../src/catalogue/catalogue.ts'
import { StartRefused, startGateway } from '../../src/gateway/start.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const servers = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length

test('a start that fails says why in words and leaves nothing open: no emulator, no lock on the data folder', async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-start-'))
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const before = servers()
  const refused: unknown = await startGateway({ env: {}, overrides: { port, dataDirectory, quiet: true } }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(StartRefused)
  expect(String(refused)).toMatch(/another process listens on this address .*EADDRINUSE.*PORT/)
  await expect.poll(servers).toBe(before)

  const server = await startGateway({ env: {}, overrides: { port: 0, dataDirectory, quiet: true } })
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  const second: unknown = await startGateway({ env: {}, overrides: { port: 0, dataDirectory, quiet: true } }).catch(
    (error: unknown) => error,
  )
  expect(second).toBeInstanceOf(StartRefused)
  expect(String(second)).toMatch(/another imagegate process is using the data folder/)
  await server.close()
  await expect.poll(servers).toBe(before)
  await new Promise((resolve) => taken.close(resolve))
  rmSync(dataDirectory, { recursive: true })
})

test('a start ends where one emulator of a sandbox cannot keep its tasks: those that listen already keep no process alive', () => {
  const data = mkdtempSync(join(tmpdir(), 'imagegate-start-'))
  const emulators = join(data, 'sandbox/emulators')
  mkdirSync(emulators, { recursive: true })
  writeFileSync(join(data, 'file'), '')
  symlinkSync(join(data, 'file/below'), join(emulators, 'runware.jsonl'))
  const { status, stderr } = spawnSync(process.execPath, [resolve(import.meta.dirname, '../../src/main.ts')], {
    env: { ...BARE_ENVIRONMENT, IMAGEGATE_DATA: data, PORT: '0' },
    encoding: 'utf8',
    timeout: 20_000,
  })
  rmSync(data, { recursive: true })
  expect(stderr).toContain('is a file where a folder is needed')
  expect(status).toBe(1)
}, 40_000)

describe('a start that an operator can correct', () => {
  const folders: string[] = []
  afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })))
  const folder = (): string => {
    const path = mkdtempSync(join(tmpdir(), 'imagegate-start-'))
    folders.push(path)
    return path
  }
  const refusal = async (dataDirectory: string, env: Readonly<Record<string, string>> = {}): Promise<string> => {
    const refused: unknown = await startGateway({ env, overrides: { port: 0, dataDirectory, quiet: true } }).catch(
      (error: unknown) => error,
    )
    expect(refused).toBeInstanceOf(StartRefused)
    return String(refused)
  }

  test('with a data folder that is a file, and a configuration that is a folder, says so in one sentence', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, '')
    expect(await refusal(join(file, 'data'))).toMatch(/is a file where a folder is needed \(ENOTDIR\); set IMAGEGATE_DATA to a folder$/)
    const config = folder()
    expect(await refusal(folder(), { IMAGEGATE_CONFIG: config })).toContain(
      `${config}: the configuration file cannot be read (EISDIR) — correct IMAGEGATE_CONFIG`,
    )
  })

  test('names a configuration that ends in .yml, which would be passed over', () => {
    const cwd = folder()
    writeFileSync(join(cwd, 'imagegate.yml'), 'providers: {}\n')
    const { status, stderr } = spawnSync(process.execPath, [resolve(import.meta.dirname, '../../src/main.ts')], {
      cwd,
      env: { ...BARE_ENVIRONMENT, IMAGEGATE_DATA: join(cwd, 'data'), PORT: '0' },
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect(stderr).toContain('imagegate.yml: the configuration is read from imagegate.yaml, and this file has another name')
    expect(stderr).toContain('rename it to imagegate.yaml')
    expect(status).toBe(1)
  }, 40_000)

  test('with a data folder that is a link in a circle, or has a name that is too long, says so in one sentence', async () => {
    const circle = join(folder(), 'circle')
    symlinkSync(circle, circle)
    expect(await refusal(circle)).toMatch(/ cannot be used \(ELOOP\); set IMAGEGATE_DATA to another folder$/)
    expect(await refusal(join(folder(), 'x'.repeat(300)))).toMatch(
      / cannot be used \(ENAMETOOLONG\); set IMAGEGATE_DATA to another folder$/,
    )
  })

  test('names the remedy for a full disk, a port for administrators and an address of another machine', () => {
    const words = (code: string, syscall: string, path?: string) =>
      String(StartRefused.inWords(Object.assign(new Error(`${syscall} ${code}`), { code, syscall, ...(path ? { path } : {}) })))
    expect(words('ENOSPC', 'write', '/data/node.secret')).toContain(
      'the disk is full: /data/node.secret cannot be written (ENOSPC); free some space',
    )
    expect(words('EACCES', 'listen')).toContain('choose one above 1023 with PORT')
    expect(words('EADDRNOTAVAIL', 'listen')).toContain('correct HOST')
    expect(StartRefused.inWords(new TypeError('a defect'))).toBeInstanceOf(TypeError)
    expect(StartRefused.inWords(new CatalogueError('providers/x/manifest.json: id: is missing'))).toBeInstanceOf(StartRefused)
  })

  // Only an administrator can become another user.
  test.skipIf(process.getuid?.() !== 0)('of another user’s data folder says whose it is, and exits with 1 without a stack', async () => {
    const data = folder()
    chmodSync(data, 0o700)
    const child = spawnSync(process.execPath, ['bin/gateway.mjs'], {
      uid: 65_534,
      encoding: 'utf8',
      env: { ...BARE_ENVIRONMENT, PORT: '0', BFL_API_KEY: 'k', IMAGEGATE_DATA: join(data, 'data'), IMAGEGATE_CONFIG: '' },
      timeout: 30_000,
    })
    expect([child.status, child.stdout]).toEqual([1, ''])
    expect(child.stderr).toMatch(
      /^imagegate cannot start:\n.*cannot be (used|read or written).*it belongs to user 0 and this process runs as user 65534: .*\n$/,
    )
  })
})
