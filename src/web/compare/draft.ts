import type { Comparison, GenerationRequest } from '../../client/index.ts'
import { formatName, plural } from '../format/facts.ts'

export interface Reference {
  readonly key: string
  /** As it is sent: a link, a `data:` URI, or an image that is stored. */
  readonly sent: string | { readonly image: string }
  /** What can be shown of it here; null of a link, which would be fetched from elsewhere. */
  readonly thumb: string | null
  readonly name: string
}

/** The request as it stands in the form: text as it was typed, so that nothing typed is ever lost. */
export interface Draft {
  readonly prompt: string
  readonly model: string
  readonly width: string
  readonly height: string
  /** How an earlier request said its size instead; they count while there is no width and no height. */
  readonly ratio: string
  readonly megapixels: string
  readonly n: string
  readonly seed: string
  readonly format: string
  readonly quality: string
  readonly safety: string
  readonly effort: string
  readonly background: string
  readonly mask: Reference | null
  readonly upsampling: '' | 'on' | 'off'
  readonly guidance: string
  readonly steps: string
  readonly onUnsupported: 'adapt' | 'reject'
  readonly metadata: string
  readonly webhook: string
  readonly references: readonly Reference[]
  readonly options: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** The most that all checked providers together may cost, in dollars; empty: no limit. */
  readonly stop: string
  readonly unchecked: readonly string[]
}

export const EMPTY: Draft = {
  prompt: '', model: '', width: '1024', height: '1024', ratio: '', megapixels: '', n: '1', seed: '', format: '', quality: '', safety: '', effort: '', background: '', mask: null, upsampling: '', guidance: '', steps: '',
  onUnsupported: 'adapt', metadata: '', webhook: '', references: [], options: {}, stop: '', unchecked: [],
} // prettier-ignore

export interface Shape {
  readonly name: string
  readonly width: number
  readonly height: number
}

/** About a megapixel to one and a half, in steps that every size limit known so far divides. */
export const SHAPES: readonly Shape[] = [
  { name: '1:1', width: 1024, height: 1024 },
  { name: '4:3', width: 1152, height: 864 },
  { name: '3:2', width: 1536, height: 1024 },
  { name: '16:9', width: 1280, height: 720 },
  { name: '2:3', width: 1024, height: 1536 },
  { name: '9:16', width: 720, height: 1280 },
]

export const shapeOf = ({ width, height }: Pick<Draft, 'width' | 'height'>): Shape | undefined =>
  SHAPES.find((shape) => String(shape.width) === width && String(shape.height) === height)

/** What is no number is sent as it was typed, so that what is said of it names it. */
const number = (text: string): number | undefined => {
  const typed = Number(text)
  return text.trim() === '' ? undefined : Number.isNaN(typed) ? (text as unknown as number) : typed
}

/** `team=shop, order=77`; as JSON where a name or a value has a comma or the like. */
const pairs = (text: string): Record<string, string> =>
  jsonPairs(text) ??
  Object.fromEntries(
    text
      .split(/[\n,]/)
      .map((line) => line.split('='))
      .flatMap(([name = '', ...value]) => (name.trim() === '' ? [] : [[name.trim(), value.join('=').trim()]])),
  )

