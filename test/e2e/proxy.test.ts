import { expect, onTestFinished, test } from 'vitest'
import { SANDBOX_KEY } from '#sandbox'
import { loadEmulator } from '../support/installed-providers.ts'
import { connectProxy } from '../transport/loopback.ts'
import { launchGateway } from './gateway.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const request = { model: 'runware/flux-2-pro', prompt: 'a harbour', width: 512, height: 512 }

async function behindProxy(noProxy: string) {
  const vendor = await (await loadEmulator('runware'))({ typicalMs: 30 })
  onTestFinished(() => vendor.close())
  const { port } = new URL(vendor.url)
  const proxy = await connectProxy({ names: { 'vendor.internal': Number(port) } })
  const host = noProxy === '' ? 'vendor.internal' : '127.0.0.1'
  const gateway = await launchGateway({
    config: `network: { allow: [127.0.0.1] }\nproviders:\n  runware: { api_key: ${SANDBOX_KEY}, base_url: "http://${host}:${port}" }\n`,
    env: { HTTPS_PROXY: proxy.url, NO_PROXY: noProxy },
  })
  onTestFinished(() => gateway.close())
  return { gateway, proxy, port }
}

test('a gateway with HTTPS_PROXY reaches the vendor’s API and its images through the proxy', async () => {
  const { gateway, proxy, port } = await behindProxy('')
  expect(await gateway.generate(request, { prefer: 'wait=60' })).toMatchObject({ status: 'succeeded', sandbox: false })
  expect([...new Set(proxy.asked)].toSorted()).toEqual([`127.0.0.1:${port}`, `vendor.internal:${port}`])
})

test('a gateway with NO_PROXY reaches what it names directly', async () => {
  const { gateway, proxy } = await behindProxy('127.0.0.1')
  expect(await gateway.generate(request, { prefer: 'wait=60' })).toHaveProperty('status', 'succeeded')
  expect(proxy.asked).toEqual([])
})

test('a sandbox with HTTPS_PROXY reaches its emulators directly', async () => {
  const proxy = await connectProxy()
  const gateway = await launchGateway({ env: { HTTPS_PROXY: proxy.url } })
  onTestFinished(() => gateway.close())
  expect(await gateway.generate(request, { prefer: 'wait=60' })).toMatchObject({ status: 'succeeded', sandbox: true })
  expect(proxy.asked).toEqual([])
})
