import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterEach, describe, expect, test } from 'vitest'
import { launchGateway } from './gateway.ts'

const closing: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A gateway whose only provider is the server that `listen` makes. */
async function before(listen: (origin: () => string) => RequestListener) {
  let origin = ''
  const server = createServer(listen(() => origin))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const gateway = await launchGateway({ config: `providers: { bfl: { api_key: key, base_url: "${origin}", max_in_flight: 30 } }\n` })
  closing.push(() => gateway.close())
  return gateway
}

describe('a provider that answers 429', () => {
  test('with Retry-After: 80000 fails its request at once, and buys nothing later', { timeout: 40_000 }, async () => {
    let submits = 0
    const gateway = await before(() => (_request, response) => {
      submits++
      response.writeHead(429, { 'retry-after': '80000' }).end('{}')
    })
    const generation = await gateway.generate({ model: 'bfl/flux-2-pro' }, { prefer: 'wait=10' })
    expect(generation).toMatchObject({ status: 'failed', error: { code: 'rate_limited', billed: false }, cost: { amount: '0' } })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(submits).toBe(1)
  })

  test('beyond four tasks at once delivers to all thirty callers', { timeout: 60_000 }, async () => {
    const image = await sharp({ create: { width: 256, height: 256, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer()
    const running = new Set<string>()
    let serial = 0
    const gateway = await before((origin) => (request, response) => {
      const url = new URL(request.url ?? '/', origin())
      const json = (status: number, body: object) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      if (url.pathname === '/image.jpg') return response.end(image)
      if (request.method === 'GET') {
        const id = url.searchParams.get('id') ?? ''
        if (running.has(id)) return json(200, { id, status: 'Pending' })
        return json(200, { id, status: 'Ready', result: { sample: `${origin()}/image.jpg?${id}` } })
      }
      if (running.size >= 4) return json(429, { detail: 'too many' })
      const id = `task-${++serial}`
      running.add(id)
      setTimeout(() => running.delete(id), 300)
      return json(200, { id, polling_url: `${origin()}/v1/get_result?id=${id}`, cost: 3 })
    })
    const ends = await Promise.all(
      Array.from({ length: 30 }, () => gateway.generate({ model: 'bfl/flux-2-pro', width: 256, height: 256 }, { prefer: 'wait=45' })),
    )
    expect(ends.filter(({ status }) => status === 'succeeded')).toHaveLength(30)
    expect(serial).toBe(30)
  })
})
