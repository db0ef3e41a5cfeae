import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'

/** How a vendor puts an image into its reply. */
export const INLINE_SHAPES = {
  'OpenAI’s, in one piece': {
    provider: 'openai',
    model: 'gpt-image-2',
    type: 'application/json',
    before: '{"created":1,"data":[{"b64_json":"',
    after: '"}],"usage":{"input_tokens":5,"output_tokens":1000,"total_tokens":1005}}',
  },
  'OpenAI’s, as events': {
    provider: 'openai',
    model: 'gpt-image-2',
    type: 'text/event-stream',
    before: 'event: image_generation.completed\ndata: {"type":"image_generation.completed","created_at":1,"b64_json":"',
    after: '","usage":{"input_tokens":5,"output_tokens":1000,"total_tokens":1005}}\n\n',
  },
  'Gemini’s': {
    provider: 'gemini',
    model: 'gemini-nano-banana-2.1',
    type: 'application/json; charset=UTF-8',
    before: '{"candidates":[{"content":{"role":"model","parts":[{"inlineData":{"mimeType":"image/png","data":"',
    after: '"}}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1120}}',
  },
} as const
export type InlineShape = keyof typeof INLINE_SHAPES

/** Noise that nothing packs: 1,856 x 1,856 pixels are 10.3 MB. */
const SIDE = 1_856

export interface InlineVendor {
  readonly url: string
  /** Bytes of one image, before base64. */
  readonly imageBytes: number
  /** Bytes of the base64 in one reply. */
  readonly replyBytes: number
  /** In which shape it answers; nobody is answered before so many have asked, and then all are at once. */
  shape: InlineShape
  readonly atOnce: number
  close(): void
}

/** A vendor whose replies hold an image of 10 MB, which is 14 MB of base64, another one each. */
export async function startInlineVendor(atOnce: number): Promise<InlineVendor> {
  const images = await Promise.all(Array.from({ length: atOnce }, () => noise()))
  const encoded = images.map((image) => Buffer.from(image.toString('base64')))
  let waiting: ServerResponse[] = []
  const server = createServer((request: IncomingMessage, response) => {
    request.resume().once('end', () => {
      waiting.push(response)
      if (waiting.length < atOnce) return
      const { type, before, after } = INLINE_SHAPES[vendor.shape]
      for (const [index, each] of waiting.entries()) {
        each.writeHead(200, { 'content-type': type })
        each.write(before)
        each.write(encoded[index] ?? '')
        each.end(after)
      }
      waiting = []
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const vendor: InlineVendor = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    imageBytes: images[0]?.length ?? 0,
    replyBytes: encoded[0]?.length ?? 0,
    shape: 'Gemini’s',
    atOnce,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  return vendor
}

const noise = (): Promise<Buffer> =>
  sharp(randomBytes(SIDE * SIDE * 3), { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toBuffer()

/** The providers that answer so, each with its address here. */
export const inlineConfig = ({ url }: Pick<InlineVendor, 'url'>): string =>
  `providers: { openai: { base_url: "${url}", api_key: an-inline-key-0123, max_in_flight: 64 }, gemini: { base_url: "${url}", api_key: an-inline-key-0123, max_in_flight: 64 } }\n`

/** As many generations at once as the vendor waits for. @throws where one of them did not deliver the image */
export async function buyInline(gatewayUrl: string, vendor: InlineVendor): Promise<void> {
  const { provider, model } = INLINE_SHAPES[vendor.shape]
  const body = JSON.stringify({ model: `${provider}/${model}`, prompt: 'a lighthouse', aspect_ratio: '1:1' })
  const headers = { 'content-type': 'application/json', prefer: 'wait=60' }
  const buy = async (): Promise<string> => (await fetch(`${gatewayUrl}/v1/generations`, { method: 'POST', headers, body })).text()
  const answers = await Promise.all(Array.from({ length: vendor.atOnce }, buy))
  const wrong = answers.find((answer) => !answer.includes('"status":"succeeded"') || !answer.includes(`"bytes":${vendor.imageBytes}`))
  if (wrong !== undefined) throw new Error(`an image was not delivered: ${wrong.slice(0, 600)}`)
}
