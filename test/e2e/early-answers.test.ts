import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashOfKey } from '../../src/http/access.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

// nock reads along on sockets, and waits for a body before it passes one on.
useRealSockets()

const folder = mkdtempSync(join(tmpdir(), 'imagegate-early-'))
let processes: readonly { readonly child: ChildProcess; readonly port: number }[] = []

/** A gateway in a process of its own. */
async function start(name: string, config: string): Promise<{ child: ChildProcess; port: number }> {
  const path = join(folder, `${name}.yaml`)
  writeFileSync(path, config)
  const env = { ...process.env, IMAGEGATE_CONFIG: path, IMAGEGATE_DATA: join(folder, name), PORT: '0', HOST: '127.0.0.1' }
  const child = spawn(process.execPath, ['bin/gateway.mjs'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const port = await new Promise<number>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      const found = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(data.toString())?.[1]
      if (found !== undefined) resolve(Number(found))
    })
  })
  return { child, port }
}

beforeAll(async () => {
  processes = await Promise.all([
    start('keyless', ''),
    start('keyed', `keys: [{ name: one, key_hash: ${hashOfKey('key-of-one')}, scope: read }]\n`),
  ])
}, 60_000)
afterAll(async () => {
  for (const { child } of processes) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** The status of the answer to a request whose body is announced and never comes. */
function statusBeforeBody(port: number, path: string, headers: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const head = [`POST ${path} HTTP/1.1`, ...headers, 'content-type: application/json', 'content-length: 30000000', '', '{'].join('\r\n')
    const socket = connect(port, '127.0.0.1', () => socket.write(head))
    socket.once('data', (data: Buffer) => {
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(data.toString())?.[1]))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

const PATHS = ['/v1/generations', '/v1/images/generations', '/bfl/v1/flux-2-pro', '/runware/v1', '/mcp', '/v1/keys', '/nothing']

test('a stranger, a foreign page and a key of too small a scope are answered before their body has come', async () => {
  const [keyless, keyed] = processes.map(({ port }) => port)
  if (keyless === undefined || keyed === undefined) throw new Error('not started')
  for (const path of PATHS) {
    const own = `host: 127.0.0.1:${keyed}`
    const answers = await Promise.all([
      statusBeforeBody(keyless, path, ['host: evil.example']),
      statusBeforeBody(keyless, path, [`host: 127.0.0.1:${keyless}`, 'origin: https://evil.example']),
      statusBeforeBody(keyed, path, [own]),
      statusBeforeBody(keyed, path, [own, 'authorization: Bearer wrong']),
    ])
    expect([path, ...answers]).toEqual([path, 403, 403, 401, 401])
  }
  expect(await statusBeforeBody(keyed, '/v1/generations', [`host: 127.0.0.1:${keyed}`, 'authorization: Bearer key-of-one'])).toBe(403)
}, 30_000)
