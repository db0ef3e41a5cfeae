import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startProcess } from '../crash/process.ts'

useRealSockets()

const KEYS = { own: 'the-key-of-the-owner', other: 'the-key-of-another' } as const
const MOST_BYTES = 1_000_000

test('messages at WebSockets count among the bytes of a key on their way from their first byte until they were read', async () => {
  const url = await gateway()
  const [first, second, another] = [await opened(url, KEYS.own), await opened(url, KEYS.own), await opened(url, KEYS.other)]
  // Whole ones are read and give back what they took.
  for (let count = 1; count <= 5; count += 1) {
    send(first.socket, 600_000)
    await vi.waitFor(() => expect(first.said().match(/invalidPayload/g)).toHaveLength(count), { timeout: 10_000 })
  }
  for (const { socket } of [first, another]) send(socket, 900_000, 800_000)
  await new Promise((resolve) => setTimeout(resolve, 500))
  send(second.socket, 900_000, 400_000)
  await vi.waitFor(() => expect(second.said()).toContain('limits.per_key.bytes'), { timeout: 10_000 })

  first.socket.destroy()
  await vi.waitFor(async () => {
    const third = await opened(url, KEYS.own)
    send(third.socket, 900_000)
    await vi.waitFor(() => expect(third.said()).toContain('invalidPayload'), { timeout: 2_000 })
  }, 10_000)
  expect([first, another].map(({ said }) => said().includes('limits.'))).toEqual([false, false])
}, 60_000)

/** A text of so many bytes, of which the first are sent. */
function send(socket: Socket, length: number, sent = length): void {
  const head = Buffer.alloc(14)
  head.set([0x81, 0xff])
  head.writeBigUInt64BE(BigInt(length), 2)
  socket.write(Buffer.concat([head, Buffer.alloc(sent, ' ')]))
}

async function opened(url: string, key: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const upgrade = 'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13'
  const nonce = randomBytes(16).toString('base64')
  socket.write(
    `GET /runware/v1 HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${key}\r\n${upgrade}\r\nsec-websocket-key: ${nonce}\r\n\r\n`,
  )
  await once(socket, 'data')
  let said = ''
  socket.on('data', (data) => (said += data.toString('latin1')))
  return { socket, said: () => said }
}

async function gateway(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-messages-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const keys = Object.entries(KEYS).map(([name, key]) => `{ name: ${name}, key_hash: ${createHash('sha256').update(key).digest('hex')} }`)
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, `keys: [${keys.join(', ')}]\nlimits: { per_key: { bytes: ${MOST_BYTES} } }\n`)
  const server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: config })
  onTestFinished(async () => void (await server.kill('SIGKILL')))
  return server.url
}
