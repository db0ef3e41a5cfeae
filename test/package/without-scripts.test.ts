import { useRealSockets } from '../transport/real-sockets.ts'
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT } from '../support/source-tree.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

useRealSockets()

/** What `npm ci --ignore-scripts` leaves: the tracked sources and the packages; nothing that `prepare` or a package's own script makes. */
function checkedOut(): string {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-unscripted-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['src', 'providers', 'package.json']) cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

test(
  'a checkout in which no script ran at its installation starts and draws an image, and the address of its pages is answered',
  { timeout: 60_000 },
  async () => {
    const folder = checkedOut()
    const env = { ...BARE_ENVIRONMENT, PORT: '0', IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: '' }
    const server = spawn(process.execPath, ['src/main.ts'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    onTestFinished(() => void server.kill('SIGKILL'))
    let said = ''
    const url = await new Promise<string>((resolve, reject) => {
      const hear = (part: Buffer): void => {
        said += part.toString()
        const [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? []
        if (address !== undefined) resolve(address)
      }
      server.stdout.on('data', hear)
      server.stderr.on('data', hear)
      server.once('exit', () => reject(new Error(said)))
    })
    const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 })
    const headers = { 'content-type': 'application/json', prefer: 'wait=60' }
    const generation = await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })
    expect(await generation.json()).toMatchObject({ status: 'succeeded', images: [{ width: 256 }] })
    const page = await fetch(`${url}/`)
    expect([page.status < 500, (await page.text()).length > 0]).toEqual([true, true])
  },
)