function jsonPairs(text: string): Record<string, string> | null {
  if (!/^\s*\{/.test(text)) return null
  try {
    return JSON.parse(text) as Record<string, string>
  } catch {
    return null
  }
}

/** As somebody would type them, where that says the same. */
function pairsText(metadata: Readonly<Record<string, string>>): string {
  const typed = Object.entries(metadata)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
  const read = pairs(typed)
  const isSame =
    Object.keys(read).length === Object.keys(metadata).length && Object.keys(read).every((name) => read[name] === metadata[name])
  return isSame ? typed : JSON.stringify(metadata)
}

const isSized = ({ width, height }: Draft): boolean => width.trim() !== '' || height.trim() !== ''

const shapeAsked = ({ ratio, megapixels }: Draft) => ({
  aspect_ratio: ratio === '' ? undefined : ratio,
  megapixels: number(megapixels),
})

/** `1024 × 1024`, or `16:9 · 2 MP` where an earlier request said its size so; empty where it said none. */
export function sizeAsked(draft: Draft): string {
  if (isSized(draft)) return `${draft.width} × ${draft.height}`
  return [draft.ratio, draft.megapixels === '' ? '' : `${draft.megapixels} MP`].filter((part) => part !== '').join(' · ')
}

/** Stands in while there is no prompt: prices hang on the other fields. */
const NO_PROMPT = 'an image'

/** The request, without what was left empty. @param forPrices a missing prompt does not stop prices from being asked */
export function requestOf(draft: Draft, { forPrices = false } = {}): GenerationRequest {
  const { references, metadata, webhook, stop } = draft
  const options = Object.entries(draft.options).filter(([, fields]) => Object.keys(fields).length > 0)
  const size = isSized(draft) ? { width: number(draft.width), height: number(draft.height) } : shapeAsked(draft)
  const given = {
    ...size,
    n: draft.n.trim() === '1' ? undefined : number(draft.n),
    seed: draft.seed.trim() === '' ? undefined : draft.seed.trim(),
    output_format: draft.format === '' ? undefined : draft.format,
    output_quality: number(draft.quality),
    safety_tolerance: number(draft.safety),
    prompt_upsampling: draft.upsampling === '' ? undefined : draft.upsampling === 'on',
    guidance: number(draft.guidance),
    steps: number(draft.steps),
    quality: draft.effort === '' ? undefined : draft.effort,
    background: draft.background === '' ? undefined : draft.background,
    mask: draft.mask?.sent,
    on_unsupported: draft.onUnsupported === 'adapt' ? undefined : draft.onUnsupported,
    reference_images: references.length === 0 ? undefined : references.map(({ sent }) => sent),
    metadata: metadata.trim() === '' ? undefined : pairs(metadata),
    webhook: webhook.trim() === '' ? undefined : { url: webhook.trim() },
    provider: stop.trim() === '' ? undefined : { max_price_usd: stop.trim() },
    provider_options: options.length === 0 ? undefined : Object.fromEntries(options),
  }
  const prompt = draft.prompt.trim() === '' && forPrices && references.length === 0 ? NO_PROMPT : draft.prompt
  return {
    model: draft.model,
    prompt,
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<GenerationRequest>),
  }
}

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

/** The form of a comparison that was run before. */
export function draftOf(request: Comparison['request'], before: Draft): Draft {
  const references = Array.isArray(request['reference_images']) ? request['reference_images'] : []
  return {
    ...EMPTY,
    unchecked: before.unchecked,
    prompt: text(request['prompt']),
    model: text(request['model']),
    width: text(request['width']),
    height: text(request['height']),
    ratio: text(request['aspect_ratio']),
    megapixels: text(request['megapixels']),
    n: text(request['n'] ?? 1),
    seed: text(request['seed']),
    format: text(request['output_format']),
    quality: text(request['output_quality']),
    safety: text(request['safety_tolerance']),
    effort: text(request['quality']),
    background: text(request['background']),
    mask: request['mask'] === undefined ? null : storedReference(request['mask'], 0),
    upsampling: request['prompt_upsampling'] === undefined ? '' : request['prompt_upsampling'] === true ? 'on' : 'off',
    guidance: text(request['guidance']),
    steps: text(request['steps']),
    onUnsupported: request['on_unsupported'] === 'reject' ? 'reject' : 'adapt',
    metadata: pairsText((request['metadata'] ?? {}) as Readonly<Record<string, string>>),
    webhook: text((request['webhook'] as { readonly url?: string } | undefined)?.url),
    references: references.map((sent: unknown, at) => storedReference(sent, at)),
    options: (request['provider_options'] ?? {}) as Draft['options'],
    stop: text((request['provider'] as { readonly max_price_usd?: string } | undefined)?.max_price_usd),
  }
}

