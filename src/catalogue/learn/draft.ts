import { isObject } from '#contract'
import type { Json, JsonObject } from '#contract'
import { draftLimits, wordsOf } from './limits.ts'
import { named, type Named } from './names.ts'
import { Notes, type Missing, type Source } from './notes.ts'
import { operationsOf, resolve, textOf, type Operation } from './openapi.ts'
import { imagesShape, queueShape, shapeNameOf, type Draftable, type ShapeName } from './shape.ts'

/** A provider's manifest as far as an OpenAPI document says it. */
export interface Draft {
  /** As `manifest.json`; what is not known is null, and is to be filled in before anything is sold. */
  readonly manifest: JsonObject
  readonly missing: readonly Missing[]
  readonly sources: readonly Source[]
  /** Operations that take a prompt and are in another shape than the draft’s, or in none that we know: they need an adapter. */
  readonly others: readonly string[]
}

/** The document has nothing to draft a provider of; the message says why. */
export class NothingLearned extends Error {}

const NO_IMAGES = /video|audio|speech|music|chat|completions|embedding|moderation|fine.?tun|train|responses/i
const MOST_MODELS = 60
const MOST_NAME_CHARS = 120

/**
 * Drafts a provider of what its OpenAPI document says. Prices, what may be in flight and how long links live stand in no such document, and
 * are never guessed.
 * @param id our id of the provider; null: that of its host
 * @throws NothingLearned
 */
export function draftOf(document: JsonObject, id: string | null): Draft {
  if (textOf(document['openapi']) === null) throw new NothingLearned('it is no OpenAPI document of version 3: it has no "openapi" field')
  const posts = operationsOf(document, 'post').filter(({ path, summary }) => !NO_IMAGES.test(`${path} ${summary}`))
  const orders = posts.map((operation) => ({ operation, named: named(operation.fields), shape: shapeNameOf(operation) }))
  const prompted = orders.filter(({ named: { prompt }, operation }) => prompt !== undefined && !operation.path.endsWith('/edits'))
  if (prompted.length === 0) throw new NothingLearned('no operation of it takes a prompt and makes images')
  const shape = commonest(prompted.map((order) => order.shape))
  const ours = prompted.filter((order) => order.shape === shape).slice(0, MOST_MODELS)
  const notes = new Notes()
  const submits = shape === 'openai-images' ? ofOnePath(ours, notes) : ours.map((order) => ({ ...order, model: modelOf(order.operation) }))
  const manifest = {
    ...connectionOf(document, id, notes),
    ...shapeOf(shape, submits, posts, operationsOf(document, 'get'), notes),
    models: Object.fromEntries(submits.map((submit) => [nameOf(submit.model), entryOf(submit, notes)])),
  }
  const others = prompted.filter((order) => !ours.includes(order)).map(({ operation }) => `POST ${operation.path}`)
  return { manifest, missing: notes.missing, sources: notes.sources, others }
}

/** That of most operations; one that we know wins over none. */
function commonest(shapes: readonly ShapeName[]): ShapeName {
  const known = shapes.filter((shape) => shape !== null)
  const count = (shape: ShapeName): number => known.filter((other) => other === shape).length
  return known.toSorted((a, b) => count(b) - count(a))[0] ?? null
}

interface Order {
  readonly operation: Operation
  readonly named: Named
}

/** One path sells all models: their ids are the words of its field `model`. */
function ofOnePath([order]: readonly Order[], notes: Notes): readonly Draftable[] {
  if (order === undefined) return []
  const words = wordsOf(order.named.model)
  const [only] = [order.named.model?.value['default'], order.named.model?.value['example']].flatMap((value) => textOf(value) ?? [])
  if (words.length > 0) return words.slice(0, MOST_MODELS).map((model) => ({ ...order, model }))
  if (only === undefined) notes.miss('models.model.provider_model', 'the document names no models')
  return [{ ...order, model: only ?? '' }]
}

/** `/v1/flux-2-pro` sells flux-2-pro. */
const modelOf = ({ path }: Operation): string => path.replace(/^\/(v\d+\/)?/, '')
const nameOf = (model: string): string =>
  model
    .slice(0, MOST_NAME_CHARS)
    .toLowerCase()
    .replace(/^.*\//, '')
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[^a-z0-9]+|-+$/g, '') || 'model'

