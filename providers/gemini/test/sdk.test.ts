import { ApiError, GoogleGenAI, HarmBlockThreshold, HarmCategory, ThinkingLevel } from '@google/genai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { useRealSockets } from '../../../test/transport/real-sockets.ts'
import { startEmulator } from '../emulator.ts'

/** The vendor's own SDK takes the emulator for the real thing: its calls are accepted, and it reads the replies into its own types. */
let sandbox: Sandbox
let google: GoogleGenAI
useRealSockets()
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: 4 })
  google = new GoogleGenAI({ apiKey: SANDBOX_KEY, httpOptions: { baseUrl: sandbox.url } })
})
afterAll(() => sandbox.close())

const sizeOf = async (base64: string | undefined) => {
  const { width, height } = await sharp(Buffer.from(base64 ?? '', 'base64')).metadata()
  return { width, height }
}

describe('the vendor’s own SDK, pointed at the emulator,', () => {
  test('draws an image of a shape and a resolution, and reads its usage', async () => {
    const config = { responseModalities: ['IMAGE'], imageConfig: { aspectRatio: '16:9', imageSize: '2K' }, seed: 7 }
    const drawn = await google.models.generateContent({ model: 'gemini-3-pro-image', contents: 'a lighthouse', config })
    expect(await sizeOf(drawn.data)).toEqual({ width: 2752, height: 1536 })
    expect(drawn.responseId).toBeTruthy()
    expect(drawn.usageMetadata).toMatchObject({ candidatesTokenCount: 1_120, thoughtsTokenCount: 200 })
  })

  test('edits with references, thresholds of safety and a level of thinking', async () => {
    const png = await sharp({ create: { width: 32, height: 32, channels: 3, background: 'teal' } })
      .png()
      .toBuffer()
    const edited = await google.models.generateContent({
      model: 'gemini-nano-banana-2.1',
      contents: [{ role: 'user', parts: [{ text: 'a hat' }, { inlineData: { mimeType: 'image/png', data: png.toString('base64') } }] }],
      config: {
        imageConfig: { aspectRatio: '1:1' },
        thinkingConfig: { thinkingLevel: ThinkingLevel.MINIMAL },
        safetySettings: [{ category: HarmCategory.HARM_CATEGORY_HARASSMENT, threshold: HarmBlockThreshold.BLOCK_ONLY_HIGH }],
      },
    })
    expect(await sizeOf(edited.data)).toEqual({ width: 1024, height: 1024 })
    expect(edited.usageMetadata?.promptTokensDetails).toContainEqual({ modality: 'IMAGE', tokenCount: 560 })
  })

  test('reads refusals, and throws its errors', async () => {
    const ask = (contents: string, config: object = {}) =>
      google.models.generateContent({ model: 'gemini-2.5-flash-image', contents, config })
    expect((await ask('sandbox:moderated')).promptFeedback?.blockReason).toBe('PROHIBITED_CONTENT')
    expect((await ask('sandbox:moderated-output')).candidates?.[0]?.finishReason).toBe('IMAGE_SAFETY')
    const error = (contents: string, config?: object) => ask(contents, config).then(String, (thrown: unknown) => thrown)
    const limited = await error('sandbox:no-credit')
    expect(limited).toBeInstanceOf(ApiError)
    expect(limited).toMatchObject({ status: 402 })
    expect(await error('x', { imageConfig: { imageSize: '2K' } })).toMatchObject({ status: 400 })
  })
})
