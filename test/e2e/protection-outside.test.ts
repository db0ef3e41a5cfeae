import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import type { ConfigurationState, Generation, Problem } from '#contract'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const KEY = 'a-secret-of-the-team'
const KEYS = `keys: [{ name: team, key_hash: ${createHash('sha256').update(KEY).digest('hex')}, admin: true }]\n`
const REQUEST = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }

test(
  'a running process takes no SIGHUP that loses its keys or sends money elsewhere, says why, and says what changed where it takes one',
  { timeout: 60_000 },
  async () => {
    const vendors = await startVendors({ providers: ['bfl'], typicalMs: 20 })
    onTestFinished(vendors.close)
    const { environment, remove } = vendors.folder(KEYS)
    onTestFinished(remove)
    const config = environment['IMAGEGATE_CONFIG'] ?? ''
    const yaml = readFileSync(config, 'utf8')
    // What was switched off by its absence would be the vendor's own address: the key stays in the environment.
    const server = await startProcess({ ...environment, BFL_API_KEY: 'a-real-key' })
    onTestFinished(async () => void (await server.kill('SIGKILL')))
    const ask = async <T>(path: string, body: object | null, key: string | null = KEY): Promise<readonly [number, T]> => {
      const headers = { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) }
      const reply = await fetch(`${server.url}${path}`, { headers, ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}) })
      return [reply.status, (await reply.json()) as T]
    }
    const state = async () => (await ask<{ readonly configuration: ConfigurationState }>('/v1/providers', null))[1].configuration
    const bought = () => vendors.submits('bfl')

    const spoilt = {
      'without its keys': yaml.replace(KEYS, ''),
      empty: '',
      'half written': yaml.slice(0, yaml.indexOf('key_hash') + 20),
      'without the provider’s block': KEYS,
    }
    for (const [what, text] of Object.entries(spoilt)) {
      const before = bought()
      const said = server.said().length
      writeFileSync(config, text)
      server.signal('SIGHUP')
      await expect.poll(async () => (await state()).refused?.problems.length ?? 0, { message: what, timeout: 10_000 }).toBeGreaterThan(0)
      for (const path of ['/v1/generations', '/v1/images/generations', '/bfl/v1/flux-2-pro'])
        expect([what, path, (await ask(path, REQUEST, null))[0]]).toEqual([what, path, 401])
      const [status, { provider }] = await ask<Generation>('/v1/generations', REQUEST)
      expect([what, status, provider, bought()], 'it is bought where it was').toEqual([what, 200, 'bfl', before + 1])
      await expect.poll(() => server.said().slice(said), { message: what }).toMatch(/changed configuration is refused/)
      writeFileSync(config, yaml)
      server.signal('SIGHUP')
      await expect.poll(async () => (await state()).refused, { timeout: 10_000 }).toBeNull()
    }

    for (const part of [{ order: ['bffl'] }, { ignore: ['vtrx'] }, { only: ['runwear'] }]) {
      const before = bought()
      const [status, { code, detail }] = await ask<Problem>('/v1/generations', { ...REQUEST, provider: part })
      expect([status, code, detail, bought()]).toEqual([400, 'invalid_request', expect.stringMatching(/bfl|vtrix|runware/), before])
    }

    writeFileSync(config, `${yaml}models: { flux-2-pro: { route: { order: [bfl] } } }\n`)
    server.signal('SIGHUP')
    await expect.poll(async () => (await state()).changes, { timeout: 10_000 }).toContainEqual(expect.stringContaining('models.flux-2-pro'))
    await expect.poll(() => server.said()).toMatch(/models\.flux-2-pro: added/)
  },
)
