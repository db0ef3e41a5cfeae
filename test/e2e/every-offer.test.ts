import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { providerFolders, readManifest } from '../support/installed-providers.ts'
import { launchProcess, type GatewayProcess } from './gateway-process.ts'
import { OFFERS, offersSoldOn, type ContractOffer } from './contract-offers.ts'

let gateway: GatewayProcess
const bought = new Map<string, Promise<Generation>>()
const nameOf = ({ provider, model }: ContractOffer): string => `${provider}/${model}`

beforeAll(async () => {
  gateway = await launchProcess({ providers: providerFolders(), typicalMs: 20 })
  // All at once; each test waits for its own.
  for (const offer of OFFERS) {
    const asked = gateway.generate({ model: nameOf(offer), prompt: 'a lighthouse at dusk' }, { prefer: 'wait=60' })
    asked.catch(() => {})
    bought.set(nameOf(offer), asked)
  }
}, 60_000)
afterAll(() => gateway.close())

test('the contract’s table has at least 40 offers, and each is sold until its day of retirement', () => {
  expect(OFFERS.length).toBeGreaterThanOrEqual(40)
  expect(new Set(OFFERS.map(nameOf)).size).toBe(OFFERS.length)
  expect(OFFERS.filter((offer) => readManifest(offer.provider).models[offer.model] === undefined)).toEqual([])
})

describe('a gateway that is a process of its own, bought from by name,', () => {
  test.for(offersSoldOn(new Date()).map((offer) => [nameOf(offer), offer] as const))(
    'delivers %s, named and charged as its vendor does',
    async ([name, offer]) => {
      const generation = await bought.get(name)
      const { provider, model, vendorModel, quoted, amount, basis } = offer
      expect(generation).toMatchObject({
        status: 'succeeded',
        error: null,
        sandbox: true,
        model,
        provider,
        provider_model: vendorModel,
        cost: { currency: 'USD', quoted, amount, basis },
        attempts: [{ provider, status: 'succeeded' }],
      })
      const [image, ...others] = generation?.images ?? []
      expect(others).toEqual([])
      const reply = await gateway.ask(new URL(image?.url ?? '').pathname)
      const bytes = Buffer.from(await reply.arrayBuffer())
      const { width, height, format } = await sharp(bytes).metadata()
      expect({ width, height, format, bytes: bytes.length }).toEqual({
        width: image?.width,
        height: image?.height,
        format: image?.format,
        bytes: image?.bytes,
      })
      expect(width * height).toBeGreaterThan(500_000)
    },
  )
})
