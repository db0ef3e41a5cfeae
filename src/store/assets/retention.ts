import type { GenerationRecord } from '../../core/records.ts'
import type { Ages, Clock, Log, Store } from '../../core/ports.ts'
import { everyHour } from '../every-hour.ts'
import type { ObjectStorage, StoredObject } from './object-storage.ts'

export interface RetentionLimits {
  /** Null: no limit. */
  readonly maxAgeDays: number | null
  /** Of all images together; null: no limit. */
  readonly maxBytes: number | null
}

export interface RetentionDependencies {
  readonly storage: Pick<ObjectStorage, 'list' | 'remove' | 'removeUntouched'>
  readonly store: Pick<Store, 'list'>
  readonly clock: Pick<Clock, 'after'>
  readonly ages: Pick<Ages, 'of'>
  readonly log: Pick<Log, 'info' | 'error'>
  /** Read at each sweep, so that an edited configuration applies at the next. */
  readonly limits: () => RetentionLimits
  /** Whether this process sweeps in this hour; absent where there is no other. */
  readonly isTurn?: (periodMs: number) => Promise<boolean>
}

export interface Swept {
  readonly removed: number
  readonly freedBytes: number
}

interface StoredImage extends StoredObject {
  readonly sha256: string
  /** With its small ones. */
  readonly allBytes: number
  /** Keys of its small ones, which go with it. */
  readonly small: readonly string[]
}

const DAY_MS = 86_400_000
/** Who was just handed a link can fetch it, whatever the limits; what is stored and not yet on record is as young. */
const GRACE_MS = 15 * 60_000
const IMAGE = /(?:^|\/)([0-9a-f]{64})\.(?:jpg|png|webp)$/
const SMALL = /^(.*[0-9a-f]{64}\.(?:jpg|png|webp))\.w\d+\.webp$/
const PAGE = 100

/**
 * Removes images by age, then the oldest until all fit into the allowed bytes. The file is the truth: one that is gone answers 410, and
 * content that several images share is one file, as young as the last time it was stored, so it goes when none of them is young enough.
 * What an open generation refers to or has stored is never removed.
 * @returns null where there is no limit, and nothing was read
 */
export async function sweep({ storage, store, ages, limits, log }: Omit<RetentionDependencies, 'clock'>): Promise<Swept | null> {
  const { maxAgeDays, maxBytes } = limits()
  if (maxAgeDays === null && maxBytes === null) return null
  const images = (await storedImages(storage)).toSorted((left, right) => left.storedAtMs - right.storedAtMs)
  const needed = await neededByOpen(store)
  const mostAgeMs = maxAgeDays === null ? Infinity : maxAgeDays * DAY_MS
  let total = images.reduce((sum, { allBytes }) => sum + allBytes, 0)
  let removed = 0
  let freedBytes = 0
  for (const image of images) {
    const ageMs = ages.of(image.storedAtMs)
    const isTooOld = ageMs > mostAgeMs
    if (!isTooOld && (maxBytes === null || total <= maxBytes)) break
    if (ageMs < GRACE_MS) break
    if (needed.has(image.sha256) || !(await storage.removeUntouched(image))) continue
    for (const key of image.small) await storage.remove(key)
    total -= image.allBytes
    freedBytes += image.allBytes
    removed++
  }
  if (removed > 0) log.info({ images: removed, bytes: freedBytes }, 'images were removed as assets.max_age_days and assets.max_bytes ask')
  return { removed, freedBytes }
}

/** Sweeps now and every hour. The returned function stops it, once a sweep in progress is over. */
export function startRetention(dependencies: RetentionDependencies): () => Promise<void> {
  const { clock, log, isTurn } = dependencies
  return everyHour({
    clock,
    ...(isTurn ? { isTurn } : {}),
    work: async () => void (await sweep(dependencies)),
    onFailed: (error) => log.error({ error }, 'images could not be swept; the next try is in an hour'),
  })
}

/** Each image with its small ones. A small one that was made while its image went is removed. */
async function storedImages(storage: RetentionDependencies['storage']): Promise<readonly StoredImage[]> {
  const images: StoredObject[] = []
  const small = new Map<string, StoredObject[]>()
  for await (const object of storage.list()) {
    if (IMAGE.test(object.key)) images.push(object)
    const image = SMALL.exec(object.key)?.[1]
    if (image !== undefined) small.set(image, [...(small.get(image) ?? []), object])
  }
  const keys = new Set(images.map(({ key }) => key))
  for (const [image, objects] of small) if (!keys.has(image)) for (const { key } of objects) await storage.remove(key)
  return images.map((image) => {
    const own = small.get(image.key) ?? []
    const allBytes = own.reduce((sum, { bytes }) => sum + bytes, image.bytes)
    return { ...image, sha256: IMAGE.exec(image.key)?.[1] ?? '', allBytes, small: own.map(({ key }) => key) }
  })
}

async function neededByOpen(store: Pick<Store, 'list'>): Promise<ReadonlySet<string>> {
  const needed = new Set<string>()
  const keep = (record: GenerationRecord): void => {
    for (const reference of record.references) if (reference.kind === 'stored') needed.add(reference.sha256)
    for (const image of record.images) if (image.sha256 !== null) needed.add(image.sha256)
  }
  for (const status of ['queued', 'running'] as const) {
    let cursor: string | null | undefined
    while (cursor !== null) {
      const page = await store.list({ status, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
      page.records.forEach(keep)
      cursor = page.nextCursor
    }
  }
  return needed
}
