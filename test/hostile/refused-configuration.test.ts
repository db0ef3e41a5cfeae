import { useRealSockets } from '../transport/real-sockets.ts'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ConfigurationState } from '#contract'
import { startProcess } from '../crash/process.ts'
import { ROOT } from '../support/source-tree.ts'

useRealSockets()

/** Part of every secret below. */
const CANARY = 'canary-5be1'
const KEYS = `keys: [{ name: boss, scope: admin, key_hash: ${createHash('sha256').update('key-of-boss').digest('hex')} }]\n`
const bfl = (fields: string): string => `providers: { bfl: { ${fields} } }\n`

/** Secrets in files that are no YAML, in fields of another type, and where they do not belong. */
const REFUSED: Readonly<Record<string, string>> = {
  'a list that is not closed': `providers:\n  bfl: { api_key: "${CANARY}-key", base_url: [ }\n`,
  'a text that is not closed': `providers:\n  bfl: { api_key: "${CANARY}-key\n`,
  'a tab': `providers:\n\tbfl:\n\t\tapi_key: ${CANARY}-key\n`,
  'a key that begins as an alias': bfl(`api_key: *${CANARY}-key`),
  'a key that begins as a tag': `providers:\n  bfl:\n    api_key: !${CANARY}-key\n    base_url: 7\n`,
  'a key that begins with a reserved character': `providers:\n  bfl:\n    api_key: @${CANARY}-key\n`,
  'a field that is given twice': `providers:\n  bfl:\n    api_key: ${CANARY}-key\n    api_key: ${CANARY}-other\n`,
  'a line without a colon': `providers:\n  bfl:\n    api_key ${CANARY}-key\n    base_url: x\n`,
  'a key where a provider should be': `providers:\n  bfl: ${CANARY}-key\n`,
  'a list as a key': bfl(`api_key: ["${CANARY}-key"]`),
  'a key with a line break': bfl(`api_key: "${CANARY}\\nkey"`),
  'a key as an address': bfl(`api_key: x, base_url: ${CANARY}-key`),
  'a password in an address': bfl(`api_key: x, base_url: "https://user:${CANARY}-password@api.example"`),
  'a key as a number': bfl(`api_key: x, max_in_flight: ${CANARY}-key`),
  'the password of a proxy': `network: { proxy: "socks5://user:${CANARY}-password@proxy.example" }\n`,
  'a key that may be reached': `network: { allow: ["user:${CANARY}-password@10.0.0.1"] }\n`,
  'a webhook secret that is none': `webhooks: { secrets: ["${CANARY}-secret"] }\n`,
  'a webhook secret that is no list': `webhooks: { secrets: "whsec_${CANARY}" }\n`,
  'a gateway key in place of its hash': `keys: [{ name: boss, key_hash: ${CANARY}-key }]\n`,
  'a gateway key as its scope': KEYS.replace('scope: admin', `scope: ${CANARY}-key`),
  'a gateway key as its budget': KEYS.replace('scope: admin', `scope: admin, budget_usd: ${CANARY}-key`),
  'a password in the public address': `server: { public_url: "https://user:${CANARY}-password@img.example" }\n`,
  'a password in an origin': `server: { cors: { origins: ["https://user:${CANARY}-password@app.example"] } }\n`,
  'a key behind a colon without a space': bfl(`api_key:${CANARY}-key, max_in_flight: 3`),
  'a key behind an equals sign': bfl(`"api_key=${CANARY}-key": x`),
  'a hash behind a colon without a space': KEYS.replace('key_hash: ', `key_hash:${CANARY}-`),
  'a field that is given twice, with its value': bfl(`"api_key=${CANARY}-key": x, "api_key=${CANARY}-key": y`),
  'a list as the name of a field': bfl(`? [${CANARY}-key] : x`),
  'a mapping as the name of a field': `? { api_key: ${CANARY}-key }\n: x\n`,
  'a mapping as the name of a field, by an alias': `webhooks: &a { secrets: ["${CANARY}-secret"] }\nproviders: { *a : x }\n`,
  'a provider that would be skipped': 'providers: { __proto__: { api_key: x } }\n',
  'a model that would be skipped': 'models: { __proto__: { model: flux-2-pro } }\n',
  'a password in an address that ends in a version': bfl(`api_key: x, base_url: "https://user:${CANARY}-password@api.example/v1"`),
  'a password in the address of documents': bfl(`api_key: x`).replace(
    ' }\n',
    `, my-relay: { shape: openai-images, base_url: "https://relay.example", docs_url: "https://user:${CANARY}-password@docs.example", api_key: x } }\n`,
  ),
  'a password of a database with a slash': `store: { url: "postgres://gate:12/${CANARY}-password@db.example/x" }\n`,
  'a password of a database with a number sign': `store: { url: "postgres://gate:a#${CANARY}-password@db.example/x" }\n`,
  'a key as a time': `assets: { link_ttl: ${CANARY}-key }\n`,
}

