import { rmSync, statSync, unlinkSync } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { GenerationRecord } from '../../core/records.ts'
import type { Clock, Log, Store } from '../../core/ports.ts'

export interface RetentionLimits {
  /** Null: no limit. */
  readonly maxAgeDays: number | null
  /** Of all images together; null: no limit. */
  readonly maxBytes: number | null
}

export interface RetentionDependencies {
  /** Where `openAssets` keeps its files. */
  readonly directory: string
  readonly store: Pick<Store, 'list'>
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'error'>
  /** Read at each sweep, so that an edited configuration applies at the next. */
  readonly limits: () => RetentionLimits
}

export interface Swept {
  readonly removed: number
  readonly freedBytes: number
}

interface StoredFile {
  readonly path: string
  readonly sha256: string
  readonly storedAtMs: number
  /** With its small ones. */
  readonly bytes: number
  /** Paths of its small ones, which go with it. */
  readonly small: readonly string[]
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Who was just handed a link can fetch it, whatever the limits; what is stored and not yet on record is as young. */
const GRACE_MS = 15 * 60_000
const IMAGE_FILE = /^([0-9a-f]{64})\.(?:jpg|png|webp)$/
const SMALL_FILE = /^([0-9a-f]{64}\.(?:jpg|png|webp))\.w\d+\.webp$/
const PAGE = 100

/**
 * Removes images by age, then the oldest until all fit into the allowed bytes. The file is the truth: one that is gone answers 410, and
 * content that several images share is one file, as young as the last time it was stored, so it goes when none of them is young enough.
 * What an open generation refers to or has stored is never removed.
 * @returns null where there is no limit, and nothing was read
 */
export async function sweep({ directory, store, clock, limits, log }: RetentionDependencies): Promise<Swept | null> {
  const { maxAgeDays, maxBytes } = limits()
  if (maxAgeDays === null && maxBytes === null) return null
  const files = (await storedFiles(directory)).toSorted((left, right) => left.storedAtMs - right.storedAtMs)
  const needed = await neededByOpen(store)
  const now = clock.now()
  const oldest = maxAgeDays === null ? -Infinity : now - maxAgeDays * DAY_MS
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let removed = 0
  let freedBytes = 0
  for (const file of files) {
    const isTooOld = file.storedAtMs < oldest
    if (!isTooOld && (maxBytes === null || total <= maxBytes)) break
    if (file.storedAtMs > now - GRACE_MS) break
    if (needed.has(file.sha256) || !removeUntouched(file)) continue
    total -= file.bytes
    freedBytes += file.bytes
    removed++
  }
  if (removed > 0) log.info({ images: removed, bytes: freedBytes }, 'images were removed as assets.max_age_days and assets.max_bytes ask')
  return { removed, freedBytes }
}

/** Sweeps now and every hour. The returned function stops it, once a sweep in progress is over. */
export function startRetention(dependencies: RetentionDependencies): () => Promise<void> {
  const { clock, log } = dependencies
  let stopTimer = () => {}
  let isStopped = false
  const round = async (): Promise<void> => {
    try {
      await sweep(dependencies)
    } catch (error) {
      log.error({ error: error instanceof Error ? error.message : 'unknown' }, 'images could not be swept; the next try is in an hour')
    }
    if (isStopped) return
    stopTimer = clock.after(HOUR_MS, () => {
      current = round()
    })
  }
  let current = round()
  return async () => {
    isStopped = true
    stopTimer()
    await current
  }
}

/** Images lie two folders deep; half-written ones, in a folder of another name, are not among them. */
async function storedFiles(directory: string): Promise<StoredFile[]> {
  const found: StoredFile[] = []
  for await (const first of names(directory)) {
    if (!/^[0-9a-f]{2}$/.test(first)) continue
    for await (const second of names(join(directory, first))) found.push(...(await filesIn(join(directory, first, second))))
  }
  return found
}

/** The images of one folder, each with its small ones. A small one that was made while its image went is removed. */
async function filesIn(folder: string): Promise<readonly StoredFile[]> {
  const images: string[] = []
  const small = new Map<string, string[]>()
  for await (const name of names(folder)) {
    if (IMAGE_FILE.test(name)) images.push(name)
    const image = SMALL_FILE.exec(name)?.[1]
    if (image !== undefined) small.set(image, [...(small.get(image) ?? []), join(folder, name)])
  }
  for (const [image, paths] of small) if (!images.includes(image)) paths.forEach(remove)
  return Promise.all(
    images.map(async (name) => {
      const path = join(folder, name)
      const own = await stat(path)
      const paths = small.get(name) ?? []
      const sizes = await Promise.all(paths.map(async (one) => (await stat(one)).size))
      const bytes = sizes.reduce((sum, size) => sum + size, own.size)
      return { path, sha256: name.slice(0, 64), storedAtMs: own.mtimeMs, bytes, small: paths }
    }),
  )
}

const remove = (path: string): void => rmSync(path, { force: true })

async function* names(folder: string): AsyncGenerator<string> {
  for await (const entry of await opendir(folder)) yield entry.name
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

/**
 * In one turn of the event loop, so that whoever stores the same content again, which touches the file and then checks it, either
 * touches it before this check or finds it gone.
 */
function removeUntouched({ path, storedAtMs, small }: StoredFile): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found || found.mtimeMs !== storedAtMs) return false
  unlinkSync(path)
  small.forEach(remove)
  return true
}
