import { createBlackForestLabs } from '@ai-sdk/black-forest-labs'
import { createOpenAI } from '@ai-sdk/openai'
import { createFalClient } from '@fal-ai/client'
import { RunwareServer } from '@runware/sdk-js'
import { generateImage } from 'ai'
import OpenAI from 'openai'
import Replicate from 'replicate'
import { SANDBOX_KEY } from '#sandbox'
import { startGateway, startPortkey } from './gateways.ts'

/** What one call brought: an image, and what it says that the image was charged, in US dollars; null where it says nothing. */
export interface Delivered {
  readonly usd: number | null
}

export interface Buyer {
  buy(prompt: string): Promise<Delivered>
  /** How many images the client names, afterwards, as perhaps charged without having delivered them. */
  named?(): Promise<number>
  close?(): Promise<void> | void
}

export interface Client {
  readonly name: string
  readonly provider: string
  /** Starts the client, with its defaults, pointed at the vendor. */
  start(vendor: string): Promise<Buyer> | Buyer
}

/** The AI SDK prints one for each image whose size it turns into a ratio. */
globalThis.AI_SDK_LOG_WARNINGS = false

const SIZE = { width: 512, height: 512 }
const nothingSaid: Delivered = { usd: null }
const needed = (found: unknown): Delivered => {
  if (!found) throw new Error('no image')
  return nothingSaid
}

const openaiSdk = (baseURL: string, defaultHeaders: Record<string, string> = {}): Buyer => {
  const client = new OpenAI({ apiKey: SANDBOX_KEY, baseURL, defaultHeaders })
  return {
    async buy(prompt) {
      const { data } = await client.images.generate({ model: 'gpt-image-2', prompt, size: '1024x1024', quality: 'low' })
      return needed(data?.[0]?.b64_json)
    },
  }
}

const openrouterSdk = async (vendor: string): Promise<Buyer> => {
  const name: string = '@openrouter/sdk'
  interface Sdk {
    readonly OpenRouter: new (options: object) => {
      readonly images: { generate(request: object): Promise<{ data?: readonly object[]; usage?: { cost?: number } }> }
    }
  }
  const { OpenRouter } = (await import(name)) as Sdk
  const client = new OpenRouter({ apiKey: SANDBOX_KEY, serverURL: `${vendor}/api/v1` })
  return {
    async buy(prompt) {
      const request = { model: 'black-forest-labs/flux.2-pro', prompt, aspectRatio: '1:1' }
      const { data, usage } = await client.images.generate({ imageGenerationRequest: request })
      needed(data?.[0])
      return { usd: usage?.cost ?? null }
    },
  }
}

const imagegate = (provider: string): Client => ({ name: 'imagegate', provider, start: (vendor) => startGateway(vendor, provider) })

export const CLIENTS: readonly Client[] = [
  imagegate('bfl'),
  {
    name: '@ai-sdk/black-forest-labs',
    provider: 'bfl',
    start(vendor) {
      const sdk = createBlackForestLabs({ apiKey: SANDBOX_KEY, baseURL: `${vendor}/v1` })
      return {
        async buy(prompt) {
          const { image, providerMetadata } = await generateImage({ model: sdk.image('flux-2-pro'), prompt, size: '512x512' })
          needed(image)
          const [said] = (providerMetadata['blackForestLabs']?.images ?? []) as { cost?: number }[]
          return { usd: said?.cost === undefined ? null : said.cost / 100 }
        },
      }
    },
  },
  imagegate('openai'),
  { name: 'openai', provider: 'openai', start: (vendor) => openaiSdk(`${vendor}/v1`) },
  {
    name: '@ai-sdk/openai',
    provider: 'openai',
    start(vendor) {
      const sdk = createOpenAI({ apiKey: SANDBOX_KEY, baseURL: `${vendor}/v1` })
      const providerOptions = { openai: { quality: 'low' } }
      return {
        buy: async (prompt) =>
          needed((await generateImage({ model: sdk.image('gpt-image-2'), prompt, size: '1024x1024', providerOptions })).image),
      }
    },
  },
  {
    name: 'openai through Portkey',
    provider: 'openai',
    async start(vendor) {
      const portkey = await startPortkey()
      const headers = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${vendor}/v1` }
      return { ...openaiSdk(`${portkey.url}/v1`, headers), close: () => portkey.stop() }
    },
  },
  imagegate('fal'),
  {
    name: '@fal-ai/client',
    provider: 'fal',
    start(vendor) {
      const requestMiddleware = async <T extends { url: string }>(request: T): Promise<T> => ({
        ...request,
        url: request.url.replace('https://queue.fal.run', vendor),
      })
      const client = createFalClient({ credentials: SANDBOX_KEY, requestMiddleware })
      return {
        async buy(prompt) {
          const { data } = await client.subscribe('fal-ai/flux-2-pro', { input: { prompt, image_size: SIZE } })
          return needed(data.images[0])
        },
      }
    },
  },
  imagegate('replicate'),
  {
    name: 'replicate',
    provider: 'replicate',
    start(vendor) {
      const client = new Replicate({ auth: SANDBOX_KEY, baseUrl: `${vendor}/v1`, useFileOutput: false })
      const shape = { aspect_ratio: 'custom', ...SIZE }
      return { buy: async (prompt) => needed(await client.run('black-forest-labs/flux-2-pro', { input: { prompt, ...shape } })) }
    },
  },
  imagegate('runware'),
  {
    name: '@runware/sdk-js',
    provider: 'runware',
    async start(vendor) {
      const client = new RunwareServer({ apiKey: SANDBOX_KEY, url: `${vendor.replace('http', 'ws')}/v1` })
      await client.ensureConnection()
      return {
        async buy(positivePrompt) {
          const [image] = (await client.imageInference({ model: 'bfl:5@1', positivePrompt, ...SIZE, includeCost: true })) ?? []
          needed(image)
          return { usd: image?.cost ?? null }
        },
        close: () => client.disconnect(),
      }
    },
  },
  imagegate('openrouter'),
  { name: '@openrouter/sdk', provider: 'openrouter', start: openrouterSdk },
]
