import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../crash/process.ts'

test('a proxy whose password has a lone % is refused in words at a reload and a start, and the gateway goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-odd-proxy-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'imagegate.yaml')
  writeFileSync(file, '')
  const environment = { IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data') }
  const server = await startProcess(environment)
  onTestFinished(async () => void (await server.kill('SIGKILL')))
  const refusal = /network\.proxy: has a user name or a password with a % that begins no character/
  writeFileSync(file, 'network: { proxy: "http://user:fifty%off@127.0.0.1:3128" }\n')
  server.signal('SIGHUP')
  await expect.poll(() => server.said(), { timeout: 10_000 }).toMatch(refusal)
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  await expect(startProcess(environment)).rejects.toThrow(refusal)
  const { IMAGEGATE_DATA } = environment
  const variables = { IMAGEGATE_DATA, HTTPS_PROXY: 'http://user:fifty%off@127.0.0.1:3128' }
  await expect(startProcess(variables)).rejects.toThrow(/HTTPS_PROXY: has a user name or a password with a %/)
  expect(server.said()).not.toContain('fifty')
})
