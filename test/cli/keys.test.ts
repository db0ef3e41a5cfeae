import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { GatewayKeyState, GatewayKeyWithSecret } from '#contract'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { startGateway } from '../../src/gateway/start.ts'
import { temporaryFolder, writeFiles } from '../catalogue/fake-providers.ts'
import { fakeTerminal } from './fake-gateway.ts'

async function surroundings() {
  const folder = await temporaryFolder()
  await writeFiles(folder, { 'empty.yaml': '' })
  const env = { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'empty.yaml'), PORT: '0' }
  const run = async (args: readonly string[], more: Readonly<Record<string, string>> = {}) => {
    const terminal = fakeTerminal({ ...env, ...more })
    const status = await runCommandLine(['keys', ...args], terminal)
    return { status, out: terminal.stdout(), err: terminal.stderr() }
  }
  return { env, run }
}

const status = async (url: string, secret: string) =>
  (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })).status

describe('imagegate keys', () => {
  test('makes, lists, rotates and revokes keys of a stopped gateway, which asks for them when it starts', async () => {
    const { env, run } = await surroundings()
    const made = await run(['create', 'boss', '--scope', 'admin'])
    expect(made.status).toBe(0)
    const [first = ''] = made.out.split('\n')
    expect(first).toMatch(/^ig_[A-Za-z0-9_-]{43}$/)
    expect(made.out).toContain('not shown again')
    const rotated = JSON.parse((await run(['rotate', 'boss', '--grace', '0', '--json'])).out) as GatewayKeyWithSecret
    const list = await run(['list'])
    expect(list.out).toMatch(/boss +api +admin/)
    const gateway = await startGateway({ env, overrides: { quiet: true, port: 0 } })
    try {
      expect([await status(gateway.url, first), await status(gateway.url, rotated.secret)]).toEqual([401, 200])
      const asBoss = { IMAGEGATE_URL: gateway.url, IMAGEGATE_KEY: rotated.secret }
      const team = JSON.parse(
        (await run(['create', 'team', '--rate', '30', '--budget-usd', '5', '--json'], asBoss)).out,
      ) as GatewayKeyWithSecret
      expect(team).toMatchObject({ name: 'team', scope: 'write', rate: { per_minute: 30 }, budget_usd: '5' })
      expect(await status(gateway.url, team.secret)).toBe(200)
      expect((JSON.parse((await run(['list', '--json'], asBoss)).out) as GatewayKeyState[]).map(({ name }) => name)).toEqual([
        'boss',
        'team',
      ])
      expect((await run(['revoke', 'team'], asBoss)).status).toBe(0)
      expect(await status(gateway.url, team.secret)).toBe(401)
      const last = await run(['revoke', 'boss'], asBoss)
      expect([last.status, last.err]).toEqual([1, expect.stringContaining('last key')])
      expect(await run(['list'], { IMAGEGATE_URL: gateway.url })).toMatchObject({
        status: 1,
        err: expect.stringMatching(/gateway key .*set IMAGEGATE_KEY/),
      })
    } finally {
      await gateway.close()
    }
    expect((await run(['revoke', 'boss'])).status).toBe(0)
    expect(JSON.parse((await run(['list', '--json'])).out)).toEqual([])
  })

  test.each([
    [['create'], 2, 'name the key'],
    [['rotate'], 2, 'name the key'],
    [['list', 'team'], 2, 'leave team out'],
    [['revoke'], 2, 'name the key'],
    [['create', 'x', '--secret', 'too-short'], 1, '16 characters'],
    [['create', 'x', '--models', 'no-such-model'], 1, 'no-such-model'],
    [['rotate', 'nobody'], 1, 'there is no key nobody'],
    [['paint', 'x'], 2, 'paint'],
  ])('refuses %j with status %i', async (args, expected, words) => {
    const { run } = await surroundings()
    expect(await run(args)).toMatchObject({ status: expected, err: expect.stringContaining(words) })
  })
})
