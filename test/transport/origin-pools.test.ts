import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { ask } from '../../src/transport/guarded-request.ts'
import { OriginPools } from '../../src/transport/origin-pools.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

test('pools of origins that answered, said nothing or could not be reached are not kept for ever', { timeout: 30_000 }, async () => {
  const server = createServer((request, response) => void (request.url === '/silent' || response.end('here'))).listen(0, '0.0.0.0')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const pools = new OriginPools({ connections: 2 })
  const get = async (index: number, path: string, at = port): Promise<string> => {
    const url = new URL(`http://127.0.${index >> 8}.${1 + (index & 127)}:${at}${path}`)
    const answer = await ask(pools, { url, method: 'GET', headers: {}, silenceMs: path === '/silent' ? 200 : 10_000, maxBytes: 100 })
    if (answer.kind !== 'answer') return answer.kind
    const parts: unknown[] = []
    for await (const part of answer.body) parts.push(part)
    return `${answer.status} ${String(parts[0])}`
  }
  const all = async (from: number, path: string, at?: number) =>
    new Set(await Promise.all(Array.from({ length: 120 }, (_, index) => get(from + index, path, at))))
  expect(await all(0, '/')).toEqual(new Set(['200 here']))
  expect(await all(256, '/silent')).toEqual(new Set(['failed']))
  expect(await all(512, '/', 1)).toEqual(new Set(['failed']))
  expect(pools.size).toBeLessThanOrEqual(64)
  // Those that are kept serve again, and so do those that are not.
  expect(await all(0, '/')).toEqual(new Set(['200 here']))
  await pools.close()
  expect(await get(0, '/')).toBe('failed')
  expect(await get(999, '/')).toBe('failed')
})
