import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startUnder } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { closeClient, send } from './client.ts'

useRealSockets()

const KEY = 'a-key-where-few-files-may-be-open'
const FILES = 128

let vendors: Vendors
let atVendors: ReturnType<Vendors['folder']>
let server: ServerProcess
beforeAll(async () => {
  vendors = await startVendors({ providers: ['bfl'], typicalMs: 40 })
  atVendors = vendors.folder(`keys: [{ name: a, key_hash: ${createHash('sha256').update(KEY).digest('hex')} }]\n`)
  server = await startUnder(`ulimit -S -n ${FILES}; ulimit -H -n ${FILES}`, atVendors.environment)
}, 60_000)
afterAll(async () => {
  closeClient()
  await server.kill('SIGKILL')
  atVendors.remove()
  await vendors.close()
})

const buy = async (prompt: string): Promise<Generation> => {
  const { body } = await send(server.url, {
    method: 'POST',
    path: '/v1/generations',
    headers: ['authorization', `Bearer ${KEY}`, 'content-type', 'application/json', 'prefer', 'wait=60'],
    body: Buffer.from(JSON.stringify({ model: 'bfl/flux-2-pro', prompt, width: 256, height: 256 })),
  })
  return JSON.parse(body.toString()) as Generation
}

/** Strangers who open as many connections as there may be files, and another for each that is closed. */
function strangers(): () => void {
  const { hostname, port } = new URL(server.url)
  const open = new Set<Socket>()
  const timer = setInterval(() => {
    while (open.size < 2 * FILES) {
      const socket = connect(Number(port), hostname).on('error', () => {})
      open.add(socket.on('close', () => open.delete(socket)))
    }
  }, 20)
  return () => {
    clearInterval(timer)
    for (const socket of open) socket.destroy()
  }
}

test('the connections of strangers leave enough for vendors and images where the system lets few files be open', async () => {
  expect((await buy('before')).status).toBe('succeeded')
  const leave = strangers()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const bought = []
  for (let count = 0; count < 5; count++) bought.push(await buy(`beside them, ${count}`))
  leave()
  expect(bought.map(({ status, attempts }) => [status, attempts?.length])).toEqual(bought.map(() => ['succeeded', 1]))
  expect(server.said()).toContain(`"files":${FILES},"connections":${Math.floor(FILES / 3)}`)
}, 90_000)
