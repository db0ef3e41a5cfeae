import type { Json, JsonObject, Reply, Usd } from '#contract'
import { Usd as UsdSchema, usdFromDecimal } from '#contract'
import { Item, STATUS, VendorError } from './wire.ts'

/** A reply's entries for one task, sorted by what they say. */
export interface Reading {
  /** Images, each once. */
  readonly images: readonly Item[]
  readonly errors: readonly VendorError[]
  /** Acknowledged or in work. */
  readonly open: readonly Item[]
  /** A status nobody documented. */
  readonly strangeStatus?: string
  /** A webhook's body: one result without the wrapper, so it says nothing of the others. */
  readonly isSingle: boolean
}

const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : isObject(value) ? [value] : [])

interface Entries {
  readonly data: readonly Json[]
  readonly errors: readonly Json[]
  readonly isSingle: boolean
}

/**
 * Takes the wrapper off. Known bodies: `{ data, errors }` with either key absent, `{ error: { code, message }, taskUUID }`,
 * and a bare result or error, which is how a webhook brings it. Null: not a body of this vendor.
 */
function unwrap(body: Json): Entries | null {
  if (!isObject(body)) return null
  if ('data' in body || 'errors' in body) return { data: listOf(body['data']), errors: listOf(body['errors']), isSingle: false }
  const { error, taskUUID = null } = body
  if (isObject(error)) return { data: [], errors: [{ taskUUID, ...error }], isSingle: false }
  if (Array.isArray(error)) return { data: [], errors: error, isSingle: false }
  if (typeof error === 'string') return { data: [], errors: [{ taskUUID, message: error }], isSingle: false }
  if (typeof body['code'] === 'string') return { data: [], errors: [body], isSingle: true }
  return typeof taskUUID === 'string' ? { data: [body], errors: [], isSingle: true } : null
}

/** The first result of a reply, as it came. */
export const firstOf = (reply: Reply): JsonObject | undefined => unwrap(reply.body)?.data.find((entry) => isObject(entry))

/** An entry is ours if it names our task, or none: a call carries a single task. */
const isOf = (taskUUID: string) => (entry: { taskUUID?: string | undefined }) =>
  entry.taskUUID === undefined || entry.taskUUID.toLowerCase() === taskUUID.toLowerCase()

function parsed<Entry>(entries: readonly Json[], schema: { safeParse(entry: Json): { data?: Entry | undefined } }): readonly Entry[] {
  return entries.flatMap((entry) => schema.safeParse(entry).data ?? [])
}

const statusOf = (item: Item): 'open' | 'done' | 'failed' | 'strange' | 'untold' => {
  if (item.status === undefined) return 'untold'
  const status = item.status.toLowerCase()
  return Object.hasOwn(STATUS, status) ? STATUS[status as keyof typeof STATUS] : 'strange'
}

/**
 * Reads what a reply says of one task; null where it is not a body of this vendor.
 * @param earlier images already seen by earlier looks at the same task
 */
export function read(reply: Reply, taskUUID: string, earlier: readonly Item[] = []): Reading | null {
  const entries = unwrap(reply.body)
  if (entries === null) return null
  const images = new Map(earlier.map((item) => [identityOf(item), item]))
  const errors: VendorError[] = parsed<VendorError>(entries.errors, VendorError).filter(isOf(taskUUID))
  const open: Item[] = []
  let strangeStatus: string | undefined
  for (const item of parsed(entries.data, Item).filter(isOf(taskUUID))) {
    const status = statusOf(item)
    if (status === 'failed') errors.push(item)
    else if (status === 'strange') {
      strangeStatus = item.status
      open.push(item)
    } else if (status === 'open') open.push(item)
    else if (sourceOf(item) !== null) images.set(identityOf(item), item)
    else if (status === 'untold') open.push(item)
    else errors.push({ ...item, isWithoutImage: true })
  }
  return {
    images: [...images.values()],
    errors,
    open,
    isSingle: entries.isSingle,
    ...(strangeStatus === undefined ? {} : { strangeStatus }),
  }
}

const identityOf = (item: Item): string => item.imageUUID ?? item.imageURL ?? item.imageDataURI ?? item.imageBase64Data ?? ''

/** Where the image is, in whichever of the three output types it came; null where there is none. */
export function sourceOf(
  item: Item,
): { readonly kind: 'url'; readonly url: string } | { readonly kind: 'base64'; readonly data: string } | null {
  if (item.imageURL !== undefined && /^https?:\/\/\S+$/i.test(item.imageURL)) return { kind: 'url', url: item.imageURL }
  if (item.imageBase64Data) return { kind: 'base64', data: item.imageBase64Data }
  const payload = /^data:[^,]{0,200};base64,/i.exec(item.imageDataURI?.slice(0, 300) ?? '')
  const data = payload ? (item.imageDataURI?.slice(payload[0].length) ?? '') : ''
  return data === '' ? null : { kind: 'base64', data }
}

/** The digits of a seed, all of them; undefined where it is not a whole number. */
export function seedOf({ seed }: Item): string | undefined {
  if (typeof seed === 'string') return /^\d{1,40}$/.test(seed) ? seed : undefined
  return seed !== undefined && Number.isInteger(seed) && seed >= 0 ? BigInt(seed).toString() : undefined
}

/** A vendor's decimal as dollars; null where it is none. */
export function usdOf(value: Json | undefined): Usd | null {
  if (typeof value !== 'number' && typeof value !== 'string') return null
  try {
    const amount = usdFromDecimal(value)
    return UsdSchema.safeParse(amount).success ? amount : null
  } catch {
    return null
  }
}

/** What a result cost; null where it is untold or below nothing. */
export function costOf({ cost }: Item): Usd | null {
  const amount = usdOf(cost)
  return amount?.startsWith('-') ? null : amount
}
