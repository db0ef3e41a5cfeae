import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Call, FormPart, GenerationRequest, Json, Offer, Provider, Warning } from '#contract'
import { loadProviders, offersOf, PROVIDERS } from '../support/installed-providers.ts'
import { referenceAt } from '../support/legal-orders.ts'
import { ordersFor, parseRequest, type Planned } from '../support/order-from-request.ts'

const prompt = 'a lighthouse at dusk'

/** What is asked, by a name a reader can search for. The model is filled in by each offer. */
const REQUESTS: Readonly<Record<string, Readonly<Record<string, Json>>>> = {
  'Nothing but a prompt': { prompt },
  '1500 × 1000, which few grids hold': { prompt, width: 1500, height: 1000 },
  '16:9 at 2 megapixels': { prompt, aspect_ratio: '16:9', megapixels: 2 },
  'Three references, by link and by bytes': {
    prompt,
    reference_images: [referenceAt(0, 'url'), referenceAt(1, 'data_uri'), referenceAt(2, 'url')],
  },
  'One reference by bytes': { prompt, reference_images: [referenceAt(0, 'data_uri')] },
  'The strictest safety': { prompt, safety_tolerance: 0 },
  'The loosest safety': { prompt, safety_tolerance: 6 },
  WebP: { prompt, output_format: 'webp' },
  'Quality 80': { prompt, output_format: 'jpeg', output_quality: 80 },
  'Prompt upsampling on': { prompt, prompt_upsampling: true },
  'Prompt upsampling off': { prompt, prompt_upsampling: false },
  'Four images from one seed': { prompt, n: 4, seed: 42 },
  'The largest seed': { prompt, seed: '9223372036854775807' },
  'A transparent background': { prompt, background: 'transparent' },
  'High quality': { prompt, quality: 'high' },
  'Guidance and steps': { prompt, guidance: 4.5, steps: 28 },
  'Everything at once, or not at all': {
    prompt,
    width: 1500,
    height: 1000,
    output_format: 'webp',
    output_quality: 80,
    on_unsupported: 'reject',
  },
}

const providers = await loadProviders()

/** The requests, and one with the options of `test/options.json` in the provider's folder, where it has such a file. */
function requestsTo({ id }: Provider): readonly (readonly [string, Readonly<Record<string, Json>>])[] {
  const path = join(PROVIDERS, id, 'test/options.json')
  const own = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Json) : null
  const withOptions = own === null ? {} : { 'Options of its own': { prompt, output_format: 'png', provider_options: { [id]: own } } }
  return Object.entries({ ...REQUESTS, ...withOptions })
}

interface Cell {
  readonly offer: Offer
  readonly request: GenerationRequest
  readonly planned: Planned
  readonly calls: readonly Call[]
  readonly warnings: readonly Warning[]
}

async function cell(asked: Readonly<Record<string, Json>>, provider: Provider, offer: Offer): Promise<Cell> {
  const request = parseRequest({ model: offer.model, ...asked }, providers)
  const planned = await ordersFor(request, provider, offer)
  if (planned.kind === 'refused') return { offer, request, planned, calls: [], warnings: [] }
  const translated = planned.orders.map((order) => provider.adapter.translate(order))
  const own = translated.flatMap(({ warnings }) => warnings)
  const distinct = [...new Map(own.map((warning) => [JSON.stringify(warning), warning])).values()]
  return { offer, request, planned, calls: translated.map(({ call }) => call), warnings: [...planned.route.warnings, ...distinct] }
}

const rowOf = (asked: Readonly<Record<string, Json>>, provider: Provider): Promise<readonly Cell[]> =>
  Promise.all(offersInOrder(provider).map((offer) => cell(asked, provider, offer)))

const offersInOrder = (provider: Provider): readonly Offer[] =>
  offersOf(provider).toSorted((left, right) => (left.model < right.model ? -1 : 1))

const WIDEST_LINE = 120

/** JSON as a person would set it: on one line what fits there; long texts by their beginning. */
function layout(json: unknown, indent = ''): string {
  const flat = inline(json)
  if (typeof json !== 'object' || json === null || indent.length + flat.length <= WIDEST_LINE) return flat
  const deeper = `${indent}  `
  const lines = Array.isArray(json)
    ? json.map((part: unknown) => `${deeper}${layout(part, deeper)}`)
    : Object.entries(json).map(([key, part]) => `${deeper}${JSON.stringify(key)}: ${layout(part, deeper)}`)
  const [open, close] = Array.isArray(json) ? '[]' : '{}'
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`
}

function inline(json: unknown): string {
  if (typeof json === 'string' && json.length > 72) return JSON.stringify(`${json.slice(0, 40)}… (${json.length} characters)`)
  if (typeof json !== 'object' || json === null) return JSON.stringify(json) ?? 'null'
  if (Array.isArray(json)) return `[${json.map((part: unknown) => inline(part)).join(', ')}]`
  const parts = Object.entries(json).map(([key, part]) => `${JSON.stringify(key)}: ${inline(part)}`)
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`
}

const block = (json: unknown): string => ['```json', layout(json), '```'].join('\n')

function verdict(found: Cell): string {
  const { planned } = found
  if (planned.kind === 'refused') return 'refused'
  const { tasks, quoted } = planned.route
  return `${tasks.length === 1 ? 'one call' : `${tasks.length} calls`}, ${quoted === null ? 'unpriced' : `$${quoted.amount}`}${adaptedFields(found)}`
}

