import { Quality } from '#contract'
import type { Json, JsonObject, Warning } from '#contract'
import { EXTRA_FIELDS } from './body.ts'
import type { AsWritten } from './as-written.ts'
import type { AnyBody, EditBody, GenerationBody } from './body.ts'

/** What the caller wants back; it does not change what is bought. */
export interface Wanted {
  /** Null: not said. */
  readonly responseFormat: 'url' | 'b64_json' | null
  /** OpenAI’s models of this name return bytes alone, and their clients read nothing else. */
  readonly isGptImage: boolean
  readonly stream: boolean
  /** Whether images on their way are to be shown. */
  readonly partialImages: boolean
}

export type Translation =
  | {
      readonly kind: 'request'
      /** A body as POST /v1/generations takes it. */
      readonly request: Readonly<Record<string, Json>>
      /** What OpenAI's body asks for and a request cannot say. */
      readonly warnings: readonly Warning[]
      readonly wanted: Wanted
      readonly written: AsWritten
    }
  | { readonly kind: 'refused'; readonly param: string; readonly message: string }

interface Unexpressed {
  /** Values that ask for what happens anyway. */
  readonly plain: readonly Json[]
  readonly reason: string
}

/** OpenAI's switches that no offer has. */
const UNEXPRESSED = {
  quality: {
    plain: ['auto', 'standard', ...Quality.options],
    reason: 'quality is low, medium or high here; megapixels, steps and the model decide the rest',
  },
  moderation: { plain: ['auto'], reason: 'no offer has this switch; safety_tolerance 0…6 says how strict to be' },
  style: { plain: [], reason: 'no offer has this switch; describe the style in the prompt' },
  input_fidelity: { plain: [], reason: 'no offer has this switch' },
  complexity: { plain: [], reason: 'no offer has this switch' },
  frame_count: { plain: [], reason: 'images have one frame' },
  frame_duration_ms: { plain: [], reason: 'images have one frame' },
  svg: { plain: [], reason: 'images are jpeg, png or webp' },
} as const satisfies Partial<Record<keyof AnyBody, Unexpressed>>

const MIN_QUALITY = 20
const MAX_QUALITY = 99

interface Uploaded {
  /** The files of an edit as `data:` URIs, in order; they come before `reference_images`. */
  readonly images?: readonly string[]
  readonly mask?: string | null
}

/**
 * OpenAI's body as one of ours. Pure and total.
 * @param partialsAt the providers of its model that can show images on their way
 */
export function toRequest(
  body: GenerationBody | EditBody,
  partialsAt: readonly string[],
  { images: uploaded = [], mask = null }: Uploaded = {},
): Translation {
  const asked: Partial<AnyBody> = body
  if (given(asked.output_compression) && given(asked.output_quality))
    return { kind: 'refused', param: 'output_compression', message: 'send either output_compression or output_quality' }
  const size = sizeOf(asked.size ?? 'auto')
  if (size !== null && (given(asked.width) || given(asked.height)))
    return { kind: 'refused', param: 'size', message: 'send either size, or width and height' }
  const compression = qualityOf(asked.output_compression ?? null)
  const metadata = metadataOf(asked)
  const references = [...uploaded, ...(asked.reference_images ?? [])] as Json[]
  const partials = partialsOf(asked, partialsAt)
  const warnings = [...unexpressed(asked), ...partials.warnings, ...compression.warnings, ...metadata.warnings]
  const [first] = warnings
  if (first && asked.on_unsupported === 'reject')
    return { kind: 'refused', param: first.field, message: `${first.reason}, and on_unsupported is "reject"; leave ${first.field} out` }
  const request: Record<string, Json> = {
    model: body.model,
    prompt: body.prompt,
    ...size,
    ...(given(asked.n) ? { n: asked.n } : {}),
    ...(given(asked.output_format) ? { output_format: asked.output_format } : {}),
    ...Object.fromEntries(EXTRA_FIELDS.flatMap((name) => (given(asked[name]) ? [[name, asked[name] as Json]] : []))),
    ...(partials.options === null ? {} : { provider_options: partials.options }),
    ...(compression.quality === null ? {} : { output_quality: compression.quality }),
    ...(references.length > 0 ? { reference_images: references } : {}),
    ...(Quality.safeParse(asked.quality).success ? { quality: asked.quality as Json } : {}),
    ...(given(asked.background) && asked.background !== 'auto' ? { background: asked.background } : {}),
    ...(mask === null ? {} : { mask }),
    ...(Object.keys(metadata.pairs).length > 0 ? { metadata: metadata.pairs } : {}),
  }
  const wanted = {
    responseFormat: asked.response_format ?? null,
    stream: asked.stream ?? false,
    partialImages: partials.options !== null,
    isGptImage: /(^|\/)gpt-image-/.test(asked.model ?? ''),
  }
  return { kind: 'request', request, warnings, wanted, written: { hasSize: size !== null, files: uploaded.length } }
}

