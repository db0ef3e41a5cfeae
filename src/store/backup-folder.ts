import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DatabaseSync } from 'node:sqlite'
import type { OutputFormat } from '#contract'
import { foreignInSchema } from './foreign-schema.ts'
import { keyOfImage } from './assets/object-storage.ts'
import { OWN_FILE, OWN_FOLDER } from './own-modes.ts'
import { DATABASE_FILE } from './sqlite/open.ts'
import { schemaVersion } from './sqlite/migrations.ts'
import { flushFile, isThere, ownFolder, writeWhole } from './flush.ts'
import { StoreError } from '../core/ports.ts'

/** What a backup folder says of itself, in `backup.json`; written last, so a folder without it is not whole. */
export interface BackupSummary {
  readonly version: string
  readonly schema: number
  /** ISO 8601, UTC. */
  readonly created_at: string
  readonly generations: number
  /** Image files that the database refers to and that are in the backup. */
  readonly images: number
  readonly image_bytes: number
  /** Image files that were no longer stored: removed by age or total size. */
  readonly images_missing: number
}

/** An image file by its content. */
export interface ImageFile {
  readonly sha256: string
  readonly format: OutputFormat
  /** Null where the database does not say how long it is. */
  readonly bytes: number | null
}

/** Where a backup comes from: a running gateway, or a data folder that no process uses. */
export interface BackupSource {
  /** Writes the database, whole, into a new file. */
  database(path: string): Promise<void>
  /** Null where it is no longer stored. */
  image(file: ImageFile): Promise<Readable | null>
}

/** Where images come from. */
export interface ImageSource extends Pick<BackupSource, 'image'> {
  /** What can be done where one is not whole; else it is asked for again. */
  readonly remedy?: (file: ImageFile) => string
}

export const SUMMARY_FILE = 'backup.json'
export const IMAGES = 'images'

/**
 * Writes or renews a backup in `folder`: the database anew, and the image files that are not there yet. A folder that was a backup before stays one
 * until the new database is whole.
 * @param progress is called with how many of the image files are there
 * @throws StoreError `in_use` where the folder is a data folder, `damaged` where what arrived is not whole, `io` where it cannot be written
 */
export async function writeBackup(
  folder: string,
  source: BackupSource,
  { version, now, progress }: { readonly version: string; readonly now: Date; readonly progress?: (done: number, all: number) => void },
): Promise<BackupSummary> {
  await refuseDataFolder(folder)
  await mkdir(folder, { recursive: true, mode: OWN_FOLDER })
  // What is being copied holds secrets from its first byte on.
  const copies = await ownFolder(folder, '.backup-')
  const partial = join(copies, DATABASE_FILE)
  try {
    await source.database(partial)
    await chmod(partial, OWN_FILE)
    const { schema, generations, files } = readCopy(partial)
    let [images, bytes, missing] = [0, 0, 0]
    for (const file of files) {
      const size = await takeImage(join(folder, IMAGES), file, source)
      if (size === null) missing++
      else [images, bytes] = [images + 1, bytes + size]
      progress?.(images + missing, files.length)
    }
    const summary: BackupSummary = {
      version,
      schema,
      created_at: now.toISOString(),
      generations,
      images,
      image_bytes: bytes,
      images_missing: missing,
    }
    await rename(partial, join(folder, DATABASE_FILE))
    const summaryPath = join(folder, SUMMARY_FILE)
    await writeWhole(summaryPath, `${JSON.stringify(summary, null, 2)}\n`, join(copies, SUMMARY_FILE))
    return summary
  } finally {
    await rm(copies, { recursive: true, force: true })
  }
}

/**
 * The database of a gateway is never replaced: a process that has it open would go on writing into a file without a name. A backup's is one file,
 * with a summary; one that is in use, by this command too, has a journal beside it.
 */
