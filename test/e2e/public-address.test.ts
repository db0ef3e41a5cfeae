import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { fakeTerminal } from '../cli/fake-gateway.ts'
import { startProcess } from '../crash/process.ts'

const folder = mkdtempSync(join(tmpdir(), 'imagegate-public-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const configPath = join(folder, 'imagegate.yaml')
const env = { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: configPath, HOST: '0.0.0.0' }
const write = (yaml: string): void => writeFileSync(configPath, yaml)
const PAST = '2020-01-01T00:00:00Z'
const key = (name: string, more = ''): string =>
  `keys: [{ name: ${name}, key_hash: ${createHash('sha256').update(`secret-of-${name}`).digest('hex')}${more} }]\n`

/** Why the start was refused. */
const refusal = (): Promise<string> => startProcess(env).then(async (server) => `${await server.kill('SIGKILL')}: it listens`, String)

/** On the data folder of the stopped gateway. */
async function makeKey(...args: readonly string[]): Promise<string> {
  const terminal = fakeTerminal({ ...env, PORT: '0' })
  expect(await runCommandLine(['keys', 'create', ...args, '--json'], terminal)).toBe(0)
  return (JSON.parse(terminal.stdout()) as { readonly secret: string }).secret
}

test(
  'a public address needs one key that counts, of the file or made at run time, at the start and at each reload, and is never open',
  { timeout: 120_000 },
  async () => {
    write('')
    expect(await refusal()).toMatch(/refusing to listen on 0\.0\.0\.0, where others could.*add `keys:.*`imagegate keys create`/)
    write(key('old', `, expires_at: "${PAST}"`))
    expect(await refusal()).toContain('refusing to listen on 0.0.0.0, while every gateway key has expired')
    await makeKey('older', '--expires-at', new Date(Date.now() + 1_500).toISOString())
    await sleep(1_600)
    expect(await refusal()).toContain('while every gateway key has expired')
    write('')
    expect(await refusal()).toContain('refusing to listen on 0.0.0.0')

    const doctor = async (): Promise<readonly unknown[]> => {
      const terminal = fakeTerminal({ ...env, PORT: '0' })
      await runCommandLine(['doctor', '--json'], terminal)
      return (JSON.parse(terminal.stdout()) as { check: string }[]).filter(({ check }) => check === 'gateway keys')
    }
    expect(await doctor()).toMatchObject([{ verdict: 'bad', detail: expect.stringContaining('refusing to listen on 0.0.0.0') }])
    const secret = await makeKey('boss', '--scope', 'admin')
    expect(await doctor()).toMatchObject([{ verdict: 'ok' }])
    const server = await startProcess(env)
    const url = `http://127.0.0.1:${new URL(server.url).port}`
    const ask = async (as: string | null, path = '/v1/models', method = 'GET'): Promise<number> =>
      (await fetch(url + path, { method, headers: as === null ? {} : { authorization: `Bearer ${as}` } })).status
    const reloaded = async (yaml: string, said: RegExp): Promise<void> => {
      const before = server.said().length
      write(yaml)
      server.signal('SIGHUP')
      await expect.poll(() => server.said().slice(before), { timeout: 20_000 }).toMatch(said)
    }
    expect([await ask(null), await ask(secret)]).toEqual([401, 200])
    await reloaded(key('team'), /the changed configuration is in force/)
    expect(await ask('secret-of-team')).toBe(200)
    await reloaded('assets: { keep: false }\n', /the changed configuration is in force/)
    expect([await ask('secret-of-team'), await ask(secret)]).toEqual([401, 200])

    expect(await ask(secret, '/v1/keys/boss', 'DELETE')).toBe(409)
    const brief = key('brief', `, expires_at: "${new Date(Date.now() + 4_000).toISOString()}"`)
    await reloaded(brief, /the changed configuration is in force/)
    expect(await ask(secret, '/v1/keys/boss', 'DELETE')).toBe(204)
    await expect.poll(() => ask('secret-of-brief'), { timeout: 20_000 }).toBe(401)
    expect([await ask(null), await ask(secret)]).toEqual([401, 401])
    await reloaded(`${brief}assets: { keep: true }\n`, /listens on 0\.0\.0\.0, and no gateway key counts any more/)
    expect([await ask(null), await ask(secret)]).toEqual([401, 401])
    await reloaded(key('team'), /the changed configuration is in force/)
    expect([await ask(null), await ask('secret-of-team')]).toEqual([401, 200])
    await reloaded('assets: { keep: true }\n', /takes away every gateway key that counts/)
    expect([await ask(null), await ask('secret-of-team')]).toEqual([401, 200])
    await server.kill('SIGKILL')
  },
)