const given = <Value>(value: Value | null | undefined): value is Value => value !== undefined && value !== null

/** `auto` leaves the size to the offer. */
function sizeOf(size: string): { readonly width: number; readonly height: number } | null {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(size) ?? []
  return width === undefined ? null : { width: Number(width), height: Number(height) }
}

/**
 * Read as the encoder's quality, as ours is. OpenAI calls it a compression level and does not say which end is which; its default is 100,
 * so 100 asks for nothing here either.
 */
function qualityOf(compression: number | null): { readonly quality: number | null; readonly warnings: readonly Warning[] } {
  if (compression === null || compression === 100) return { quality: null, warnings: [] }
  const quality = Math.max(MIN_QUALITY, Math.min(MAX_QUALITY, compression))
  if (quality === compression) return { quality, warnings: [] }
  const reason = `output_quality begins at ${MIN_QUALITY}`
  return { quality, warnings: [{ code: 'adjusted', field: 'output_compression', requested: compression, used: quality, reason }] }
}

function unexpressed(asked: Partial<AnyBody>): readonly Warning[] {
  return Object.entries(UNEXPRESSED).flatMap(([field, { plain, reason }]) => {
    const value = asked[field as keyof typeof UNEXPRESSED] ?? null
    if (value === null || (plain as readonly Json[]).includes(value)) return []
    return [{ code: 'unsupported' as const, field, requested: value, used: null, reason }]
  })
}

/** Images on their way come in a stream alone, from a provider that can show them: as its own option, where the caller gave none. */
function partialsOf(
  { partial_images: count, stream, provider_options: given }: Partial<AnyBody>,
  partialsAt: readonly string[],
): { readonly options: JsonObject | null; readonly warnings: readonly Warning[] } {
  if (!count) return { options: null, warnings: [] }
  const refuse = (reason: string) => ({
    options: null,
    warnings: [{ code: 'unsupported' as const, field: 'partial_images', requested: count, used: null, reason }],
  })
  if (!stream) return refuse('partial images come only with stream: true')
  if (partialsAt.length === 0) return refuse('no offer of this model delivers partial images; the stream carries the final ones')
  const own = partialsAt.map((id) => [id, { partial_images: count, ...given?.[id] }] as const)
  return { options: { ...given, ...Object.fromEntries(own) }, warnings: [] }
}

/** The end user’s identifiers are kept with the generation; a pair of the same name in `metadata` wins. */
function metadataOf(asked: Partial<AnyBody>): { readonly pairs: Readonly<Record<string, string>>; readonly warnings: readonly Warning[] } {
  const own = asked.metadata ?? {}
  const named = (['user', 'safety_identifier'] as const).flatMap((name) => (asked[name] ? [[name, asked[name]] as const] : []))
  const warnings = named.flatMap(([field, value]): Warning[] => {
    const kept = Object.hasOwn(own, field) ? (own[field] ?? value) : value
    if (kept === value) return []
    return [{ code: 'ignored_option', field, requested: value, used: kept, reason: `metadata.${field} was given too and wins` }]
  })
  return { pairs: { ...Object.fromEntries(named), ...own }, warnings }
}
