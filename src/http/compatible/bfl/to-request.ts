import type { Json, JsonObject, Warning } from '#contract'
import { readReferenceText } from '../reference-text.ts'
import { IMAGE_SLOTS } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { RANDOM_SEED } from './validators.ts'
import type { Issue } from './validators.ts'
import type { Webhook } from './webhook.ts'

export type Translation =
  | {
      readonly kind: 'request'
      /** A body as POST /v1/generations takes it. */
      readonly request: JsonObject
      readonly warnings: readonly Warning[]
      readonly webhook: Webhook | null
      /** BFL's field behind each of `reference_images`. */
      readonly slots: readonly string[]
      /** The side of a size that is not given, where the first reference image decides it: see `withOtherSide`. */
      readonly missingSide: Side | null
    }
  | { readonly kind: 'invalid'; readonly issues: readonly Issue[] }

export type Side = 'width' | 'height'

/** BFL's side where only the other one is given and there is no image; its schema calls each of them optional. */
const OTHER_SIDE = 1024
const MOST_WARNINGS = 20
const MOST_CHARS = 100

/** Fields that mean the same in BFL's words and in ours. */
const SAME = ['safety_tolerance', 'output_format', 'guidance', 'steps'] as const

/**
 * A valid body of BFL's as one of ours, BFL's own defaults written out, so that they hold whoever serves it. Pure and total.
 * @param values as `readBody` gives them
 */
export function toRequest(endpoint: Endpoint, values: JsonObject, unknown: JsonObject): Translation {
  const said: JsonObject = { ...endpoint.defaults, ...values }
  const references = referencesOf(said)
  if (references.issues.length > 0) return { kind: 'invalid', issues: references.issues }
  const size = sizeOf(endpoint, values, unknown)
  const { prompt = '', seed } = said
  const hasReference = references.images.length > 0
  const request: JsonObject = {
    model: endpoint.model,
    prompt,
    ...size.fields,
    ...(seed === undefined || seed === RANDOM_SEED ? {} : { seed }),
    ...Object.fromEntries(SAME.flatMap((name) => (said[name] === undefined ? [] : [[name, said[name]]]))),
    ...upsamplingOf(said),
    ...(hasReference ? { reference_images: references.images } : {}),
    ...ownOptions(said),
  }
  return {
    kind: 'request',
    request,
    warnings: [...(hasReference ? [] : size.guessed), ...size.warnings, ...ignored(endpoint, unknown)],
    webhook: webhookOf(said),
    slots: references.slots,
    missingSide: hasReference ? size.missing : null,
  }
}

/** Not said where the endpoint has no say on it. */
const upsamplingOf = ({ disable_pup: isOff, prompt_upsampling: isOn }: JsonObject): JsonObject => {
  if (isOff === true) return { prompt_upsampling: false }
  return isOn === undefined ? {} : { prompt_upsampling: isOn }
}

/** A request whose other side keeps the ratio of its first reference image. */
export function withOtherSide(
  { request, warnings }: { readonly request: JsonObject; readonly warnings: readonly Warning[] },
  missing: Side,
  { width, height }: { readonly width: number; readonly height: number },
): { readonly request: JsonObject; readonly warnings: readonly Warning[] } {
  const given = Number(request[missing === 'width' ? 'height' : 'width'])
  const used = Math.max(1, Math.round(missing === 'width' ? (given * width) / height : (given * height) / width))
  const reason = 'width and height go together; this side keeps the ratio of the first image'
  return {
    request: { ...request, [missing]: used },
    warnings: [{ code: 'adjusted', field: missing, requested: null, used, reason }, ...warnings],
  }
}

/** Images in the order of their slots. An empty text is no image; a gap is an error, since no other provider has slots to leave empty. */
function referencesOf(said: JsonObject): {
  readonly images: readonly string[]
  readonly slots: readonly string[]
  readonly issues: readonly Issue[]
} {
  const images: string[] = []
  const slots: string[] = []
  const issues: Issue[] = []
  const refuse = (slot: string, msg: string) => issues.push({ loc: ['body', slot], msg: `Value error, ${msg}`, type: 'value_error' })
  const isGiven = (slot: string) => typeof said[slot] === 'string' && said[slot] !== ''
  for (const [index, slot] of [...IMAGE_SLOTS, 'image_prompt'].entries()) {
    const text = said[slot]
    if (typeof text !== 'string' || text === '') continue
    const gap = slot === 'image_prompt' ? undefined : IMAGE_SLOTS.slice(0, index).find((earlier) => !isGiven(earlier))
    if (gap !== undefined) refuse(slot, `${gap} is empty: fill the image slots in order, so that the images keep their numbers`)
    const read = readReferenceText(text)
    if (read.kind === 'refused') {
      refuse(slot, `it ${read.reason}`)
      continue
    }
    images.push(read.reference)
    slots.push(slot)
  }
  for (const [index, text] of (Array.isArray(said['images']) ? (said['images'] as readonly string[]) : []).entries()) {
    const read = readReferenceText(text)
    if (read.kind === 'refused') {
      refuse('images', `image ${index + 1} ${read.reason}`)
      continue
    }
    images.push(read.reference)
    slots.push('images')
  }
  return { images, slots, issues }
}

