import { ImagesShape, ProviderId, type Limits, type Manifest, type ModelEntry } from '#contract'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { ConfigDocument } from './document.ts'
import type { ConfigProblem } from './problem.ts'
import { RELAY_FIELDS } from './relay-schema.ts'
import type { ConfigFile, ProviderSettings } from './schema.ts'
import { versionAtEnd } from './version-path.ts'

interface RelaySources {
  readonly file: ConfigFile
  readonly document: ConfigDocument
  /** The installed providers. */
  readonly catalogue: Catalogue
  readonly problems: ConfigProblem[]
}

const SUBMIT_TIMEOUT_MS = 300_000
const MAX_IN_FLIGHT = 8
const MOST_REFERENCES = 16
/** Of a relay nothing is known: the widest sizes that vendors of today take. */
const SIDE = { type: 'range', min: 64, max: 4096 } as const

/**
 * The manifests of the entries that name a shape, by which they are providers like those in a folder. What is wrong with them is added to
 * `problems`; such an entry is left out, and so nothing else is said of it.
 */
export function relaysOf({ file, document, catalogue, problems }: RelaySources): readonly Manifest[] {
  return Object.entries(file.providers ?? {}).flatMap(([id, settings]) => {
    const objections =
      settings.shape === undefined ? withoutShape(settings, catalogue.providers.has(id)) : withShape(id, settings, catalogue)
    for (const { path, message, remedy, where } of objections)
      problems.push(document.at(['providers', id, ...path], message, remedy, where ?? 'value'))
    if (settings.shape === undefined || objections.length > 0) return []
    return [manifestOf(id, settings)]
  })
}

/** `MY_RELAY_API_KEY` for `my-relay`. */
const variableOf = (id: string): string => `${id.toUpperCase().replaceAll('-', '_')}_API_KEY`

interface Objection {
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly remedy: string
  readonly where?: 'key'
}

function withoutShape(settings: ProviderSettings, isInstalled: boolean): readonly Objection[] {
  const given = RELAY_FIELDS.filter((name) => name in settings)
  const remedy = isInstalled ? 'remove it; the manifest of this provider says it' : 'add shape: openai-images'
  return given.map((name) => ({ path: [name], message: 'is only there for an entry that names its shape', remedy, where: 'key' }))
}

function withShape(id: string, settings: ProviderSettings, catalogue: Catalogue): readonly Objection[] {
  const { base_url: baseUrl, models = {}, references = 'none' } = settings
  const named: Objection[] = []
  if (catalogue.providers.has(id))
    named.push({ path: ['shape'], message: `${id} is an installed provider`, remedy: 'choose another name for this entry', where: 'key' })
  if (!ProviderId.safeParse(id).success) {
    const remedy = 'write 2 to 31 small letters, digits and hyphens, a letter first'
    named.push({ path: [], message: 'is no name of a provider', remedy, where: 'key' })
  }
  if (baseUrl === undefined)
    named.push({ path: [], message: 'has no base_url', remedy: 'add base_url: https://… , where its API is', where: 'key' })
  if (Object.keys(models).length === 0) {
    const remedy = `add models: { ${suggestedModel(catalogue)}: { provider_model: "…", price: { per_image: "0.03" } } }`
    named.push({ path: [], message: 'sells no model', remedy, where: 'key' })
  }
  if (settings.mask === true && references !== 'multipart')
    named.push({ path: ['mask'], message: 'is sent as a file of a form', remedy: 'add references: multipart, or remove mask' })
  return [
    ...named,
    ...Object.entries(models).flatMap(([model, entry]) =>
      modelObjections(settings, entry).map((objection) => ({ ...objection, path: ['models', model, ...objection.path] })),
    ),
  ]
}

const suggestedModel = ({ models }: Catalogue): string => models[0] ?? 'my-model'

type RelayModel = NonNullable<ProviderSettings['models']>[string]

