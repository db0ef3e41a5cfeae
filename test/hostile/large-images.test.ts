import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { quickVendor } from '../support/quick-vendor.ts'

useRealSockets()

const hash = (secret: string): string => createHash('sha256').update(secret).digest('hex')
const plain = (side: number) => sharp({ create: { width: side, height: side, channels: 3, background: '#246' } })

async function gateway(port: number) {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-large-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `keys: [{ name: large, key_hash: ${hash('large')} }, { name: honest, key_hash: ${hash('honest')} }]
providers:
  relay:
    shape: openai-images
    base_url: http://127.0.0.1:${port}
    api_key: a-vendor-key
    references: image_url
    models: { flux-2-pro: { provider_model: flux, price: { per_image: "0.02" } } }
`,
  )
  const server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
  onTestFinished(async () => void (await server.kill('SIGKILL')))
  return (key: string, path: string, body?: object): Promise<Response> =>
    fetch(path.startsWith('http') ? path : server.url + path, {
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    })
}

/** As many images as there are numbers, of one that takes long to decode, each with another comment. */
function variants(jpeg: Buffer, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const comment = Buffer.from([0xff, 0xfe, 0, 4, index >> 8, index & 0xff])
    return `data:image/jpeg;base64,${Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]).toString('base64')}`
  })
}

const request = { model: 'flux-2-pro', prompt: 'a lighthouse' }
const MANY = 10

test(
  'many large images of one key, which take long to check and to make small, hold up no image of another key',
  { timeout: 120_000 },
  async () => {
    // Neither its link nor its structure says that it is whole: it has to be decoded, as large ones have.
    const ask = await gateway(await quickVendor((await plain(64).webp().toBuffer()).toString('base64')))
    const large = variants(await plain(5_000).jpeg({ progressive: true }).toBuffer(), MANY)
    let answered = 0
    const quotes = large.map(async (image) => {
      const { status } = await ask('large', '/v1/quotes', { ...request, reference_images: [image] })
      answered += 1
      return status
    })
    await Promise.any(quotes)
    const bought = (await (await ask('honest', '/v1/generations', request)).json()) as Generation
    expect(bought.status).toBe('succeeded')
    expect(answered).toBeLessThan(MANY - 3)
    expect(new Set(await Promise.all(quotes))).toEqual(new Set([200]))

    const small = async (key: string, id: string, width: number): Promise<number> => (await ask(key, `/v1/images/${id}?w=${width}`)).status
    const kept = await Promise.all(
      large.slice(0, 4).map(async (image) => {
        const reply = await ask('large', '/v1/generations', { ...request, reference_images: [image] })
        const { request: normalized } = (await reply.json()) as {
          readonly request: { readonly reference_images: readonly { readonly image: string }[] }
        }
        return normalized.reference_images[0]?.image ?? ''
      }),
    )
    let made = 0
    const all = kept.flatMap((id) => [64, 512, 1024].map((width) => small('large', id, width).finally(() => (made += 1))))
    await Promise.any(all)
    expect(await small('honest', bought.images[0]?.id ?? '', 128)).toBe(200)
    expect(made).toBeLessThan(all.length - 3)
    expect(new Set(await Promise.all(all))).toEqual(new Set([200]))
  },
)
