import type { ContractOffer } from '../e2e/contract-offers.ts'

/** What is asked of an offer: a square of one megapixel, one of 1408 pixels a side, and the first with a reference. */
export type Asked = 'one' | 'two' | 'edit'

/** The one reference of an edit, in every form that a vendor may want. */
export interface SentReference {
  readonly url: string
  readonly base64: string
}

/** The whole of what a vendor has to receive. */
export interface Expected {
  readonly path: string
  /** The header with the key, and what stands before the key in it. */
  readonly key: readonly [header: string, scheme: string]
  /** Of JSON or of a form; a file of a form is its bytes in base64. */
  readonly body: unknown
}

interface Order {
  readonly offer: ContractOffer
  readonly asked: Asked
  readonly prompt: string
  readonly reference: SentReference
}

type StrictWire = (order: Order) => Expected

const BEARER = ['authorization', 'Bearer '] as const
const DATA = 'data:image/png;base64,'

const side = (asked: Asked): number => (asked === 'two' ? 1408 : 1024)
const pixels = (asked: Asked) => ({ width: side(asked), height: side(asked) })
const given = (asked: Asked, fields: object): object => (asked === 'edit' ? fields : {})

/** Models that draw a shape, and no pixels that anybody may say. */
const isShape = (model: string): boolean => model.startsWith('flux-kontext') || model === 'flux-1.1-pro-ultra'
const SQUARE = { aspect_ratio: '1:1' }

/** https://docs.bfl.ai: bare base64; the first reference is `input_image`, of FLUX 1.1 `image_prompt`, of FLUX 3 a list. */
const bfl: StrictWire = ({ offer: { model, vendorModel }, asked, prompt, reference }) => {
  const tier = { ...SQUARE, resolution: asked === 'two' ? '1.5k' : '1k' }
  const size = model === 'flux-3-image' ? tier : isShape(model) ? SQUARE : pixels(asked)
  const field = model.startsWith('flux-1.1') ? 'image_prompt' : 'input_image'
  const references = model === 'flux-3-image' ? { images: [reference.base64] } : { [field]: reference.base64 }
  return { path: `/v1/${vendorModel}`, key: ['x-key', ''], body: { prompt, ...size, ...given(asked, references) } }
}

/** https://runware.ai/docs: a list of tasks. FLUX 3 and Kontext are sold in squares of 1024, ultra in squares of 2048. */
const runware: StrictWire = ({ offer: { model, vendorModel }, asked, prompt, reference }) => {
  const isFixed = model === 'flux-3-image' || model.startsWith('flux-kontext')
  const size = model === 'flux-1.1-pro-ultra' ? { width: 2048, height: 2048 } : pixels(isFixed ? 'one' : asked)
  const inputs = { inputs: { referenceImages: [DATA + reference.base64] } }
  const task = { taskType: 'imageInference', taskUUID: 'a UUID of version 4', model: vendorModel, positivePrompt: prompt, ...size }
  return { path: '/v1', key: BEARER, body: [{ ...task, ...given(asked, inputs), deliveryMethod: 'sync', includeCost: true }] }
}

/** The vendor's command line, https://github.com/VtrixAI/vtrix-cli: parameters below `input[0].params`. */
const vtrix: StrictWire = ({ offer: { model, vendorModel }, asked, prompt, reference }) => {
  const field = model === 'flux-1.1-pro' ? 'image_prompt' : 'input_image'
  const params = { prompt, ...pixels(asked), ...given(asked, { [field]: reference.base64 }) }
  return { path: '/model/v1/generation', key: BEARER, body: { model: vendorModel, input: [{ params }] } }
}

/** @fal-ai/client, `types/endpoints.d.ts`: an edit has an endpoint of its own. */
const FAL_EDIT: Readonly<Record<string, string>> = {
  'blackforestlabs/flux-3': 'blackforestlabs/flux-3/edit-image',
  'fal-ai/flux-pro/kontext': 'fal-ai/flux-pro/kontext',
  'fal-ai/flux-pro/kontext/max': 'fal-ai/flux-pro/kontext/max',
  'fal-ai/flux-pro/v1.1-ultra': 'fal-ai/flux-pro/v1.1-ultra',
}
const fal: StrictWire = ({ offer: { model, vendorModel }, asked, prompt, reference }) => {
  const isSplit = model === 'flux-3-image' || model.startsWith('flux-kontext')
  const text = isSplit ? `${vendorModel}/text-to-image` : vendorModel
  const endpoint = asked === 'edit' ? (FAL_EDIT[vendorModel] ?? `${vendorModel}/edit`) : text
  const size = model === 'flux-3-image' ? { ...SQUARE, resolution: '1k' } : isShape(model) ? SQUARE : { image_size: pixels(asked) }
  const link = DATA + reference.base64
  const references = isShape(model) ? { image_url: link } : { image_urls: [link] }
  return { path: `/${endpoint}`, key: ['authorization', 'Key '], body: { prompt, ...size, ...given(asked, references) } }
}

