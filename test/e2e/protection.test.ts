import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import type { ConfigurationState, ProviderState } from '#contract'
import { StartRefused } from '../../src/gateway/start.ts'
import { json, launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'

let gateway: Gateway | null = null
afterEach(async () => {
  await gateway?.close()
  gateway = null
})

const SECRET = 'a-secret-of-the-team'
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const WITH_KEY = { headers: { authorization: `Bearer ${SECRET}` } }

interface Providers {
  readonly data: readonly ProviderState[]
  readonly configuration: ConfigurationState
}
const providers = async ({ ask }: Gateway): Promise<Providers> => json(await ask('/v1/providers', WITH_KEY))

describe('a configuration that is saved by half', () => {
  test.each([
    ['empty', () => ''],
    ['only a comment', () => '# to be written\n'],
    ['without its keys', (yaml: string) => yaml.replace(/^keys:.*\n/m, '')],
    ['cut off within its keys', (yaml: string) => yaml.slice(0, yaml.indexOf('key_hash') + 20)],
    ['with the hash of an empty secret', (yaml: string) => yaml.replace(hashOf(SECRET), hashOf(''))],
    ['without the provider’s block', (yaml: string) => yaml.replace(/^providers:.*\n/m, '')],
  ])('as %s is refused: keys are asked for, no host changes, and /v1/providers says why until it is right again', async (_, spoil) => {
    gateway = await launchGateway({
      config: `keys: [{ name: team, key_hash: ${hashOf(SECRET)}, admin: true }]\nproviders: { bfl: { base_url: "http://127.0.0.1:9" } }\nassets: { keep: true }\n`,
      env: { BFL_API_KEY: 'real-key' },
    })
    const yaml = readFileSync(gateway.configPath, 'utf8')
    writeFileSync(gateway.configPath, spoil(yaml))
    await gateway.reload()
    expect((await gateway.ask('/v1/providers')).status).toBe(401)
    const { configuration } = await providers(gateway)
    expect(configuration.file).toBe(gateway.configPath)
    expect(configuration.refused?.problems[0]).toContain(gateway.configPath)
    expect(Date.parse(configuration.refused?.at ?? '')).toBeGreaterThan(Date.now() - 60_000)
    writeFileSync(gateway.configPath, yaml.replace('keep: true', 'keep: false'))
    await gateway.reload()
    const after = (await providers(gateway)).configuration
    expect(after).toMatchObject({ refused: null, changes: ['assets.keep: true → false'], waits_for_restart: [] })
  })
})

test('a start with a key that is the hash of an unset variable is refused on loopback too', async () => {
  const refused: unknown = await launchGateway({
    config: 'keys: [{ name: team, key_hash: "${TEAM_KEY_HASH}" }]',
    env: { TEAM_KEY_HASH: hashOf('\n') },
  }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(StartRefused)
  expect(String(refused)).toMatch(/keys\.0\.key_hash: is the hash of an empty or very short secret.*TEAM_KEY_HASH/)
})

test('a change that waits for a restart is reported as waiting, and a provider that cannot be switched on as disabled still', async () => {
  gateway = await launchGateway({
    config: `keys: [{ name: team, key_hash: ${hashOf(SECRET)}, admin: true }]\nproviders: { vtrix: { enabled: false } }\n`,
    env: { BFL_API_KEY: 'real-key' },
  })
  const yaml = readFileSync(gateway.configPath, 'utf8')
  writeFileSync(gateway.configPath, `${yaml.replace('enabled: false', 'enabled: true')}server: { public_url: "https://img.example.com" }\n`)
  await gateway.reload()
  const { configuration, data } = await providers(gateway)
  expect(configuration).toMatchObject({
    waits_for_restart: ['server.public_url'],
    changes: [expect.stringMatching(/^providers\.vtrix: stays disabled: no API key: set VTRIX_API_KEY/)],
  })
  expect(data.find(({ id }) => id === 'vtrix')).toMatchObject({ state: 'disabled' })
})
