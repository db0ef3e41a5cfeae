import { Manifest, type Adapter, type Call, type Json, type JsonObject, type Offer, type Order, type Outcome } from '#contract'
import { readCase, replyOf, storiesOf, type Case } from './case-files.ts'
import { loadProvider, offersOf, readManifestJson } from './installed-providers.ts'
import { plainOrder } from './legal-orders.ts'

/** A provider at its exam, with everything its folder reports. */
export interface Candidate {
  readonly id: string
  readonly manifest: Manifest
  readonly adapter: Adapter
  readonly offers: readonly Offer[]
  readonly cases: readonly Case[]
}

export async function candidate(id: string): Promise<Candidate> {
  const parsed = Manifest.safeParse(readManifestJson(id))
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new Error(`providers/${id}/manifest.json: ${problems.join('; ')}`)
  }
  const provider = await loadProvider(id)
  return { ...provider, offers: offersOf(provider), cases: storiesOf(id).map((story) => readCase(id, story)) }
}

/** Whether a task can be asked for once it was bought: by a poll, or by the call that recovers it. */
export const isAskable = ({ manifest: { declares } }: Pick<Candidate, 'manifest'>): boolean =>
  declares.delivery.includes('poll') || declares.recover

/** The options of somebody who gave none. */
export const noOptions = ({ adapter }: Pick<Candidate, 'adapter'>): unknown => adapter.options.parse({})

/** What an adapter says for an order, as it goes to the vendor and into the database. */
export const callFor = ({ adapter }: Pick<Candidate, 'adapter'>, order: Order): Call => adapter.translate(order).call

export const plainOrders = (examined: Candidate): readonly Order[] => examined.offers.map((offer) => plainOrder(offer, noOptions(examined)))

/** Submits of every offer, and every call of the stories: what a reply may be an answer to. */
export function knownCalls(examined: Candidate, purposes: readonly Call['purpose'][]): readonly Call[] {
  const reported = examined.cases.flatMap(({ steps }) => steps.map(({ call }) => call))
  const submits = plainOrders(examined).map((order) => callFor(examined, order))
  const calls = [...submits, ...submits.slice(0, 1).flatMap((submit) => pollsBySpelling(examined, submit)), ...reported]
  return distinct(calls.filter(({ purpose }) => purposes.includes(purpose)))
}

/** The poll that follows an answer with everything where the shape of the manifest says it stands; none where its shape has no polls. */
function pollsBySpelling({ manifest, adapter }: Candidate, submit: Call): readonly Call[] {
  if (manifest.shape?.name !== 'queue-by-returned-urls') return []
  const { id, poll, result, cancel } = manifest.shape.accepted
  const body: JsonObject = {}
  if (id !== undefined) put(body, id, 'task-1')
  for (const pointer of [poll, result, cancel]) if (pointer !== undefined) put(body, pointer, `${manifest.base_url}/tasks/1${pointer}`)
  const outcome = adapter.interpret({ status: 200, headers: {}, body }, submit)
  return outcome.kind === 'pending' ? [outcome.next] : []
}

function put(body: Record<string, unknown>, pointer: string, value: string): void {
  const keys = pointer.split('/').slice(1)
  const last = keys.pop() ?? ''
  const parent = keys.reduce<Record<string, unknown>>((at, key) => (at[key] ??= {}) as Record<string, unknown>, body)
  parent[last] = value
}

/** Every reply of the stories that did arrive, with the call it answers. */
export const knownReplies = ({ cases }: Candidate) =>
  cases.flatMap(({ story, steps }) =>
    steps.flatMap((step) => {
      const reply = replyOf(step.reply)
      return reply === null ? [] : [{ story, call: step.call, reply }]
    }),
  )

const distinct = <Value>(values: readonly Value[]): readonly Value[] => [
  ...new Map(values.map((value) => [JSON.stringify(value), value])).values(),
]

/** Every failure an outcome reports. */
export function failuresOf(outcome: Outcome) {
  switch (outcome.kind) {
    case 'done':
      return outcome.failures ?? []
    case 'failed':
    case 'refused':
      return [outcome.failure]
    case 'pending':
      return []
  }
}

/** Frozen to its leaves, so that an adapter that writes into what it is given fails at once. */
export function deepFrozen<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) deepFrozen(part)
  return Object.freeze(value)
}

export type Path = readonly (string | number)[]

/** The paths to every part of a JSON value, itself included. */
export function pathsIn(value: Json): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [[]]
  const parts = Array.isArray(value) ? value.map((part: Json, index) => [index, part] as const) : Object.entries(value)
  return [[], ...parts.flatMap(([key, part]) => pathsIn(part).map((rest) => [key, ...rest]))]
}

/** The part at a path; null where the value has none. */
export function partAt(value: Json, [key, ...rest]: Path): Json {
  if (key === undefined) return value
  if (typeof value !== 'object' || value === null) return null
  return partAt((value as Record<string | number, Json>)[key] ?? null, rest)
}

/** The value with another part at a path; without that part where `part` is undefined. */
export function withPart(value: Json, [key, ...rest]: Path, part: Json | undefined): Json {
  if (key === undefined) return part ?? null
  if (Array.isArray(value)) {
    const list: readonly Json[] = value
    if (rest.length === 0 && part === undefined) return list.filter((_, index) => index !== key)
    return list.map((entry, index) => (index === key ? withPart(entry, rest, part) : entry))
  }
  const entries = Object.entries(value as Record<string, Json>)
  if (rest.length === 0 && part === undefined) return Object.fromEntries(entries.filter(([name]) => name !== key))
  return Object.fromEntries(entries.map(([name, entry]) => [name, name === key ? withPart(entry, rest, part) : entry]))
}
