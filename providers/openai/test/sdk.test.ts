import OpenAI, { toFile } from 'openai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { useRealSockets } from '../../../test/transport/real-sockets.ts'
import { startEmulator } from '../emulator.ts'

/** The vendor's own SDK takes the emulator for the real thing: its calls are accepted, and it reads the replies into its own types. */
let sandbox: Sandbox
let openai: OpenAI
useRealSockets()
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: 4 })
  openai = new OpenAI({ apiKey: SANDBOX_KEY, baseURL: `${sandbox.url}/v1`, maxRetries: 0 })
})
afterAll(() => sandbox.close())

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const sizeOf = async (base64: string | undefined) => {
  const { width, height, format } = await sharp(Buffer.from(base64 ?? '', 'base64')).metadata()
  return { width, height, format }
}

describe('the vendor’s own SDK, pointed at the emulator,', () => {
  test('buys images of a size and a format, and reads their usage', async () => {
    const asked = { model: 'gpt-image-2', prompt: 'a lighthouse', n: 2, size: '1536x864', quality: 'low', output_format: 'jpeg' } as const
    const images = await openai.images.generate(asked)
    expect(images.data).toHaveLength(2)
    expect(await sizeOf(images.data?.[1]?.b64_json)).toEqual({ width: 1536, height: 864, format: 'jpeg' })
    expect(images).toMatchObject({ size: '1536x864', quality: 'low', output_format: 'jpeg' })
    expect(images.usage?.total_tokens).toBe((images.usage?.input_tokens ?? 0) + (images.usage?.output_tokens ?? 0))
  })

  test('edits images with a mask as a form', async () => {
    const png = await sharp({ create: { width: 64, height: 64, channels: 4, background: '#8888' } })
      .png()
      .toBuffer()
    const image = [await toFile(png, 'one.png', { type: 'image/png' }), await toFile(png, 'two.png', { type: 'image/png' })]
    const mask = await toFile(png, 'mask.png', { type: 'image/png' })
    const edited = await openai.images.edit({ model: 'gpt-image-1.5', prompt: 'a hat', image, mask, n: 1, input_fidelity: 'high' })
    expect(await sizeOf(edited.data?.[0]?.b64_json)).toEqual({ width: 1024, height: 1024, format: 'png' })
    expect(edited.usage?.input_tokens_details.image_tokens).toBeGreaterThan(0)
  })

  test('reads the events of a stream, with images on their way, of a purchase and of an edit', async () => {
    const types: string[] = []
    const asked = { model: 'gpt-image-2', prompt: 'a lighthouse', size: '1024x1024', quality: 'low' } as const
    for await (const event of await openai.images.generate({ ...asked, stream: true, partial_images: 2 })) {
      types.push(event.type)
      expect(await sizeOf(event.b64_json)).toEqual({ width: 1024, height: 1024, format: 'png' })
      if (event.type === 'image_generation.completed') expect(event.usage.output_tokens).toBeGreaterThan(0)
    }
    const image = await toFile(Buffer.from(PNG, 'base64'), 'one.png', { type: 'image/png' })
    for await (const event of await openai.images.edit({ ...asked, image, stream: true })) types.push(event.type)
    expect(types).toEqual([
      ...(['image_generation.partial_image', 'image_generation.partial_image', 'image_generation.completed'] as const),
      'image_edit.completed',
    ])
    const failing = await openai.images.generate({ ...asked, prompt: 'sandbox:moderated-output', stream: true })
    await expect(Array.fromAsync(failing)).rejects.toMatchObject({ code: 'moderation_blocked' })
  })

  test('throws the errors that it has classes for', async () => {
    const error = async (prompt: string, more: object = {}) =>
      openai.images.generate({ model: 'gpt-image-2', prompt, ...more }).then(
        () => null,
        (thrown: unknown) => thrown,
      )
    const moderated = await error('sandbox:moderated-output')
    expect(moderated).toBeInstanceOf(OpenAI.BadRequestError)
    expect(moderated).toMatchObject({ code: 'moderation_blocked', type: 'image_generation_user_error' })
    expect(await error('sandbox:always-rate-limited')).toBeInstanceOf(OpenAI.RateLimitError)
    expect(await error('sandbox:no-credit')).toMatchObject({ status: 429, code: 'insufficient_quota' })
    expect(await error('sandbox:unauthorized')).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(await error('sandbox:crash')).toBeInstanceOf(OpenAI.InternalServerError)
    expect(await error('x', { size: '1000x1000' })).toMatchObject({ code: 'invalid_value', param: 'size' })
    expect(await error('x', { response_format: 'url' })).toMatchObject({ code: 'unknown_parameter', param: 'response_format' })
  })
})
