import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

/** Each command of README's shell blocks; one that goes on in the next line is one. */
const commands = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block = '']) =>
  block
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== ''),
)

/** What runs this very test, and what it has done already. */
const withoutInstall = (command: string): string => command.replace(/^npm ci && /, '')

const before = new Set(readdirSync(ROOT))
let folder: string
let environment: Record<string, string>
let server: ChildProcess
let port: number
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-readme-'))
  port = await freePort()
  environment = {
    ...BARE_ENVIRONMENT,
    HOME: process.env['HOME'] ?? '',
    IMAGEGATE_DATA: join(folder, 'data'),
    PORT: String(port),
  }
  expect(commands).toContain('npm start')
  server = spawn('sh', ['-c', 'npm start'], { cwd: ROOT, env: environment, stdio: 'ignore', detached: true })
  await vi.waitFor(async () => expect((await fetch(`http://localhost:${port}/readyz`)).status).toBe(200), {
    timeout: 60_000,
    interval: 200,
  })
}, 90_000)
afterAll(() => {
  process.kill(-(server.pid ?? 0), 'SIGTERM')
  // `compare` writes its images where it is called.
  for (const name of readdirSync(ROOT).filter((name) => /^cmp_.*\.jpg$/.test(name) && !before.has(name))) rmSync(join(ROOT, name))
  rmSync(folder, { recursive: true, force: true })
})

describe('README', () => {
  test('names the two commands, each on one line', () => {
    expect(commands).toContain('npm ci && npm run demo')
    expect(commands).toContain('npm ci && npm test')
  })

  test.each(commands.map(withoutInstall).filter((command) => command !== 'npm start' && command !== 'npm test'))(
    '“%s” runs as it is printed',
    { timeout: 120_000 },
    async (command) => {
      const here = command.replaceAll('localhost:8080', `localhost:${port}`)
      const { stdout } = await run('sh', ['-c', here], { cwd: ROOT, env: environment })
      expect(stdout.length).toBeGreaterThan(100)
      if (command.startsWith('curl')) expect(JSON.parse(stdout)).toMatchObject({ object: 'generation', status: 'succeeded', sandbox: true })
    },
  )
})

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port: free } = probe.address() as AddressInfo
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  return free
}
