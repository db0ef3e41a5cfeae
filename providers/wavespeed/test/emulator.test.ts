import { expect, onTestFinished, test } from 'vitest'
import { SANDBOX_KEY } from '#sandbox'
import { startEmulator } from '../emulator.ts'

test('the emulator says what an order would cost, in the vendor’s envelope, and buys nothing by it', async () => {
  const emulator = await startEmulator({ typicalMs: 10 })
  onTestFinished(() => emulator.close())
  const ask = async (body: object, key = SANDBOX_KEY) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
    const reply = await fetch(`${emulator.url}/api/v3/model/pricing`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: reply.status, body: await reply.json() }
  }
  const inputs = { prompt: 'a lighthouse', size: '1024*1024' }
  expect(await ask({ model_id: 'wavespeed-ai/flux-2-max/text-to-image', inputs })).toEqual({
    status: 200,
    body: { code: 200, message: 'success', data: { model_id: 'wavespeed-ai/flux-2-max/text-to-image', unit_price: 0.07, currency: 'USD' } },
  })
  expect(await ask({ model_id: 'wavespeed-ai/flux-2-max/text-to-image', inputs: { ...inputs, size: '1024x1024' } })).toMatchObject({
    status: 400,
  })
  expect(await ask({ model_id: 'nobody/sells-this', inputs })).toMatchObject({ status: 404 })
  expect(await ask({ model_id: 'wavespeed-ai/flux-2-max/text-to-image', inputs }, 'wrong')).toMatchObject({ status: 401 })
  expect(emulator.submits()).toBe(0)
})