test(
  'a refused configuration repeats no secret of it: in no log line, on no stderr, not in /v1/providers and not in /metrics',
  { timeout: 90_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-refused-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const config = join(folder, 'imagegate.yaml')
    const env = { IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data'), BFL_API_KEY: `${CANARY}-of-the-environment` }
    writeFileSync(config, KEYS)
    const gateway = await startProcess(env)
    onTestFinished(async () => void (await gateway.kill('SIGKILL')))
    const ask = async (path: string): Promise<string> =>
      (await fetch(gateway.url + path, { headers: { authorization: 'Bearer key-of-boss' } })).text()
    const reports = (): number => gateway.said().match(/changed configuration is (?:refused|in force)/g)?.length ?? 0

    const repeated: string[] = []
    for (const [what, text] of Object.entries(REFUSED)) {
      const before = { said: gateway.said().length, reports: reports() }
      writeFileSync(config, text.startsWith('keys:') ? text : KEYS + text)
      gateway.signal('SIGHUP')
      await expect.poll(reports, { timeout: 10_000, interval: 20 }).toBeGreaterThan(before.reports)
      const said = gateway.said().slice(before.said)
      const providers = await ask('/v1/providers')
      const { refused } = (JSON.parse(providers) as { readonly configuration: ConfigurationState }).configuration
      if (refused === null) repeated.push(`${what}: is taken: ${said}`)
      if (`${said}${providers}${await ask('/metrics')}`.includes(CANARY)) repeated.push(`${what}: ${said}`)
    }
    expect(repeated).toEqual([])

    // What is taken names the fields that changed, and not what is in them.
    const secret = `whsec_${Buffer.from(`${CANARY} signs all the webhooks`).toString('base64')}`
    const proxy = `http://user:${CANARY}-password@127.0.0.1:9`
    writeFileSync(config, `${KEYS}webhooks: { secrets: ["${secret}"] }\nnetwork: { proxy: "${proxy}" }\n${bfl(`api_key: ${CANARY}-key`)}`)
    gateway.signal('SIGHUP')
    await expect.poll(async () => await ask('/v1/providers')).toMatch(/"changes":\["/)
    for (const shown of [gateway.said(), await ask('/v1/providers'), await ask('/metrics')])
      expect([shown.includes(CANARY), shown.includes(secret)]).toEqual([false, false])

    // The start says what a reload logs. A change of the database waits for it.
    const database = `store: { url: "postgres://gate:${CANARY}-password@db.example/x" }\n`
    const starts = ['a list that is not closed', 'a list as the name of a field', 'a password of a database with a slash'].map(
      (what) => REFUSED[what],
    )
    for (const text of [...starts, `%${CANARY}-key\n---\n`, database]) {
      writeFileSync(config, text?.startsWith('%') ? text + KEYS : KEYS + (text ?? ''))
      const child = spawn(process.execPath, ['bin/gateway.mjs'], { cwd: ROOT, env: { ...process.env, ...env, PORT: '0' } })
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += String(part)))
      const code = await new Promise((resolve) => void child.once('close', resolve))
      expect([code, said]).toEqual([1, expect.stringContaining('imagegate cannot start')])
      expect(said).not.toContain(CANARY)
    }
  },
)

test(
  'a configuration with very many aliases, or very many fields that there are not, stops neither a start nor a reload',
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-aliases-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const config = join(folder, 'imagegate.yaml')
    writeFileSync(config, KEYS)
    const gateway = await startProcess({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data') })
    onTestFinished(async () => void (await gateway.kill('SIGKILL')))
    const refusals = (): number => gateway.said().match(/changed configuration is refused/g)?.length ?? 0
    const aliases = `network: { allow: &a [x] }\nserver: { trust_proxy: [${'*a,'.repeat(60_000)}] }\n`
    const fields = `server: { ${Array.from({ length: 60_000 }, (_, at) => `a${at}: 1`).join(', ')} }\n`
    for (const text of [aliases, fields]) {
      const before = refusals()
      writeFileSync(config, KEYS + text)
      gateway.signal('SIGHUP')
      await expect.poll(refusals, { timeout: 20_000, interval: 50 }).toBeGreaterThan(before)
    }
  },
)

test('an address in the configuration with very many slashes stops neither a start nor a reload', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-slashes-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const config = join(folder, 'imagegate.yaml')
  // What begins anew at each of them would need minutes.
  const address = `https://img.example${'/'.repeat(400_000)}x`
  const relay = `relay: { shape: openai-images, base_url: "${address}", api_key: key-of-the-relay, models: { flux-2-pro: { provider_model: a } } }`
  const text = `server: { public_url: "${address}" }\nproviders: { bfl: { api_key: key-of-bfl, base_url: "${address}" }, ${relay} }\n`
  writeFileSync(config, KEYS + text)
  const startedAt = performance.now()
  const gateway = await startProcess({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data') })
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  writeFileSync(config, KEYS + text.replace('key-of-bfl, ', 'key-of-bfl, max_in_flight: 3, '))
  gateway.signal('SIGHUP')
  await expect.poll(gateway.said, { timeout: 10_000, interval: 20 }).toMatch(/changed configuration is (?:refused|in force)/)
})
