import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { ROOT } from '../support/source-tree.ts'

useRealSockets()

const KEY = 'a-key-of-the-hostile-tests'
const SOCKETS = 40
const HAS_IPV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
let server: ServerProcess
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-both-'))
  const hash = createHash('sha256').update(KEY).digest('hex')
  const limits = `limits: { per_address: { sockets: ${SOCKETS} } }`
  writeFileSync(join(folder, 'imagegate.yaml'), `server: { host: localhost }\n${limits}\nkeys: [{ name: team-a, key_hash: ${hash} }]\n`)
  server = await startProcess({
    IMAGEGATE_DATA: join(folder, 'data'),
    IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'),
    NODE_OPTIONS: `--import ${pathToFileURL(join(ROOT, 'test/support/odd-names.ts')).href}`,
    ODD_NAMES: JSON.stringify({ localhost: [['127.0.0.1', '::1']] }),
  })
})
afterAll(async () => {
  // Both addresses are given back.
  expect(await server.kill('SIGTERM')).toBe('0')
  rmSync(folder, { recursive: true, force: true })
})

const dial = (address: string): Socket => connect(Number(new URL(server.url).port), address).on('error', () => {})

/** Everything that comes until the other side closes. */
function conversation(address: string, said: string): Promise<string> {
  const socket = dial(address).setEncoding('latin1')
  let text = ''
  socket.on('data', (part: string) => (text += part)).write(said, 'latin1')
  return new Promise((resolve) => socket.once('close', () => resolve(text)))
}

describe.runIf(HAS_IPV6).each(['127.0.0.1', '::1'])('a gateway on localhost, asked at %s,', (address) => {
  test.each([
    ['a URL of 70,000 characters', `GET /v1/models?x=${'a'.repeat(70_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 414],
    ['headers of 70,000 characters', `GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
    ['what is no HTTP', '\x16\x03\x01\x02\x00\x01\x00', 400],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n', 405],
    ['an unknown expectation', 'GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: tea\r\n\r\n', 417],
    [
      'a stranger who waits to be asked for a body',
      'POST /v1/quotes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n',
      401,
    ],
  ])('answers %s with a problem document', async (_what, said, status) => {
    const text = await conversation(address, said)
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(text).toMatch(/^content-type: application\/problem\+json/im)
  })

  test('begins no more than 33 of 500 requests that a connection sends at once', async () => {
    const text = await conversation(address, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(500))
    expect(text.split('HTTP/1.1 200 ').length - 1).toBe(33)
  })

  test('refuses the connections beyond those that an address may have', async () => {
    const sockets = Array.from({ length: SOCKETS + 5 }, () => dial(address))
    let refused = 0
    for (const socket of sockets) socket.once('data', (data) => (refused += String(data).startsWith('HTTP/1.1 429') ? 1 : 0))
    await expect.poll(() => refused, { timeout: 60_000 }).toBeGreaterThanOrEqual(5)
    sockets.forEach((socket) => socket.destroy())
  })
})
