import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { freePort } from '../support/free-port.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
const folders: string[] = []
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A sandbox whose standard output is what is given. */
async function start(output: 'pipe' | number) {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-log-'))
  folders.push(folder)
  const child = spawn(process.execPath, [MAIN], {
    env: { ...BARE_ENVIRONMENT, IMAGEGATE_DATA: folder, PORT: String(port) },
    stdio: ['ignore', output, 'inherit'],
  })
  started.push(child)
  const url = `http://127.0.0.1:${port}`
  const isReady = () =>
    fetch(`${url}/readyz`).then(
      ({ status }) => status,
      () => 0,
    )
  await expect.poll(isReady, { timeout: 60_000 }).toBe(200)
  return { child, url, ended: once(child, 'exit') }
}

async function generate(url: string): Promise<string> {
  const reply = await fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse' }),
  })
  return ((await reply.json()) as Generation).status
}

describe('a gateway whose log cannot be written', { timeout: 90_000 }, () => {
  test('serves and ends as usual where the disk of the log is full', async () => {
    const full = openSync('/dev/full', 'w')
    const { child, url, ended } = await start(full)
    closeSync(full)
    expect(await generate(url)).toBe('succeeded')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  test('serves and ends as usual where the reader of the log is gone, and where it goes with the signal', async () => {
    const [first, second] = await Promise.all([start('pipe'), start('pipe')])
    first.child.stdout?.destroy()
    expect(await generate(first.url)).toBe('succeeded')
    first.child.kill('SIGTERM')
    second.child.kill('SIGTERM')
    second.child.stdout?.destroy()
    expect(await Promise.all([first.ended, second.ended])).toEqual([
      [0, null],
      [0, null],
    ])
  })

  test('serves where nobody reads the log, has written every line once somebody reads it, and ends as usual', async () => {
    const { child, url, ended } = await start('pipe')
    child.stdout?.pause()
    const asked = 2_000
    for (let count = 0; count < asked; count += 100) {
      const replies = Array.from({ length: 100 }, () => fetch(`${url}/v1/providers`))
      for (const reply of await Promise.all(replies)) await reply.arrayBuffer()
    }
    expect(await generate(url)).toBe('succeeded')
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.stdout?.resume()
    await expect.poll(() => text.split('/v1/providers').length - 1, { timeout: 60_000 }).toBe(asked)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })
})
