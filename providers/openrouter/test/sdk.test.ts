import { afterAll, beforeAll, expect, test } from 'vitest'
import sharp from 'sharp'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { startEmulator } from '../emulator.ts'

/** What is used of the SDK. Its own types would change those of the platform's streams for the whole program. */
interface Sdk {
  readonly OpenRouter: new (options: object) => {
    readonly images: { generate(request: { readonly imageGenerationRequest: object }): Promise<Answer> }
  }
}
interface Answer {
  readonly data?: readonly { readonly b64Json: string; readonly mediaType?: string }[]
  readonly usage?: object
}
const SDK: string = '@openrouter/sdk'
const { OpenRouter } = (await import(SDK)) as Sdk

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: 10 })
})
afterAll(() => sandbox.close())

const client = (apiKey: string = SANDBOX_KEY) =>
  new OpenRouter({ apiKey, serverURL: `${sandbox.url}/api/v1`, retryConfig: { strategy: 'none' } })

test('the emulator is the real thing to OpenRouter’s own SDK: an image, its charge, and errors by their class', async () => {
  const answer = await client().images.generate({
    imageGenerationRequest: {
      model: 'black-forest-labs/flux.2-pro',
      prompt: 'a lighthouse at dusk',
      aspectRatio: '16:9',
      outputFormat: 'png',
      seed: 7,
      inputReferences: [{ type: 'image_url', imageUrl: { url: 'https://images.example/one.png' } }],
    },
  })
  expect(answer.usage).toMatchObject({ cost: 0.045, isByok: false })
  const [image] = answer.data ?? []
  expect(image?.mediaType).toBe('image/png')
  expect(await sharp(Buffer.from(image?.b64Json ?? '', 'base64')).metadata()).toMatchObject({ format: 'png', width: 1360, height: 768 })

  const asking = (prompt: string, apiKey?: string) =>
    client(apiKey).images.generate({ imageGenerationRequest: { model: 'black-forest-labs/flux-3-image', prompt } })
  await expect(asking('a hill', 'a-wrong-key')).rejects.toThrow(expect.objectContaining({ name: 'UnauthorizedResponseError' }))
  await expect(asking('a hill sandbox:no-credit')).rejects.toThrow(expect.objectContaining({ name: 'PaymentRequiredResponseError' }))
  await expect(asking('a hill sandbox:moderated')).rejects.toThrow(expect.objectContaining({ name: 'ForbiddenResponseError' }))
})
