import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, link, lstat, mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { StoreError } from '../core/ports.ts'
import { holdsSandboxAlone } from './adopt-sandbox.ts'
import { keyOfImage } from './assets/object-storage.ts'
import { damagedCopy, IMAGES, pathOf, readCopy, SUMMARY_FILE, takeImage } from './backup-folder.ts'
import type { BackupSummary, ImageFile, ImageSource } from './backup-folder.ts'
import { flushFile, flushFolder, isThere, ownFolder, removeOwnFolders } from './flush.ts'
import { MIGRATIONS } from './sqlite/migrations.ts'
import { OWN_FILE, OWN_FOLDER } from './own-modes.ts'
import { DATABASE_FILE } from './sqlite/open.ts'

export interface RestoreTarget {
  /** The folder of the database. */
  readonly store: string
  /** The folder the images are copied into. */
  readonly images: string
  /** The largest image that is taken; nothing of a larger one is written. */
  readonly maxImageBytes: number
  /** Makes the database in this folder, a copy, ready for the next start. What it throws is a fault of the backup. */
  prepare(directory: string): Promise<void>
  /** Takes each copied image away to where it is kept, where that is no folder. */
  keep?(file: ImageFile, path: string): Promise<void>
}

const OWN_COPIES = '.restore-'

/**
 * Copies a backup into the empty folders of a gateway that does not run. Of the backup only the files that it names are read, and its database
 * is opened as the copy alone: what else lies beside it (a journal that SQLite would play back) counts for nothing.
 * @throws StoreError `in_use` where a database is there already, `newer_schema`, `damaged` where the backup is not whole, `io`
 */
export async function readBackup(folder: string, target: RestoreTarget): Promise<BackupSummary> {
  const summary = await readSummary(folder)
  const database = join(target.store, DATABASE_FILE)
  if (await isThere(database)) throw exists(database)
  const copied = await ownFile(folder, DATABASE_FILE)
  if (copied === null) throw new StoreError('damaged', `${join(folder, DATABASE_FILE)} is not there: the backup is not whole`)
  await refuseLonger(copied)
  await mkdir(target.store, { recursive: true, mode: OWN_FOLDER })
  const copies = await ownFolder(target.store, OWN_COPIES)
  const partial = join(copies, DATABASE_FILE)
  try {
    await pipeline(createReadStream(copied), createWriteStream(partial, { flags: 'wx', mode: OWN_FILE }))
    await chmod(partial, OWN_FILE)
    const { schema, files } = readCopy(partial, copied)
    if (schema > MIGRATIONS.length) throw newerSchema(schema, summary)
    // Under its name a database is ready to start with, whatever happens on the way.
    await target.prepare(copies).catch((error: unknown) => {
      throw error instanceof StoreError ? error : damagedCopy(copied, error)
    })
    const source = imagesIn(folder, target.maxImageBytes)
    for (const file of files)
      if ((await takeImage(target.images, file, source)) !== null) await target.keep?.(file, pathOf(target.images, file))
    await flushFile(partial)
    await nameOnce(partial, database)
    await flushFolder(target.store)
    // Whoever is killed leaves a copy of the database; behind one that has its name, no other can be restored here.
    await removeOwnFolders(target.store, OWN_COPIES, 0)
  } finally {
    await rm(copies, { recursive: true, force: true })
  }
  return summary
}

const exists = (database: string): StoreError =>
  new StoreError(
    'in_use',
    `${database} exists: a backup is restored into a folder without a database. Name another with IMAGEGATE_DATA, or move this one away`,
  )

/** Unlike `rename` it never replaces the database of a gateway that was started meanwhile. */
async function nameOnce(partial: string, database: string): Promise<void> {
  try {
    await link(partial, database)
  } catch (error) {
    // A file system without links has no better way.
    if (await isThere(database)) throw exists(database)
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error
    await rename(partial, database)
  }
}

const HEADER_BYTES = 100
/** Where the header of a database has the size of its pages and their number. */
const [PAGE_SIZE_AT, PAGES_AT] = [16, 28]

