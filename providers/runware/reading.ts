import { imageSource, saidInsteadOfLink, withoutRepeats } from '#adapter-kit'
import { isObject } from '#contract'
import type { ImageRef, Json, JsonObject, Reply } from '#contract'
import { type Item, itemOf, STATUS, VendorError } from './wire.ts'

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
  entry.taskUUID === undefined || entry.taskUUID === taskUUID || entry.taskUUID.toLowerCase() === taskUUID.toLowerCase()

const statusOf = (item: Item): 'open' | 'done' | 'failed' | 'strange' | 'none' => {
  if (item.status === undefined) return 'none'
  const status = item.status.toLowerCase()
  return Object.hasOwn(STATUS, status) ? STATUS[status as keyof typeof STATUS] : 'strange'
}

/**
 * Reads what a reply says of one task; null where it is not a body of this vendor.
 * @param earlier images that earlier replies about the same task delivered
 */
export function read(reply: Reply, taskUUID: string, earlier: readonly Item[] = []): Reading | null {
  const entries = unwrap(reply.body)
  if (entries === null) return null
  const images = new Map(earlier.map((item) => [identityOf(item), item]))
  const errors: VendorError[] = entries.errors.flatMap((entry) => VendorError.safeParse(entry).data ?? []).filter(isOf(taskUUID))
  const open: Item[] = []
  let strangeStatus: string | undefined
  for (const entry of entries.data.filter(isObject).map(itemOf).filter(isOf(taskUUID))) {
    const item = located(entry, reply.url)
    const status = statusOf(item)
    if (status === 'failed') errors.push({ ...item, isResult: true })
    else if (status === 'strange') {
      strangeStatus = item.status
      open.push(item)
    } else if (status === 'open') open.push(item)
    else if (sourceOf(item) !== null) images.set(identityOf(item), item)
    else if (status === 'none' && linksOf(entry).length === 0) open.push(item)
    else errors.push({ ...item, isResult: true, isWithoutImage: saidInsteadOfLink(linksOf(entry)[0]) })
  }
  return {
    images: withoutRepeats([...images.values()], ({ imageUUID, ...item }) => [imageUUID && `id ${imageUUID}`, ...linksOf(item)]),
    errors,
    open,
    isSingle: entries.isSingle,
    ...(strangeStatus === undefined ? {} : { strangeStatus }),
  }
}

/** The fields that say where an image is. */
const linksOf = ({ imageURL, imageDataURI, imageBase64Data }: Item): readonly string[] =>
  [imageURL, imageDataURI, imageBase64Data].flatMap((link) => link || [])

const identityOf = (item: Item): string => item.imageUUID ?? linksOf(item)[0] ?? ''

/** The item with its link as a URL parser makes it, so that the memo of the next call needs no base. */
function located(item: Item, base: string | undefined): Item {
  const source = imageSource(item.imageURL, base)
  return source?.kind === 'url' ? { ...item, imageURL: source.url } : item
}

/** Where the image is, in whichever of the three output types it came; null where there is none. */
export function sourceOf({ imageURL, imageDataURI, imageBase64Data = '' }: Item): ImageRef['source'] | null {
  const link = imageSource(imageURL)
  if (link !== null) return link
  const isPlain = imageBase64Data !== '' && !imageBase64Data.startsWith('data:')
  const bytes = isPlain ? ({ kind: 'base64', data: imageBase64Data } as const) : imageSource(imageBase64Data)
  return bytes ?? imageSource(imageDataURI)
}