function entryOf({ model, named: fields, operation }: Draftable, notes: Notes): JsonObject {
  const path = `models.${nameOf(model)}`
  notes.sources.push({ path, from: operation.pointer })
  return {
    provider_model: model === '' ? null : model,
    docs_url: notes.miss(`${path}.docs_url`, 'the page that says what this model takes and costs'),
    limits: draftLimits(fields, `${path}.limits`, notes),
    price: notes.miss(`${path}.price`, 'no OpenAPI document says a price; null stays null where none is published'),
  }
}

function connectionOf(document: JsonObject, id: string | null, notes: Notes): JsonObject {
  const { info, servers, externalDocs: documentation } = document
  const [server] = Array.isArray(servers) ? servers : []
  const address = isObject(server) ? textOf(server['url']) : null
  const url = address === null ? null : URL.parse(address)
  const host = url?.hostname ?? null
  const own =
    id ??
    host
      ?.split('.')
      .at(-2)
      ?.replaceAll(/[^a-z0-9-]/g, '') ??
    null
  const docs = isObject(documentation) ? textOf(documentation['url']) : null
  return {
    id: own ?? notes.miss('id', 'our id of the provider: give --id'),
    title: isObject(info) ? (textOf(info['title']) ?? own) : own,
    docs_url: notes.take('docs_url', docs, '#/externalDocs/url', 'the address of the provider’s pages'),
    base_url: notes.take('base_url', url?.href.replace(/\/$/, '') ?? null, '#/servers/0/url', 'the document names no server'),
    hosts: host === null ? notes.miss('hosts', 'the hosts that get the key') : [host],
    auth: { ...authOf(document, notes), env: own === null ? null : `${own.toUpperCase().replaceAll('-', '_')}_API_KEY` },
    max_in_flight: notes.miss('max_in_flight', 'how many unfinished tasks an account may have'),
    timeouts: { submit_ms: 120_000, poll_ms: 30_000, deadline_ms: 600_000 },
    polling: { first_ms: 1_000, min_ms: 500, max_ms: 5_000 },
    result_url_ttl_ms: notes.miss('result_url_ttl_ms', 'how long a delivered link lives; null stays null where nobody says'),
    webhook_secret_header: null,
  }
}

function authOf(document: JsonObject, notes: Notes): JsonObject {
  const { components } = document
  const schemes = isObject(components) && isObject(components['securitySchemes']) ? components['securitySchemes'] : {}
  for (const [name, scheme] of Object.entries(schemes)) {
    const from = `#/components/securitySchemes/${name}`
    if (!isObject(scheme)) continue
    const { value } = resolve(document, { value: scheme, pointer: from })
    const [type, header] = [textOf(value['type']), textOf(value['name'])]
    const isBearer = type === 'http' && textOf(value['scheme'])?.toLowerCase() === 'bearer'
    if (isBearer) notes.sources.push({ path: 'auth', from })
    if (isBearer) return { header: 'authorization', scheme: 'Bearer' }
    if (type === 'apiKey' && value['in'] === 'header' && header !== null)
      return { header: notes.take('auth.header', header.toLowerCase(), from, '') }
  }
  return { header: notes.miss('auth.header', 'the header that takes the key') }
}

function shapeOf(
  shape: ShapeName,
  submits: readonly Draftable[],
  posts: readonly Operation[],
  gets: readonly Operation[],
  notes: Notes,
): JsonObject {
  const [first] = submits
  const facts = { batch: first?.named.n !== undefined, recover: false, cost: 'none', balance: false, webhook: false }
  const declares = (delivery: string, inline: Json) => ({
    ...facts,
    delivery: [delivery],
    inline,
    seed_returned: notes.miss('declares.seed_returned', 'whether a result says its seed'),
  })
  if (shape === null || first === undefined) {
    notes.miss('shape', 'it has none of the shapes we know: write an adapter (docs/add-a-provider.md)')
    return { shape: null, declares: declares('poll', false) }
  }
  if (shape === 'queue-by-returned-urls') return { shape: queueShape(submits, gets, notes), declares: declares('poll', false) }
  const edits = posts.find(({ path }) => path.endsWith('/images/edits'))
  const isLinked = first.operation.reply.some(({ name }) => name === 'url')
  return {
    shape: imagesShape(first.operation, first.named, edits),
    declares: declares(
      'sync',
      isLinked ? notes.miss('declares.inline', 'true where images come inside the replies, false where as links') : true,
    ),
  }
}
