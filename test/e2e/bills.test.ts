import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterEach, expect, test } from 'vitest'
import { launchGateway } from './gateway.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** A vendor that delivers, and bills 500 credits (US cents) for what it sells at 3. */
async function overbillingVendor(): Promise<string> {
  const image = await sharp({ create: { width: 256, height: 256, channels: 3, background: 'teal' } })
    .jpeg()
    .toBuffer()
  let url = ''
  const server = createServer((request, response) => {
    request.resume()
    const json = (body: object) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url === '/image.jpg') response.writeHead(200, { 'content-type': 'image/jpeg' }).end(image)
    else if (request.method === 'POST') json({ id: 'task-1', polling_url: `${url}/v1/get_result?id=task-1`, cost: 500 })
    else json({ id: 'task-1', status: 'Ready', result: { sample: `${url}/image.jpg` } })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise((resolve) => server.close(resolve)))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return url
}

test('a bill of more than ten times its quote is held as unknown, and a metric counts it for an alert', async () => {
  const config = `providers: { bfl: { api_key: a-key, base_url: "${await overbillingVendor()}" } }`
  const gateway = await launchGateway({ config })
  closers.push(() => gateway.close())
  const metrics = async () => (await gateway.ask('/metrics')).text()
  expect(await metrics()).toContain('imagegate_bills_not_believed_total{provider="bfl"} 0')
  const generation = await gateway.generate({ width: 256, height: 256 })
  expect(generation).toMatchObject({ status: 'succeeded', cost: { quoted: '0.03', amount: null, basis: 'unknown' } })
  expect(await metrics()).toContain('imagegate_bills_not_believed_total{provider="bfl"} 1')
})
