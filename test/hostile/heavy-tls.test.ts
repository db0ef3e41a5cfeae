import { useRealSockets } from '../transport/real-sockets.ts'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayWith } from '../support/for-one-test.ts'
import { longChain, longModulus, tlsServer } from '../support/heavy-tls.ts'
import { LONGEST_STOP_MS, leastStop, startNeighbour } from '../support/neighbour.ts'
import { quickVendor } from '../support/quick-vendor.ts'

useRealSockets()

async function quoting() {
  const vendor = await quickVendor()
  const gateway = await gatewayWith(`network: { allow: ["127.0.0.0/8"] }
providers:
  relay:
    shape: openai-images
    base_url: http://127.0.0.1:${vendor}
    api_key: a-vendor-key
    references: image_url
    models: { flux-2-pro: { provider_model: flux, price: { per_image: "0.02" } } }
`)
  const neighbour = await startNeighbour(gateway)
  onTestFinished(() => neighbour.end())
  let asked = 0
  const quote = async (server: string): Promise<void> => {
    const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tree', reference_images: [`${server}/${asked++}.png`] })
    const reply = await fetch(`${gateway.url}/v1/quotes`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect(reply.status).toBe(200)
    await reply.arrayBuffer()
  }
  return { neighbour, quote }
}

test(
  'a server behind a link stops nobody by what it makes us compute before its certificate is judged: a long modulus, a chain of long keys',
  { timeout: 60_000 },
  async () => {
    const { neighbour, quote } = await quoting()
    const calm = await tlsServer(longChain(1))
    await quote(calm)
    for (const options of [longModulus(), longChain(65)]) {
      const server = await tlsServer(options)
      const { longestMs, failed } = await leastStop(neighbour, () => quote(server))
      expect(failed).toBe(0)
      expect(longestMs).toBeLessThan(LONGEST_STOP_MS)
    }
  },
)
