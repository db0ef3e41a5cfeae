import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json as readJson } from 'node:stream/consumers'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import { readText } from '../support/source-tree.ts'
import { launchGateway } from './gateway.ts'

/** As reports describe it: OpenAI's shape below a version, the key in a header of its own, megapixels beside the image and no charge. */
async function startFoundry() {
  const bought: unknown[] = []
  const image = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#246' } })
    .png()
    .toBuffer()
  const server = createServer((request, response) => {
    void readJson(request).then((body) => {
      const isRight = request.headers['api-key'] === 'azure-key-1234567890' && request.headers.authorization === undefined
      if (!isRight || request.url !== '/openai/v1/images/generations') return response.writeHead(401).end('{"error":{"code":"401"}}')
      bought.push(body)
      const reply = { created: 1, data: [{ b64_json: image.toString('base64') }], request_meta: { input_mp: 0, output_mp: 1 } }
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { bought, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/openai/v1` }
}

test('Azure AI Foundry sells by the example of its page, with the key in its own header', async () => {
  const foundry = await startFoundry()
  const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(readText('docs/providers/azure.md')) ?? []
  const config = example.replace(/base_url: "[^"]*"/, `base_url: "${foundry.url}"`)
  const gateway = await launchGateway({ config, env: { AZURE_API_KEY: 'azure-key-1234567890' } })
  onTestFinished(() => gateway.close())
  expect(await gateway.generate({ model: 'azure/flux-2-pro', width: 1024, height: 1024 })).toMatchObject({
    status: 'succeeded',
    provider: 'azure',
    provider_model: 'FLUX.2-pro',
    cost: { amount: '0.03', basis: 'computed' },
  })
  expect(await gateway.generate({ model: 'azure/flux-2-flex' })).toMatchObject({
    status: 'succeeded',
    cost: { amount: null, basis: 'unknown' },
  })
  expect(foundry.bought).toMatchObject([{ model: 'FLUX.2-pro', size: '1024x1024' }, { model: 'FLUX.2-flex' }])
})
