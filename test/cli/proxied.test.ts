import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashOfKey } from '../../src/http/access.ts'
import { launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { ROOT } from '../support/source-tree.ts'

const folder = mkdtempSync(join(tmpdir(), 'imagegate-proxied-'))
const KEY = 'the-key-of-proxied-tests'
/** What came to the proxy: the address and the key. */
const passed: string[] = []
const proxy = createServer(({ url, headers }, reply) => {
  passed.push(`${url} ${headers.authorization ?? ''}`)
  reply.writeHead(502).end()
})
proxy.on('connect', ({ url }, socket) => {
  passed.push(`CONNECT ${url}`)
  socket.destroy()
})
let gateway: Gateway
beforeAll(async () => {
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  gateway = await launchGateway({ config: `keys: [{ name: one, key_hash: ${hashOfKey(KEY)} }]\n` })
})
afterAll(async () => {
  await gateway.close()
  proxy.close()
  rmSync(folder, { recursive: true, force: true })
})

function command(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<{ code: unknown; err: string }> {
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const env = { ...BARE_ENVIRONMENT, HTTP_PROXY: url, HTTPS_PROXY: url, PORT: '0', IMAGEGATE_DATA: join(folder, 'data'), ...more }
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'bin/imagegate.mjs'), ...args], { cwd: folder, env, timeout: 60_000 }, (error, _out, err) =>
      resolve({ code: error === null ? 0 : error.code, err }),
    )
  })
}

test.each([
  ['NODE_USE_ENV_PROXY', { NODE_USE_ENV_PROXY: '1' }],
  ['NODE_USE_ENV_PROXY, which has other exceptions', { NODE_USE_ENV_PROXY: '1', NO_PROXY: 'a.example' }],
  ['NODE_OPTIONS', { NODE_OPTIONS: `${BARE_ENVIRONMENT['NODE_OPTIONS'] ?? ''} --use-env-proxy` }],
])('a command with %s asks this machine directly, and the proxy of the environment sees no key', async (_, more) => {
  const named = await command(['list'], { ...more, IMAGEGATE_URL: gateway.url, IMAGEGATE_KEY: KEY })
  const byName = await command(['list'], { ...more, IMAGEGATE_URL: gateway.url.replace('127.0.0.1', 'localhost'), IMAGEGATE_KEY: KEY })
  expect([named.code, byName.code, passed]).toEqual([0, 0, []])
})

test('a gateway inside the command, whose vendors are emulated, is reached without the proxy', { timeout: 60_000 }, async () => {
  const ended = await command(['generate', 'a fox', '--model', 'flux-2-pro', '--out', 'images'], { NODE_USE_ENV_PROXY: '1' })
  expect(ended).toMatchObject({ code: 0 })
  expect([readdirSync(join(folder, 'images')).length, passed]).toEqual([1, []])
})