/** What stands behind the pages that a database says it has would be copied and examined for minutes. @throws StoreError `damaged` */
async function refuseLonger(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const header = Buffer.alloc(HEADER_BYTES)
    await file.read(header, 0, HEADER_BYTES, 0)
    // The largest size, 65536, is written as 1.
    const pageSize = header.readUInt16BE(PAGE_SIZE_AT)
    const stated = (pageSize === 1 ? 65_536 : pageSize) * header.readUInt32BE(PAGES_AT)
    if (size > Math.max(stated, HEADER_BYTES)) throw damagedCopy(path, new Error(`it has ${size} bytes, and pages for ${stated}`))
  } finally {
    await file.close()
  }
}

const imagesIn = (folder: string, maxBytes: number): ImageSource => ({
  remedy: (file) =>
    `${join(folder, IMAGES, keyOfImage(file.sha256, file.format))} is damaged: renew the backup, or remove this file to restore all but it`,
  async image({ sha256, format }) {
    const path = await ownFile(folder, join(IMAGES, keyOfImage(sha256, format)))
    if (path === null) return null
    const { size } = await lstat(path)
    if (size <= maxBytes) return createReadStream(path, { end: maxBytes })
    const message = `${path} has ${size} bytes, more than the ${maxBytes} that are taken; if it is one of yours, raise assets.max_image_bytes`
    throw new StoreError('damaged', message)
  },
})

function newerSchema(schema: number, { version }: BackupSummary): StoreError {
  const message = `the backup has schema ${schema} and this version of imagegate knows ${MIGRATIONS.length}; restore it with the version that made it (${version}) or a newer one`
  return new StoreError('newer_schema', message)
}

/** Whether a backup is that of a sandbox; false where it cannot be read, which restoring it then reports. */
export async function isOfSandbox(folder: string): Promise<boolean> {
  try {
    const path = await ownFile(folder, DATABASE_FILE)
    if (path === null) return false
    // Immutable: whatever journal lies beside the file is not read.
    const url = pathToFileURL(path)
    url.searchParams.set('immutable', '1')
    const database = new DatabaseSync(url, { readOnly: true })
    try {
      return holdsSandboxAlone(database)
    } finally {
      database.close()
    }
  } catch {
    return false
  }
}

/** What a backup must say of itself to be restored. */
const isSummary = (value: unknown): value is BackupSummary =>
  typeof value === 'object' &&
  value !== null &&
  'version' in value &&
  typeof value.version === 'string' &&
  'created_at' in value &&
  typeof value.created_at === 'string' &&
  ['schema', 'generations', 'images', 'image_bytes', 'images_missing'].every(
    (name) => name in value && Number.isSafeInteger((value as Readonly<Record<string, unknown>>)[name]),
  )

/** Far more than it is long. */
const MOST_SUMMARY_BYTES = 64 * 1_024

/** @throws StoreError where there is none, or it says something else than a backup does */
async function readSummary(folder: string): Promise<BackupSummary> {
  const path = await ownFile(folder, SUMMARY_FILE)
  if (path === null)
    throw new StoreError('io', `${folder} is no whole backup: it has no ${SUMMARY_FILE}, which \`imagegate backup\` writes last`)
  const { size } = await lstat(path)
  const summary = size > MOST_SUMMARY_BYTES ? null : parsed(await readFile(path, 'utf8'))
  if (isSummary(summary)) return summary
  throw new StoreError('damaged', `${path} is not what \`imagegate backup\` writes: it was changed or is damaged; take another backup`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * The path of a file of the backup; null where it is not there.
 * @throws StoreError `damaged` where a link on the way to it leads elsewhere, or it is no file: a device would be read for ever
 */
async function ownFile(folder: string, path: string): Promise<string | null> {
  const whole = join(folder, path)
  const found = await lstat(whole).catch(() => null)
  if (found === null) return null
  if (found.isFile() && (await realpath(whole)) === join(await realpath(folder), path)) return whole
  throw new StoreError(
    'damaged',
    `${whole} is a link or no file: a backup holds its files themselves; copy them into it, or take another backup`,
  )
}