/** The models' pages of versions: `width` and `height` count with `custom` alone; Kontext takes one `input_image`, klein and FLUX 3 `images`. */
const replicate: StrictWire = ({ offer: { model, vendorModel }, asked, prompt, reference }) => {
  const tier = model.startsWith('flux-2-klein')
    ? { output_megapixels: asked === 'two' ? '2' : '1' }
    : { resolution: asked === 'two' ? '1.5k' : '1k' }
  const isTiered = model.startsWith('flux-2-klein') || model === 'flux-3-image'
  const size = isTiered ? { ...SQUARE, ...tier } : isShape(model) ? SQUARE : { aspect_ratio: 'custom', ...pixels(asked) }
  const link = DATA + reference.base64
  const references = isShape(model) && !isTiered ? { input_image: link } : { [isTiered ? 'images' : 'input_images']: [link] }
  const body = { input: { prompt, ...size, ...given(asked, references) } }
  return { path: `/v1/models/${vendorModel}/predictions`, key: BEARER, body }
}

/** openai 7.57.0, `resources/images.d.ts`: edits are forms; 1.5 and mini draw three sizes alone. */
const openai: StrictWire = ({ offer: { vendorModel }, asked, prompt, reference }) => {
  const isFixed = vendorModel === 'gpt-image-1.5' || vendorModel === 'gpt-image-1-mini'
  const size = `${side(isFixed ? 'one' : asked)}x${side(isFixed ? 'one' : asked)}`
  const fields = { model: vendorModel, prompt, size }
  if (asked !== 'edit') return { path: '/v1/images/generations', key: BEARER, body: { ...fields, stream: true } }
  return { path: '/v1/images/edits', key: BEARER, body: { ...fields, stream: 'true', 'image[]': reference.base64 } }
}

/** @google/genai 3.1.0: one part a text, one an image; 2.5 has no resolutions. */
const gemini: StrictWire = ({ offer: { vendorModel }, asked, prompt, reference }) => {
  const image = { inlineData: { mimeType: 'image/png', data: reference.base64 } }
  const imageConfig = { aspectRatio: '1:1', ...(vendorModel.startsWith('gemini-2.5') ? {} : { imageSize: '1K' }) }
  return {
    path: `/v1beta/models/${vendorModel}:generateContent`,
    key: ['x-goog-api-key', ''],
    body: {
      contents: [{ role: 'user', parts: [{ text: prompt }, ...(asked === 'edit' ? [image] : [])] }],
      generationConfig: { responseModalities: ['IMAGE'], imageConfig },
    },
  }
}

/** @openrouter/sdk 1.3.19, `imagesGenerate`: shapes, and resolutions where an endpoint lists them. */
const openrouter: StrictWire = ({ offer: { model, vendorModel }, asked, prompt, reference }) => {
  const flux3 = { ...SQUARE, resolution: asked === 'two' ? '1.5K' : '1K' }
  const size = model === 'flux-3-image' ? flux3 : model.startsWith('gemini') ? { ...SQUARE, resolution: '1K' } : SQUARE
  const references = { input_references: [{ type: 'image_url', image_url: { url: DATA + reference.base64 } }] }
  return { path: '/api/v1/images', key: BEARER, body: { model: vendorModel, prompt, ...size, ...given(asked, references) } }
}

/** together-ai 0.52.0, `resources/images.d.ts`, and its page of parameters: links alone; Kontext takes a shape and one `image_url`. */
const together: StrictWire = ({ offer: { model, vendorModel }, asked, prompt, reference }) => {
  const size = isShape(model) ? SQUARE : pixels(asked)
  const references = isShape(model) ? { image_url: reference.url } : { reference_images: [reference.url] }
  const body = { model: vendorModel, prompt, ...size, ...given(asked, references), response_format: 'base64' }
  return { path: '/v1/images/generations', key: BEARER, body }
}

/** https://deepinfra.com/black-forest-labs/FLUX-2-dev/api. */
const deepinfra: StrictWire = ({ offer: { vendorModel }, asked, prompt }) => ({
  path: '/v1/openai/images/generations',
  key: BEARER,
  body: { model: vendorModel, prompt, size: `${side(asked)}x${side(asked)}` },
})

/** https://wavespeed.ai/models/wavespeed-ai/flux-2-flex/text-to-image/llms.txt, and the page of its edits. */
const wavespeed: StrictWire = ({ offer: { vendorModel }, asked, prompt, reference }) => ({
  path: `/api/v3/${vendorModel}/${asked === 'edit' ? 'edit' : 'text-to-image'}`,
  key: BEARER,
  body: { prompt, size: `${side(asked)}*${side(asked)}`, ...given(asked, { images: [reference.url] }) },
})

/**
 * What each vendor has to receive for a plain order, written by hand from its own pages and SDKs: every field, and none beside them. Nothing
 * here is read from an adapter, a manifest or an emulator.
 */
export const STRICT_WIRES: Readonly<Record<string, StrictWire>> = {
  bfl,
  runware,
  vtrix,
  fal,
  replicate,
  openai,
  gemini,
  openrouter,
  together,
  deepinfra,
  wavespeed,
}

/** Providers that take a reference as a link alone. */
export const LINKS_ALONE: ReadonlySet<string> = new Set(['together', 'wavespeed'])