interface Size {
  readonly fields: JsonObject
  readonly warnings: readonly Warning[]
  /** The side that was neither given nor has a default, and what was taken for it. */
  readonly missing: Side | null
  readonly guessed: readonly Warning[]
}

/** Where shapes are sold; without one, or with `auto`, the first image's is kept. */
function shapeOf(said: JsonObject, megapixels: (said: JsonObject) => number): Size {
  const { aspect_ratio: ratio } = said
  const fields = { ...(isRatio(ratio) ? { aspect_ratio: ratio } : {}), megapixels: megapixels(said) }
  return { fields, warnings: [], missing: null, guessed: [] }
}

/** `aspect_ratio` is no field of the other endpoints, but a client that sends one for every model means it: it stands in for a size not given. */
function sizeOf(endpoint: Endpoint, values: JsonObject, unknown: JsonObject): Size {
  if (endpoint.megapixels !== undefined) return shapeOf({ ...endpoint.defaults, ...values }, endpoint.megapixels)
  const { width, height } = values
  const { width: defaultWidth, height: defaultHeight } = endpoint.defaults
  const ratio = unknown['aspect_ratio']
  if (width === undefined && height === undefined) {
    if (isRatio(ratio)) return { fields: { aspect_ratio: ratio }, warnings: [], missing: null, guessed: [] }
    const fields: JsonObject =
      defaultWidth === undefined || defaultHeight === undefined ? {} : { width: defaultWidth, height: defaultHeight }
    return { fields, warnings: ratio === undefined ? [] : [ignoredRatio(ratio)], missing: null, guessed: [] }
  }
  const fields = { width: width ?? defaultWidth ?? OTHER_SIDE, height: height ?? defaultHeight ?? OTHER_SIDE }
  const isIgnored = ratio !== undefined && !(isRatio(ratio) && isOfRatio(fields, ratio))
  const absent: Side | null = width === undefined ? 'width' : height === undefined ? 'height' : null
  const missing = absent !== null && endpoint.defaults[absent] === undefined ? absent : null
  return {
    fields,
    warnings: isIgnored ? [ignoredRatio(ratio)] : [],
    missing,
    guessed: missing === null ? [] : [guessedSide(missing)],
  }
}

const guessedSide = (field: Side): Warning => ({
  code: 'adjusted',
  field,
  requested: null,
  used: OTHER_SIDE,
  reason: 'width and height go together',
})

const isRatio = (value: Json | undefined): value is string => typeof value === 'string' && /^[1-9]\d{0,3}:[1-9]\d{0,3}$/.test(value)

function isOfRatio({ width, height }: { readonly width: Json; readonly height: Json }, ratio: string): boolean {
  const [across = 0, down = 0] = ratio.split(':').map(Number)
  return Number(width) * down === Number(height) * across
}

const ignoredRatio = (ratio: Json): Warning => ({
  code: 'ignored_option',
  field: 'aspect_ratio',
  requested: shown(ratio),
  used: null,
  reason: 'width and height decide, or it is no ratio',
})

/** What only BFL takes. A blob lies at BFL and is a reference image, so nobody else may serve such a request. */
function ownOptions(said: JsonObject): JsonObject {
  const { transparent_bg, input_image_blob_path, seed, raw, image_prompt_strength, grounding } = said
  const given = Object.entries({ raw, image_prompt_strength, grounding }).filter(([, value]) => value !== undefined)
  const options: JsonObject = {
    ...(Object.fromEntries(given) as JsonObject),
    ...(transparent_bg === undefined ? {} : { transparent_bg }),
    ...(input_image_blob_path === undefined ? {} : { input_image_blob_path }),
    ...(seed === RANDOM_SEED ? { seed } : {}),
  }
  return {
    ...(Object.keys(options).length > 0 ? { provider_options: { bfl: options } } : {}),
    ...(input_image_blob_path === undefined ? {} : { provider: { only: ['bfl'] } }),
  }
}

/** Fields the endpoint does not have, ignored as BFL does, and said. */
const ignored = ({ path }: Endpoint, unknown: JsonObject): readonly Warning[] =>
  Object.entries(unknown)
    .filter(([name]) => name !== 'aspect_ratio')
    .slice(0, MOST_WARNINGS)
    .map(([name, value]) => ({
      code: 'ignored_option',
      field: name.slice(0, MOST_CHARS),
      requested: shown(value),
      used: null,
      reason: `${path} has no such field`,
    }))

/** Short enough for a header. */
const shown = (value: Json | undefined): string | number | boolean | null => {
  if (typeof value === 'string') return value.slice(0, MOST_CHARS)
  return typeof value === 'number' || typeof value === 'boolean' ? value : null
}

function webhookOf({ webhook_url: url, webhook_secret: secret }: JsonObject): Webhook | null {
  return typeof url === 'string' ? { url, secret: typeof secret === 'string' ? secret : null } : null
}
