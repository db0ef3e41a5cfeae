import { createOpenAI } from '@ai-sdk/openai'
import { generateImage } from 'ai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'
import { begun, image, rejection } from './client.ts'

let gateway: Gateway
let openai: ReturnType<typeof createOpenAI>
beforeAll(async () => {
  gateway = await launchGateway({ config: 'models: { flux-2-pro: { route: { order: [vtrix] } } }\n' })
  openai = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any' })
})
afterAll(() => gateway.close())

describe('generateImage of the Vercel AI SDK through @ai-sdk/openai', () => {
  test('gets images of the size it asked, served by the vendor the route names', async () => {
    const { images, responses } = await generateImage({ model: openai.image('flux-2-pro'), prompt: 'a lighthouse', size: '768x512', n: 2 })
    expect(images).toHaveLength(2)
    for (const image of images) expect(await sharp(image.uint8Array).metadata()).toMatchObject({ width: 768, height: 512 })
    expect(responses.map(({ headers }) => headers?.['x-imagegate-provider'])).toEqual(['vtrix', 'vtrix'])
  })

  test('edits images, though it cannot say that it wants bytes', async () => {
    const images = [await image(400, 400, 'red'), await image(400, 400, 'blue')]
    const result = await generateImage({ model: openai.image('flux-2-pro'), prompt: { text: 'side by side', images }, size: '512x512' })
    expect(await sharp(result.image.uint8Array).metadata()).toMatchObject({ width: 512, height: 512 })
  })

  test('learns of moderation once and asks no second time', async () => {
    const providerOptions = { openai: { user: 'ai-moderated' } }
    const error = await rejection(
      generateImage({ model: openai.image('flux-2-pro'), prompt: 'a brawl sandbox:moderated', providerOptions }),
    )
    expect(error).toMatchObject({ statusCode: 400, isRetryable: false, message: expect.stringContaining('safety system') })
    expect(await begun(gateway, 'ai-moderated')).toHaveLength(1)
  })

  test('does not buy twice what may have been bought, though it ignores x-should-retry', async () => {
    const providerOptions = { openai: { user: 'ai-lost' } }
    const error = await rejection(
      generateImage({ model: openai.image('bfl/flux-2-pro'), prompt: 'a harbour sandbox:lost-reply', providerOptions }),
    )
    expect(error).toMatchObject({ statusCode: 424, isRetryable: false })
    expect(await begun(gateway, 'ai-lost')).toHaveLength(1)
  })
})