function modelObjections(
  { references = 'none', mask, size = 'size' }: ProviderSettings,
  { limits = {}, retires_on: end, replaced_by: other }: RelayModel,
): readonly Objection[] {
  const objections: Objection[] = []
  if (other !== undefined && end === undefined)
    objections.push({ path: ['replaced_by'], message: 'has no retires_on beside it', remedy: 'say when it is replaced', where: 'key' })
  if (references === 'none' && (limits.reference_images?.max ?? 0) > 0) {
    const remedy = 'add references: image_url, reference_images or multipart to this provider'
    objections.push({ path: ['limits', 'reference_images'], message: 'are not taken as long as nothing says how they are sent', remedy })
  }
  if (limits.mask === true && mask !== true)
    objections.push({ path: ['limits', 'mask'], message: 'is not taken by this provider', remedy: 'add mask: true to the provider' })
  if (size === 'aspect_ratio' && limits.size?.kind !== 'tier') {
    const message = 'says which ratios and resolutions there are, where sizes are sent as aspect_ratio'
    const remedy =
      'write limits: { size: { kind: tier, aspect_ratios: ["1:1"], tiers: [{ name: 1K, megapixels: 1 }], follows_reference: false } }'
    objections.push({ path: ['limits', 'size'], message, remedy })
  }
  return objections
}

/** Ends in a version, as the base URLs of SDKs do: `/v1`, `/images/v1`, `/api/v3`. */
const endsInVersion = (baseUrl: string): boolean => versionAtEnd(new URL(baseUrl).pathname) !== ''

function shapeOf({
  shape,
  base_url: baseUrl = '',
  path,
  edits_path,
  size,
  references,
  response_format,
  stream,
  cost,
  errors,
}: ProviderSettings): ImagesShape {
  const version = endsInVersion(baseUrl) ? '' : '/v1'
  const written = { size, references, response_format, stream, cost, errors }
  const given = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined))
  return ImagesShape.parse({
    name: shape,
    path: path ?? `${version}/images/generations`,
    edits_path: edits_path ?? `${version}/images/edits`,
    ...given,
  })
}

function manifestOf(id: string, settings: ProviderSettings): Manifest {
  const { base_url: baseUrl = '', title = id, docs_url = baseUrl, auth, submit_timeout_ms: submitMs = SUBMIT_TIMEOUT_MS } = settings
  const models = Object.entries(settings.models ?? {}).map(([model, { provider_model, limits, retires_on, replaced_by }]) => {
    const end = { ...(retires_on !== undefined && { retires_on }), ...(replaced_by !== undefined && { replaced_by }) }
    return [model, { provider_model, docs_url, limits: limitsOf(settings, limits), price: null, ...end } satisfies ModelEntry] as const
  })
  return {
    id,
    title,
    docs_url,
    base_url: baseUrl,
    // Its key goes to the host and port of its base URL alone.
    hosts: [],
    auth: { header: 'authorization', ...(auth === undefined && { scheme: 'Bearer' }), ...auth, env: variableOf(id) },
    max_in_flight: settings.max_in_flight ?? MAX_IN_FLIGHT,
    timeouts: { submit_ms: submitMs, poll_ms: 10_000, deadline_ms: submitMs + 60_000 },
    polling: { first_ms: 1_000, min_ms: 500, max_ms: 5_000 },
    result_url_ttl_ms: null,
    webhook_secret_header: null,
    safety_options: [],
    shape: shapeOf(settings),
    declares: {
      delivery: ['sync'],
      inline: false,
      batch: models.some(([, { limits }]) => limits.n.max > 1),
      recover: false,
      cost: settings.cost?.unit === 'none' ? 'none' : 'at_result',
      seed_returned: false,
      balance: false,
      webhook: false,
      cancel: false,
    },
    models: Object.fromEntries(models),
  }
}

function limitsOf({ references = 'none', mask }: ProviderSettings, given: RelayModel['limits'] = {}): Limits {
  const written = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return {
    prompt: { min_chars: 1, max_chars: 32_000 },
    size: { kind: 'range', width: SIDE, height: SIDE, max_pixels: null, required: false, follows_reference: false },
    reference_images: referencesIn(references),
    n: { max: 1 },
    seed: null,
    output_format: { type: 'enum', values: [], default: null },
    output_quality: null,
    safety_tolerance: null,
    prompt_upsampling: { type: 'boolean', default: null, settable: false },
    guidance: null,
    steps: null,
    ...(mask === true && { mask }),
    ...written,
  }
}

function referencesIn(style: ImagesShape['references']): Limits['reference_images'] {
  switch (style) {
    case 'none':
      return { max: 0, forms: [] }
    case 'image_url':
      return { max: 1, forms: ['url', 'data_uri'] }
    case 'reference_images':
    case 'input_references':
      return { max: MOST_REFERENCES, forms: ['url', 'data_uri'] }
    case 'multipart':
      return { max: MOST_REFERENCES, forms: ['data_uri'] }
  }
}
