import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { CostReport, Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const drawn = (side: number) =>
  sharp({ create: { width: side, height: side, channels: 3, background: '#468' } })
    .jpeg()
    .toBuffer()
const [SMALL, LARGE] = [await drawn(1024), await drawn(2048)]

/** Another image for the vendor than for the gateway. Under `/late` the gateway gets none at first, and then the large one. */
async function twoFacedLinks(): Promise<string> {
  let asked = 0
  const server = createServer((request, response) => {
    const isGateway = request.headers['user-agent']?.startsWith('imagegate') === true
    if (request.url === '/hidden' && isGateway) return void response.writeHead(403).end()
    if (request.url === '/late' && isGateway && asked++ === 0) return void response.writeHead(503).end()
    response.writeHead(200, { 'content-type': 'image/jpeg' }).end(isGateway && request.url === '/small' ? SMALL : LARGE)
  })
  return listening(server)
}

/** Bills in cents what BFL's page says: three for a megapixel of output, and one and a half for one of each reference, as it sees them. */
async function startVendor(): Promise<{ readonly url: string; readonly bills: number[] }> {
  const bills: number[] = []
  const url = await startOddVendor(async (sent, path, base) => {
    if (path === '/image.jpg') return { body: SMALL }
    if (sent === '') return { body: { id: path.slice(1), status: 'Ready', result: { sample: `${base}/image.jpg` }, cost: bills.at(-1) } }
    const { input_image: image } = JSON.parse(sent) as { readonly input_image: string }
    const bytes = image.startsWith('http') ? Buffer.from(await (await fetch(image)).arrayBuffer()) : Buffer.from(image, 'base64')
    const { width, height } = await sharp(bytes).metadata()
    const cost = 3 + 1.5 * Math.ceil((width * height) / 1_048_576)
    bills.push(cost)
    return { body: { id: `task-${bills.length}`, polling_url: `${base}/task-${bills.length}`, cost } }
  })
  return { url, bills }
}

test(
  'a link that gives the vendor a larger image than it gave the gateway takes no key beyond its budget',
  { timeout: 60_000 },
  async () => {
    const [links, vendor] = await Promise.all([twoFacedLinks(), startVendor()])
    const key = `{ name: team, key_hash: ${createHash('sha256').update('team').digest('hex')}, budget_usd: "0.05" }`
    const { url } = await gatewayWith(`keys: [${key}]
network: { allow: ["127.0.0.0/8"] }
providers: { bfl: { api_key: a-vendor-key-0123, base_url: "${vendor.url}" } }
`)
    const headers = { authorization: 'Bearer team', 'content-type': 'application/json', prefer: 'wait=60' }
    const buy = async (path: string): Promise<Generation> => {
      const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024, reference_images: [links + path] })
      return (await (await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
    }
    for (const path of ['/hidden', '/late']) {
      const { status, error } = await buy(path)
      expect({ path, status, code: error?.code, billed: error?.billed }).toEqual({
        path,
        status: 'failed',
        code: 'invalid_request',
        billed: false,
      })
    }
    expect(vendor.bills).toEqual([])
    expect(await buy('/small')).toMatchObject({ status: 'succeeded', cost: { quoted: '0.045', amount: '0.045', basis: 'billed' } })
    expect(vendor.bills).toEqual([4.5])
    const { budgets } = (await (await fetch(`${url}/v1/costs`, { headers })).json()) as CostReport
    expect(budgets).toMatchObject([{ limit: '0.05', used: '0.045' }])
  },
)