async function refuseDataFolder(folder: string): Promise<void> {
  const database = join(folder, DATABASE_FILE)
  if (!(await isThere(database))) return
  if ((await isThere(join(folder, SUMMARY_FILE))) && !(await isThere(`${database}-wal`))) return
  throw new StoreError('in_use', `${folder} is the data folder of a gateway, and a backup would replace its database; name another folder`)
}

export const pathOf = (folder: string, { sha256, format }: ImageFile): string => join(folder, keyOfImage(sha256, format))

/** What a copied database holds. @param shown where it comes from @throws StoreError `damaged` where it is not whole */
export function readCopy(
  path: string,
  shown: string = path,
): { readonly schema: number; readonly generations: number; readonly files: readonly ImageFile[] } {
  try {
    const database = new DatabaseSync(path)
    try {
      const check = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
      if (check !== 'ok') throw new Error(String(check))
      // One file without a journal beside it, which is easier to copy and to keep.
      database.exec('PRAGMA journal_mode = DELETE')
      const foreign = foreignInSchema(database) ?? (database.prepare(UNREADABLE).get() && 'a generation in it is not JSON')
      if (foreign) throw new Error(foreign)
      const files = database.prepare(IMAGE_FILES).all() as unknown as ImageFile[]
      for (const { sha256, format } of files) keyOfImage(sha256, format)
      return { schema: schemaVersion(database), generations: count(database), files }
    } finally {
      database.close()
    }
  } catch (error) {
    throw damagedCopy(shown, error)
  }
}

/** In a sentence, what reading a copy met. */
export function damagedCopy(shown: string, error: unknown): StoreError {
  const reason = error instanceof Error ? error.message : String(error)
  return new StoreError('damaged', `${shown} is not a whole imagegate database (${reason.slice(0, 200)})`, { cause: error })
}

const UNREADABLE = `
  SELECT 1 FROM generations LEFT JOIN generation_plans AS p USING (number)
  WHERE NOT json_valid(state) OR plan IS NULL OR NOT json_valid(plan) LIMIT 1`

/** Delivered images, and the references of generations and comparisons. */
const IMAGE_FILES = `
  SELECT sha256, f.format, max(bytes) AS bytes FROM (
  SELECT sha256, format FROM images WHERE sha256 IS NOT NULL AND format IS NOT NULL
  UNION SELECT value ->> 'sha256', value ->> 'format' FROM generation_plans, json_each(plan, '$.references') WHERE value ->> 'sha256' IS NOT NULL
  UNION SELECT value ->> 'sha256', value ->> 'format' FROM comparisons, json_each(body, '$.references') WHERE value ->> 'sha256' IS NOT NULL
  ) AS f LEFT JOIN images USING (sha256) GROUP BY sha256, f.format`

const count = (database: DatabaseSync): number => Number(database.prepare('SELECT count(*) AS n FROM generations').get()?.['n'])

/** Its size in bytes; null where the source no longer has it. What is there already, as long as it should be, is not copied again. */
export async function takeImage(directory: string, file: ImageFile, source: ImageSource): Promise<number | null> {
  const path = pathOf(directory, file)
  const found = await stat(path).catch(() => null)
  if (found !== null && found.size === (file.bytes ?? found.size)) return found.size
  const bytes = await source.image(file)
  if (bytes === null) return null
  await mkdir(dirname(path), { recursive: true, mode: OWN_FOLDER })
  const partial = `${path}.${randomUUID()}.partial`
  const hash = createHash('sha256')
  try {
    bytes.on('data', (chunk: Buffer) => hash.update(chunk))
    await pipeline(bytes, createWriteStream(partial, { flags: 'wx', mode: OWN_FILE }))
    if (hash.digest('hex') !== file.sha256)
      throw new StoreError('damaged', `the image ${file.sha256} did not arrive whole; ${source.remedy?.(file) ?? 'try again'}`)
    await flushFile(partial)
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
  return (await stat(path)).size
}