const adaptedFields = ({ warnings }: Cell): string =>
  warnings.length === 0 ? '' : `, adapted: ${[...new Set(warnings.map(({ field }) => field))].join(', ')}`

function section(found: Cell): string {
  const { offer, planned, calls, warnings } = found
  const title = `### ${offer.model}`
  if (planned.kind === 'refused') return [title, planned.reasons.map((reason) => `- ${reason}`).join('\n')].join('\n\n')
  const adapted = warnings.map(
    ({ code, field, requested, used, reason }) => `- ${code} \`${field}\`: ${inline(requested)} → ${inline(used)}. ${reason}`,
  )
  const [first, ...others] = calls
  const differing = others.map((call) => `- then ${differences(first, call)}`)
  return [
    title,
    ...(adapted.length > 0 ? [adapted.join('\n')] : []),
    `\`${first?.method} ${first?.url}\``,
    block(first?.form?.map(partOf) ?? first?.body ?? null),
    ...(differing.length > 0 ? [differing.join('\n')] : []),
  ].join('\n\n')
}

/** A part of a form in a line. */
const partOf = (part: FormPart): Json =>
  'value' in part ? { [part.name]: part.value } : { [part.name]: `${part.filename}, ${part.mediaType}` }

/** What a further call of the same request says differently. */
function differences(first: Call | undefined, call: Call): string {
  const before = leavesOf(first?.form ?? first?.body)
  const changed = [...leavesOf(call.form ?? call.body)].filter(([path, value]) => before.get(path) !== value)
  return changed.length === 0 ? 'the same again' : changed.map(([path, value]) => `\`${path}\`: ${value}`).join(', ')
}

function leavesOf(value: unknown, path = ''): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null) return new Map([[path, JSON.stringify(value) ?? 'nothing']])
  return new Map(Object.entries(value).flatMap(([key, part]) => [...leavesOf(part, path === '' ? key : `${path}.${key}`)]))
}

const table = (cells: readonly Cell[]): string =>
  ['| model | what happens |', '|---|---|', ...cells.map((found) => `| ${found.offer.model} | ${verdict(found)} |`)].join('\n')

/** The request without the folder's name, which is nothing the vendor receives. */
const shown = ({ provider_options: own, ...rest }: Readonly<Record<string, Json>>): Json =>
  typeof own === 'object' && own !== null ? { ...rest, provider_options: { own: Object.values(own)[0] ?? null } } : rest

const preface = ({ manifest }: Provider): string => `# What ${manifest.title} would receive

Made by \`test/matrix/matrix.test.ts\` from the manifest, the plan and the adapter; it fails where this page is out of date, and
\`npx vitest run test/matrix -u\` writes it anew. Long texts are cut off.`

const EXACT_FIELDS = [
  'width',
  'height',
  'seed',
  'output_format',
  'output_quality',
  'safety_tolerance',
  'prompt_upsampling',
  'guidance',
  'steps',
  'quality',
  'background',
] as const

describe.each(providers)('the matrix of requests to $id', (provider) => {
  const requests = requestsTo(provider)

  test('is what its matrix.md says', async () => {
    const chapters: string[] = [preface(provider)]
    for (const [name, asked] of requests) {
      const cells = await rowOf(asked, provider)
      chapters.push(`## ${name}`, block(shown(asked)), table(cells), ...cells.map((found) => section(found)))
    }
    const page = `${chapters.join('\n\n')}\n`.replaceAll(`provider_options.${provider.id}.`, 'provider_options.own.')
    await expect(page).toMatchFileSnapshot(join(PROVIDERS, provider.id, 'test/matrix.md'))
  })

  test.each(requests)('gives every offer its calls, or a reason why not: %s', async (_, asked) => {
    for (const { planned, calls, offer } of await rowOf(asked, provider)) {
      if (planned.kind === 'refused') expect(planned.reasons.length, offer.model).toBeGreaterThan(0)
      else expect(calls.length).toBe(planned.route.tasks.length)
    }
  })

  test.each(requests)('never adapts references, count, model and safety away: %s', async (_, asked) => {
    for (const { planned, request, offer } of await rowOf(asked, provider)) {
      if (planned.kind === 'refused') continue
      const { applied } = planned.route
      expect(planned.orders.map(({ references }) => references.length)).toEqual(
        planned.orders.map(() => request.reference_images?.length ?? 0),
      )
      expect(planned.orders.reduce((sum, { count }) => sum + count, 0)).toBe(request.n ?? 1)
      expect(planned.orders.every(({ providerModel }) => providerModel === offer.providerModel)).toBe(true)
      if (request.safety_tolerance !== undefined) expect(applied.safety_tolerance).toBeLessThanOrEqual(request.safety_tolerance)
    }
  })

  test.each(requests)('has a warning for whatever is not honoured to the letter: %s', async (_, asked) => {
    for (const { planned, request, warnings } of await rowOf(asked, provider)) {
      if (planned.kind === 'refused') continue
      const silent = EXACT_FIELDS.filter(
        (field) =>
          request[field] !== undefined &&
          request[field] !== planned.route.applied[field] &&
          !warnings.some((warning) => warning.field === field),
      )
      expect(silent).toEqual([])
    }
  })
})
