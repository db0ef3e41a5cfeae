import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const REPLY = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'

/** A proxy that grants each tunnel, and sends this in the same packet. */
async function eagerProxy(behind: string) {
  const sockets = new Set<Socket>()
  const proxy = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n\r\n${behind}`))
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  return { port: (proxy.address() as AddressInfo).port, connections: () => sockets.size }
}

test.each([
  ['junk', '\0junk'],
  ['a reply', REPLY],
  ['another grant', 'HTTP/1.1 200 OK\r\n\r\n'],
])('a proxy that sends %s behind its grant is given up after four tries, each with one connection', async (_what, behind) => {
  const proxy = await eagerProxy(behind)
  const { url } = await gatewayWith(
    `network: { proxy: "http://127.0.0.1:${proxy.port}" }\nproviders: { runware: { api_key: a-vendor-key-0123, base_url: "http://127.0.0.1:1" } }\n`,
  )
  const body = JSON.stringify({ model: 'runware/flux-2-pro', prompt: 'a tree', width: 256, height: 256 })
  const headers = { 'content-type': 'application/json', prefer: 'wait=60' }
  const generation = (await (await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
  expect(proxy.connections()).toBe(4)
  expect(generation).toMatchObject({ status: 'failed', cost: { amount: '0' }, error: { code: 'provider_unavailable', billed: false } })
})
