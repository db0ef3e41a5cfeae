import sharp from 'sharp'
import Together from 'together-ai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { startEmulator } from '../emulator.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: 10 })
})
afterAll(() => sandbox.close())

const client = (apiKey: string = SANDBOX_KEY) => new Together({ apiKey, baseURL: `${sandbox.url}/v1`, maxRetries: 0 })

test('the emulator is the real thing to Together’s own SDK: images in base64, and errors by their class', async () => {
  const answer = await client().images.generate({
    model: 'black-forest-labs/FLUX.2-flex',
    prompt: 'a lighthouse at dusk',
    width: 768,
    height: 512,
    steps: 20,
    output_format: 'png',
    response_format: 'base64',
    reference_images: ['https://images.example/one.png'],
  })
  expect(answer).toMatchObject({ object: 'list', model: 'black-forest-labs/FLUX.2-flex', data: [{ index: 0, type: 'b64_json' }] })
  const bytes = Buffer.from(answer.data[0]?.b64_json ?? '', 'base64')
  expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png', width: 768, height: 512 })

  const asking = (prompt: string, apiKey?: string) =>
    client(apiKey).images.generate({ model: 'black-forest-labs/FLUX.1.1-pro', prompt, response_format: 'base64' })
  await expect(asking('a hill', 'a-wrong-key')).rejects.toBeInstanceOf(Together.AuthenticationError)
  await expect(asking('a hill sandbox:always-rate-limited')).rejects.toBeInstanceOf(Together.RateLimitError)
  await expect(asking('a hill sandbox:moderated')).rejects.toBeInstanceOf(Together.UnprocessableEntityError)
})