function storedReference(sent: unknown, at: number): Reference {
  if (typeof sent === 'string')
    return { key: `${at} ${sent.slice(0, 80)}`, sent, thumb: sent.startsWith('data:') ? sent : null, name: `reference ${at + 1}` }
  const { image } = sent as { readonly image: string }
  return { key: `${at} ${image}`, sent: { image }, thumb: `/v1/images/${image}`, name: image }
}

export interface Chip {
  readonly text: string
  /** The field it opens, by its id. */
  readonly field: string
}

/** What is set of the fields that stand below More on every screen. */
const setBelowMore = (draft: Draft): readonly Chip[] =>
  [
    { field: 'safety', is: draft.safety !== '', text: `safety ${draft.safety}` },
    { field: 'upsampling', is: draft.upsampling !== '', text: `upsampling ${draft.upsampling}` },
    { field: 'guidance', is: draft.guidance !== '', text: `guidance ${draft.guidance}` },
    { field: 'steps', is: draft.steps !== '', text: `${draft.steps} steps` },
    { field: 'quality', is: draft.quality !== '', text: `format quality ${draft.quality}` },
    { field: 'effort', is: draft.effort !== '', text: `${draft.effort} quality` },
    { field: 'background', is: draft.background !== '', text: `${draft.background} background` },
    { field: 'mask', is: draft.mask !== null, text: 'mask' },
    { field: 'on-unsupported', is: draft.onUnsupported !== 'adapt', text: 'nothing adapted' },
    { field: 'metadata', is: draft.metadata.trim() !== '', text: 'metadata' },
    { field: 'webhook', is: draft.webhook.trim() !== '', text: 'webhook' },
  ].filter(({ is }) => is)

/** On a screen that is no phone these alone stand in view without More. */
const IN_VIEW = new Set(['width', 'n', 'format', 'seed', 'reference-link'])
export const isBelowMore = (field: string): boolean => !IN_VIEW.has(field)

const imagesText = ({ n }: Draft): string => (n === '1' ? '1 image each' : `${n} images each`)

/** What is set below More, in words; on a phone the output and the references stand there too. */
export function moreText(draft: Draft, isPhone = false): string {
  const { length: references } = draft.references
  const output = [
    imagesText(draft),
    draft.format === '' ? '' : formatName(draft.format),
    draft.seed === '' ? '' : `seed ${draft.seed}`,
    references === 0 ? '' : plural(references, 'reference'),
  ]
  const set = [...(isPhone ? output : []), ...setBelowMore(draft).map(({ text }) => text)].filter((part) => part !== '')
  return set.length === 0 ? 'More' : `More: ${set.join(', ')}`
}

/** What was asked for, in a row of chips; the model has a field of its own. */
export function chipsOf(draft: Draft, providers: number): readonly Chip[] {
  const shape = shapeOf(draft)
  const size = sizeAsked(draft) || 'size of the reference'
  const chips: readonly (Chip | null)[] = [
    { text: `${shape === undefined ? '' : `${shape.name} · `}${size}`, field: 'width' },
    { text: imagesText(draft), field: 'n' },
    draft.format === '' ? null : { text: formatName(draft.format), field: 'format' },
    draft.seed === '' ? null : { text: `Seed ${draft.seed}`, field: 'seed' },
    draft.references.length === 0 ? null : { text: plural(draft.references.length, 'reference'), field: 'reference-link' },
    ...setBelowMore(draft).map(({ text, field }) => ({ text: text.charAt(0).toUpperCase() + text.slice(1), field })),
    { text: plural(providers, 'provider'), field: 'quotes' },
  ]
  return chips.filter((chip) => chip !== null)
}
