import { createBlackForestLabs } from '@ai-sdk/black-forest-labs'
import { generateImage } from 'ai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'

let gateway: Gateway
let bfl: ReturnType<typeof createBlackForestLabs>
beforeAll(async () => {
  const order = '{ route: { order: [runware] } }'
  gateway = await launchGateway({ config: `models: { flux-2-pro: ${order}, flux-2-flex: ${order}, flux-1.1-pro: ${order} }\n` })
  bfl = createBlackForestLabs({ apiKey: 'any', baseURL: `${gateway.url}/bfl/v1`, pollIntervalMillis: 20 })
})
afterAll(() => gateway.close())

const latest = async (): Promise<Generation | undefined> =>
  (await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=1'))).data[0]

describe('generateImage of the Vercel AI SDK through @ai-sdk/black-forest-labs, served by Runware', () => {
  test('gets the image, its seed and its cost in credits', async () => {
    const { image, providerMetadata } = await generateImage({
      model: bfl.image('flux-2-pro'),
      prompt: 'a lighthouse',
      size: '768x512',
      seed: 42,
    })
    expect(await sharp(image.uint8Array).metadata()).toMatchObject({ width: 768, height: 512, format: 'jpeg' })
    expect(providerMetadata['blackForestLabs']?.images[0]).toMatchObject({ seed: 42, cost: 3, outputMegapixels: 0.38 })
    expect(await latest()).toMatchObject({ provider: 'runware', cost: { amount: '0.03', basis: 'billed' }, warnings: [] })
  })

  test('the same with the base URL without /v1', async () => {
    const plain = createBlackForestLabs({ apiKey: 'any', baseURL: `${gateway.url}/bfl`, pollIntervalMillis: 20 })
    const { image } = await generateImage({ model: plain.image('flux-pro-1.1'), prompt: 'a lighthouse' })
    expect(await sharp(image.uint8Array).metadata()).toMatchObject({ width: 1024, height: 768 })
  })

  test('edits an image and passes the provider’s own options on', async () => {
    const original = await sharp({ create: { width: 512, height: 512, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const { image } = await generateImage({
      model: bfl.image('flux-2-flex'),
      prompt: { text: 'make it blue', images: [original] },
      aspectRatio: '1:1',
      providerOptions: { blackForestLabs: { outputFormat: 'png', steps: 20, guidance: 4 } },
    })
    expect(await sharp(image.uint8Array).metadata()).toMatchObject({ format: 'png', width: 1024, height: 1024 })
    expect(await latest()).toMatchObject({
      provider: 'runware',
      request: { steps: 20, guidance: 4, reference_images: [{ width: 512, height: 512 }] },
    })
  })

  test('a task that fails is reported at once', async () => {
    await expect(generateImage({ model: bfl.image('flux-2-pro'), prompt: 'sandbox:error' })).rejects.toThrow('generation failed')
  })

  test('moderation ends with an error, after the client has asked as often as it will', async () => {
    const impatient = createBlackForestLabs({
      apiKey: 'any',
      baseURL: `${gateway.url}/bfl/v1`,
      pollIntervalMillis: 20,
      pollTimeoutMillis: 1500,
    })
    await expect(generateImage({ model: impatient.image('flux-2-pro'), prompt: 'sandbox:moderated' })).rejects.toThrow()
    expect(await latest()).toMatchObject({ status: 'failed', error: { code: 'moderated' } })
  })

  test('a wrong field reaches the caller with our words', async () => {
    const providerOptions = { blackForestLabs: { width: 300, height: 256 } }
    await expect(generateImage({ model: bfl.image('flux-pro-1.1'), prompt: 'a', providerOptions })).rejects.toThrow('multiple of 32')
  })
})
