import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Manifest, type Limits, type ModelEntry, type Range, type SizeLimit } from '#contract'
import { ruleText } from './prices.ts'

/** Writes `docs/providers/<id>.md` from the manifest of each provider: `npm run provider-pages`. A test compares. */

const ROOT = join(import.meta.dirname, '..')
const FOLDER = join(ROOT, 'providers')

export const pagePath = (id: string): string => `docs/providers/${id}.md`

/** The page of each installed provider, by its path. */
export function providerPages(): ReadonlyMap<string, string> {
  const ids = readdirSync(FOLDER, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  const read = (id: string) => Manifest.parse(JSON.parse(readFileSync(join(FOLDER, id, 'manifest.json'), 'utf8')))
  return new Map(ids.toSorted().map((id) => [pagePath(id), pageOf(read(id))]))
}

type Model = readonly [name: string, entry: ModelEntry]

export function pageOf(manifest: Manifest): string {
  const models = Object.entries(manifest.models)
  const { id, title, notes = [] } = manifest
  return (
    [
      `# ${title}`,
      `<!-- written by \`npm run provider-pages\` from providers/${id}/manifest.json -->`,
      about(manifest),
      '## What it sells here',
      table(models),
      '## What it cannot do here',
      [...missingIn(models), ...manners(manifest)].map((line) => `- ${line}`).join('\n'),
      ...(notes.length === 0
        ? []
        : ['## What it sells and is not offered here, and what else is known', notes.map((note) => `- ${note}`).join('\n')]),
      '## Where the facts come from',
      ...models.map(factsOf),
      '',
    ]
      .join('\n\n')
      .trimEnd() + '\n'
  )
}

const about = ({ id, auth, base_url: baseUrl, hosts, docs_url: docs, max_in_flight: most }: Manifest): string =>
  [
    `Provider \`${id}\`. Its key is read from \`${auth.env}\` (or \`${auth.env}_FILE\`, or \`providers.${id}.api_key\`) and goes to`,
    `${hosts.map((host) => `\`${host}\``).join(', ')} and a configured \`base_url\` alone; that is ${baseUrl} unless you say otherwise.`,
    `At most ${most} unfinished tasks at once. The vendor’s own pages: <${docs}>.`,
  ].join(' ')

function table(models: readonly Model[]): string {
  const head = ['model', 'its id there', 'size', 'references', 'formats', 'price in US dollars', 'read on']
  const rows = models.map(([name, { provider_model: theirs, limits, price, retires_on: end }]) => [
    `\`${name}\`${end === undefined ? '' : ` (until ${end})`}`,
    `\`${theirs}\``,
    sizeText(limits.size),
    limits.reference_images.max === 0 ? 'none' : `up to ${limits.reference_images.max}, as ${limits.reference_images.forms.join(', ')}`,
    limits.output_format.values.join(', ') || 'no choice',
    price === null ? 'not known' : ruleText(price),
    price?.as_of ?? '–',
  ])
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function sizeText(size: SizeLimit): string {
  if (size.kind === 'tier')
    return `${size.aspect_ratios.length === 1 ? size.aspect_ratios.join() : `${size.aspect_ratios.length} shapes`} at ${size.tiers.map(({ name }) => name).join(', ')}`
  const side = ({ min, max, step = 1 }: Range): string => `${min}–${max} in steps of ${step}`
  const isSame = side(size.width) === side(size.height)
  const bound = size.max_pixels === null ? '' : `, at most ${size.max_pixels} pixels`
  return `${isSame ? `sides of ${side(size.width)}` : `${side(size.width)} × ${side(size.height)}`}${bound}`
}

const FIELDS: readonly (readonly [what: string, isMissing: (limits: Limits) => boolean])[] = [
  ['reference images', ({ reference_images: { max } }) => max === 0],
  ['a seed', ({ seed }) => seed === null],
  ['a choice of format', ({ output_format: { values } }) => values.length === 0],
  ['a choice of compression', ({ output_quality: quality }) => quality === null],
  ['a choice of safety (a request that asks for one goes elsewhere)', ({ safety_tolerance: safety }) => safety === null],
  ['a switch for prompt upsampling', ({ prompt_upsampling: { settable } }) => !settable],
  ['guidance', ({ guidance }) => guidance === null],
  ['steps', ({ steps }) => steps === null],
  ['tiers of quality', ({ quality }) => quality === undefined],
  ['a choice of background', ({ background }) => background === undefined],
  ['masks', ({ mask }) => mask !== true],
  ['several images in one call (more are made by several calls)', ({ n: { max } }) => max === 1],
]

function missingIn(models: readonly Model[]): readonly string[] {
  return FIELDS.flatMap(([what, isMissing]) => {
    const without = models.filter(([, { limits }]) => isMissing(limits)).map(([name]) => `\`${name}\``)
    if (without.length === 0) return []
    return [without.length === models.length ? `No model has ${what}.` : `No ${what.replace(/^a /, '')}: ${without.join(', ')}.`]
  })
}

function manners({ declares }: Manifest): readonly string[] {
  return [
    ...(declares.recover ? [] : ['A submit whose reply is lost cannot be asked for: its outcome is unknown, and it is not bought again.']),
    ...(declares.cancel ? [] : ['It has no cancel: a canceled generation may still be billed.']),
    ...(declares.cost === 'none' ? ['It does not say what an image cost.'] : []),
    ...(declares.balance ? [] : ['Its balance is not read.']),
  ]
}

function factsOf([name, { docs_url: docs, price, notes = [] }]: Model): string {
  const source = price === null ? [] : [`Price, ${price.as_of}: <${price.source_url}>.${price.note === undefined ? '' : ` ${price.note}`}`]
  return [`### ${name}`, [`<${docs}>`, ...source, ...notes].map((line) => `- ${line}`).join('\n')].join('\n\n')
}

if (import.meta.main) {
  mkdirSync(join(ROOT, 'docs/providers'), { recursive: true })
  for (const [path, page] of providerPages()) writeFileSync(join(ROOT, path), page)
}
