import type { Json, JsonObject, Warning } from '#contract'
import { readReferenceText } from '../reference-text.ts'
import { IMAGE_SLOTS } from './endpoints.ts'
import type { Endpoint } from './endpoints.ts'
import type { Issue } from './validators.ts'

export interface Webhook {
  readonly url: string
  readonly secret: string | null
}

export type Translation =
  | {
      readonly kind: 'request'
      /** A body as POST /v1/generations takes it. */
      readonly request: JsonObject
      readonly warnings: readonly Warning[]
      readonly webhook: Webhook | null
      /** BFL's field behind each of `reference_images`. */
      readonly slots: readonly string[]
    }
  | { readonly kind: 'invalid'; readonly issues: readonly Issue[] }

/** BFL's side where only the other one is given; its schema calls each of them optional. */
const OTHER_SIDE = 1024
const MOST_WARNINGS = 20
const MOST_CHARS = 100

/** Fields that mean the same in BFL's words and in ours. */
const SAME = ['seed', 'safety_tolerance', 'output_format', 'guidance', 'steps'] as const

/**
 * A valid body of BFL's as one of ours, BFL's own defaults said aloud, so that they hold whoever serves it. Pure and total.
 * @param values as `readBody` gives them
 */
export function toRequest(endpoint: Endpoint, values: JsonObject, unknown: JsonObject): Translation {
  const said: JsonObject = { ...endpoint.defaults, ...values }
  const references = referencesOf(said)
  if (references.issues.length > 0) return { kind: 'invalid', issues: references.issues }
  const size = sizeOf(endpoint, values, unknown)
  const prompt = promptOf(said)
  const request: JsonObject = {
    model: endpoint.model,
    prompt: prompt.used,
    ...size.fields,
    ...Object.fromEntries(SAME.flatMap((name) => (said[name] === undefined ? [] : [[name, said[name]]]))),
    prompt_upsampling: said['disable_pup'] === true ? false : (said['prompt_upsampling'] ?? false),
    ...(references.images.length > 0 ? { reference_images: references.images } : {}),
    ...ownOptions(said),
  }
  return {
    kind: 'request',
    request,
    warnings: [...prompt.warnings, ...size.warnings, ...ignored(endpoint, unknown)],
    webhook: webhookOf(said),
    slots: references.slots,
  }
}

/** A request holds at least one character; BFL takes an empty prompt. */
function promptOf({ prompt = '' }: JsonObject): { readonly used: Json; readonly warnings: readonly Warning[] } {
  if (prompt !== '') return { used: prompt, warnings: [] }
  const reason = 'a request holds at least one character; a space says as little'
  return { used: ' ', warnings: [{ code: 'adjusted', field: 'prompt', requested: '', used: ' ', reason }] }
}

function referencesOf(said: JsonObject): {
  readonly images: readonly string[]
  readonly slots: readonly string[]
  readonly issues: readonly Issue[]
} {
  const images: string[] = []
  const slots: string[] = []
  const issues: Issue[] = []
  for (const slot of [...IMAGE_SLOTS, 'image_prompt']) {
    const text = said[slot]
    if (typeof text !== 'string') continue
    const read = readReferenceText(text)
    if (read.kind === 'refused') {
      issues.push({ loc: ['body', slot], msg: `Value error, it ${read.reason}`, type: 'value_error' })
      continue
    }
    images.push(read.reference)
    slots.push(slot)
  }
  return { images, slots, issues }
}

interface Size {
  readonly fields: JsonObject
  readonly warnings: readonly Warning[]
}

/** `aspect_ratio` is no field of these endpoints, but a client that sends one for every model means it: it stands in for a size not given. */
function sizeOf(endpoint: Endpoint, values: JsonObject, unknown: JsonObject): Size {
  const { width, height } = values
  const ratio = unknown['aspect_ratio']
  if (width === undefined && height === undefined) {
    const { width: defaultWidth, height: defaultHeight } = endpoint.defaults
    if (isRatio(ratio)) return { fields: { aspect_ratio: ratio }, warnings: ignoredRatio(ratio, false) }
    const fields: JsonObject =
      defaultWidth === undefined || defaultHeight === undefined ? {} : { width: defaultWidth, height: defaultHeight }
    return { fields, warnings: ignoredRatio(ratio, ratio !== undefined) }
  }
  const fields = {
    width: width ?? endpoint.defaults['width'] ?? OTHER_SIDE,
    height: height ?? endpoint.defaults['height'] ?? OTHER_SIDE,
  }
  const missing = width === undefined ? 'width' : height === undefined ? 'height' : null
  const guessed =
    missing === null || endpoint.defaults[missing] !== undefined
      ? []
      : [
          {
            code: 'adjusted' as const,
            field: missing,
            requested: null,
            used: shown(fields[missing]),
            reason: 'width and height go together',
          },
        ]
  return { fields, warnings: [...guessed, ...ignoredRatio(ratio, ratio !== undefined && !(isRatio(ratio) && isOfRatio(fields, ratio)))] }
}

const isRatio = (value: Json | undefined): value is string => typeof value === 'string' && /^[1-9]\d{0,3}:[1-9]\d{0,3}$/.test(value)

function isOfRatio({ width, height }: { readonly width: Json; readonly height: Json }, ratio: string): boolean {
  const [across = 0, down = 0] = ratio.split(':').map(Number)
  return Number(width) * down === Number(height) * across
}

const ignoredRatio = (ratio: Json | undefined, isIgnored: boolean): readonly Warning[] =>
  isIgnored
    ? [
        {
          code: 'ignored_option',
          field: 'aspect_ratio',
          requested: shown(ratio),
          used: null,
          reason: 'width and height decide, or it is no ratio',
        },
      ]
    : []

/** What only BFL takes. A blob lies at BFL and is a reference image, so nobody else may serve such a request. */
function ownOptions(said: JsonObject): JsonObject {
  const { transparent_bg, input_image_blob_path } = said
  const options: JsonObject = {
    ...(transparent_bg === undefined ? {} : { transparent_bg }),
    ...(input_image_blob_path === undefined ? {} : { input_image_blob_path }),
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
