import { expect, onTestFinished, test } from 'vitest'
import { SANDBOX_KEY } from '#sandbox'
import { changedVendor } from '../support/changed-vendor.ts'
import { loadEmulator } from '../support/installed-providers.ts'
import { launchGateway } from './gateway.ts'
import { launchProcess } from './gateway-process.ts'

test('a vendor that says its price before buying is asked each time: dearer than quoted is not bought, cheaper or silent is', async () => {
  const emulator = await (await loadEmulator('wavespeed'))({ typicalMs: 10 })
  onTestFinished(() => emulator.close())
  const vendor = await changedVendor(emulator.url)
  const gateway = await launchGateway({
    providers: ['wavespeed'],
    config: `providers: { wavespeed: { api_key: ${SANDBOX_KEY}, base_url: "${vendor.url}" } }\nnetwork: { allow: [127.0.0.1] }`,
  })
  onTestFinished(() => gateway.close())
  const buy = async (unitPrice: number | null, n = 1) => {
    vendor.change = ({ path }) => {
      if (!path.endsWith('/model/pricing')) return undefined
      const data = { unit_price: unitPrice, currency: 'USD' }
      return unitPrice === null ? { status: 500, body: {} } : { status: 200, body: { code: 200, message: 'success', data } }
    }
    return gateway.generate({ model: 'flux-2-flex', n }, { prefer: 'wait=60' })
  }
  expect(await buy(0.06)).toMatchObject({ status: 'succeeded', cost: { quoted: '0.06', amount: '0.06' } })
  expect(vendor.heard.slice(0, 2)).toEqual(['POST /api/v3/model/pricing', 'POST /api/v3/wavespeed-ai/flux-2-flex/text-to-image'])
  expect(await buy(0.05)).toMatchObject({ status: 'succeeded' })
  expect(await buy(null)).toMatchObject({ status: 'succeeded' })
  expect(emulator.submits()).toBe(3)
  const dearer = await buy(0.0601, 2)
  expect(dearer).toMatchObject({
    status: 'failed',
    error: {
      code: 'provider_unavailable',
      billed: false,
      message: expect.stringContaining('asks 0.1202 for this now, and 0.12 was quoted'),
    },
    cost: { amount: '0' },
  })
  expect(emulator.submits()).toBe(3)
}, 40_000)

test('a price that rose just before buying goes on to the next provider where fallbacks are allowed; where not, the end says what was asked', async () => {
  const dear = await (await loadEmulator('wavespeed'))({ typicalMs: 10 })
  const next = await (await loadEmulator('bfl'))({ typicalMs: 10 })
  onTestFinished(async () => {
    await dear.close()
    await next.close()
  })
  const vendor = await changedVendor(dear.url)
  vendor.change = ({ path }) =>
    path.endsWith('/model/pricing') ? { status: 200, body: { code: 200, data: { unit_price: 0.07, currency: 'USD' } } } : undefined
  const gateway = await launchProcess({
    providers: ['wavespeed', 'bfl'],
    config: `providers:
  wavespeed: { api_key: ${SANDBOX_KEY}, base_url: "${vendor.url}" }
  bfl: { api_key: ${SANDBOX_KEY}, base_url: "${next.url}" }
network: { allow: [127.0.0.1] }`,
  })
  onTestFinished(() => gateway.close())
  const order = ['wavespeed', 'bfl']
  const wentOn = await gateway.generate({ model: 'flux-2-flex', provider: { order } }, { prefer: 'wait=60' })
  expect(wentOn).toMatchObject({ status: 'succeeded', provider: 'bfl', images: [{}] })
  expect(wentOn.attempts).toMatchObject([
    { provider: 'wavespeed', status: 'failed', provider_task_id: null, error: { billed: false }, cost: { amount: '0' } },
    { provider: 'bfl', status: 'succeeded' },
  ])
  expect([dear.submits(), next.submits()]).toEqual([0, 1])
  const refused = await gateway.generate({ model: 'flux-2-flex', provider: { order, allow_fallbacks: false } }, { prefer: 'wait=60' })
  expect(refused).toMatchObject({
    status: 'failed',
    provider: 'wavespeed',
    attempts: [{ provider: 'wavespeed' }],
    error: { code: 'provider_unavailable', billed: false, message: expect.stringContaining('asks 0.07 for this now, and 0.06 was quoted') },
    cost: { amount: '0' },
  })
  expect([dear.submits(), next.submits()]).toEqual([0, 1])
  expect(vendor.heard).toEqual(['POST /api/v3/model/pricing', 'POST /api/v3/model/pricing'])
}, 40_000)
