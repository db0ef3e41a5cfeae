import { formatOf } from '#contract'
import type { GenerationRequest, JsonObject, ReferenceImage } from '#contract'
import { readNamedFile } from '../config/named-file.ts'
import { metadataOf } from './options.ts'
import { NotUnderstood, VerbFailed, type Terminal } from './terminal.ts'

/** The flags of `generate`, as commander reads them. */
export interface RequestOptions {
  readonly model: string
  readonly width?: number
  readonly height?: number
  readonly aspectRatio?: string
  readonly megapixels?: number
  readonly count?: number
  readonly seed?: number
  readonly format?: string
  readonly quality?: string | number
  readonly outputQuality?: number
  readonly background?: string
  readonly mask?: string
  readonly safety?: number
  readonly upsampling?: boolean
  readonly guidance?: number
  readonly steps?: number
  readonly strict?: boolean
  readonly ref?: readonly string[]
  readonly provider?: string
  readonly only?: readonly string[]
  readonly order?: readonly string[]
  readonly ignore?: readonly string[]
  readonly sort?: string
  readonly maxPriceUsd?: string
  readonly metadata?: readonly string[]
  readonly option?: readonly string[]
}

/** The body of POST /v1/generations; a prompt of `-` is read from standard input. Only what was given is sent; the gateway judges it. */
export async function requestFromOptions(
  text: string,
  options: RequestOptions,
  terminal: Pick<Terminal, 'input'>,
): Promise<GenerationRequest> {
  const prompt = text === '-' ? (await terminal.input()).trim() : text
  const routing = routingOf(options)
  const references = (options.ref ?? []).map((text) => imageOf('--ref', text))
  const fields = {
    model: options.model,
    prompt,
    width: options.width,
    height: options.height,
    aspect_ratio: options.aspectRatio,
    megapixels: options.megapixels,
    n: options.count,
    seed: options.seed,
    output_format: options.format === 'jpg' ? 'jpeg' : options.format,
    quality: typeof options.quality === 'string' ? options.quality : undefined,
    output_quality: options.outputQuality ?? (typeof options.quality === 'number' ? options.quality : undefined),
    background: options.background,
    safety_tolerance: options.safety,
    prompt_upsampling: options.upsampling,
    guidance: options.guidance,
    steps: options.steps,
    on_unsupported: options.strict ? 'reject' : undefined,
    reference_images: references.length > 0 ? references : undefined,
    mask: options.mask === undefined ? undefined : imageOf('--mask', options.mask),
    metadata: options.metadata === undefined ? undefined : metadataOf(options.metadata),
    provider: Object.keys(routing).length > 0 ? routing : undefined,
    provider_options: providerOptions(options.option ?? []),
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as unknown as GenerationRequest
}

function routingOf({ provider, only, order, ignore, sort, maxPriceUsd }: RequestOptions): NonNullable<GenerationRequest['provider']> {
  if (provider !== undefined && only !== undefined) throw new NotUnderstood('--provider x is short for --only x: give one of them')
  const allowed = provider === undefined ? only : [provider]
  const given = { only: allowed, order, ignore, sort, max_price_usd: maxPriceUsd }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** Four times what a gateway takes in a body; in base64 it is still one text. */
const MOST_MEGABYTES = 256

const IMAGE_ID = /^img_[A-Za-z0-9]{1,64}$/

/** A URL or a stored image's id as it is; a file as a data URI. */
function imageOf(flag: '--ref' | '--mask', text: string): ReferenceImage {
  if (/^(https?:\/\/|data:)/i.test(text)) return text
  if (IMAGE_ID.test(text)) return { image: text }
  const bytes = readImage(flag, text)
  const format = formatOf(bytes)
  if (format === null) throw new VerbFailed(`${flag} ${text}: is not a PNG, JPEG or WebP image`)
  return `data:image/${format};base64,${bytes.toString('base64')}`
}

function readImage(flag: string, file: string): Buffer {
  try {
    return readNamedFile(file, MOST_MEGABYTES)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new VerbFailed(`${flag} ${file}: cannot be read (${code ?? message}); give a file, an https URL or an img_… id`)
  }
}

/** `provider.name=value`; a value that is JSON is taken as such, any other as text. */
function providerOptions(settings: readonly string[]): Record<string, Record<string, JsonObject[string]>> | undefined {
  const options = new Map<string, [string, JsonObject[string]][]>()
  for (const setting of settings) {
    const match = /^([a-z][a-z0-9-]*)\.([^=]+)=([^]*)$/.exec(setting)
    if (!match) throw new NotUnderstood(`--option ${setting}: write provider.name=value`)
    const [, provider = '', name = '', value = ''] = match
    options.set(provider, [...(options.get(provider) ?? []), [name, jsonOrText(value)]])
  }
  if (options.size === 0) return undefined
  return Object.fromEntries([...options].map(([provider, pairs]) => [provider, Object.fromEntries(pairs)]))
}

function jsonOrText(value: string): JsonObject[string] {
  try {
    const parsed = JSON.parse(value) as JsonObject[string]
    // Digits a double cannot hold stay text, so that none is lost.
    return typeof parsed === 'number' && String(parsed) !== value ? value : parsed
  } catch {
    return value
  }
}
