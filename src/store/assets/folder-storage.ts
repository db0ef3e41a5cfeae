import { constants, statSync, unlinkSync } from 'node:fs'
import { mkdir, open, opendir, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { AssetError } from '../../core/ports.ts'
import type { ByteRange } from '../../core/ports.ts'
import { flushFolder, isThere, writeWhole } from '../flush.ts'
import type { ObjectStorage, StoredObject } from './object-storage.ts'
import { OWN_FILE, OWN_FOLDER } from '../own-modes.ts'

/**
 * Images in files below `directory`.
 * @param incoming for half-written files, in the same file system, so that a rename is all it takes
 */
export function folderStorage({ directory, incoming }: { readonly directory: string; readonly incoming: string }): ObjectStorage {
  const pathOf = (key: string): string => join(directory, key)
  const syncFolders = folderSync(directory)
  return {
    async renew(key, bytes) {
      const path = pathOf(key)
      if (!(await isStored(path, bytes))) return false
      await syncFolders(dirname(path))
      return true
    },
    async keep(key, file) {
      const path = pathOf(key)
      await file.handle.sync()
      const made = await mkdir(dirname(path), { recursive: true, mode: OWN_FOLDER })
      await rename(file.path, path)
      await syncFolders(dirname(path), made)
    },
    async open(key, range, bytes) {
      const file = await openWhole(pathOf(key), bytes)
      return file === null ? null : streamOf(file, range)
    },
    async read(key, bytes) {
      const file = await openWhole(pathOf(key), bytes)
      if (file === null) return null
      try {
        return await existing(() => file.readFile())
      } finally {
        await file.close()
      }
    },
    link: () => Promise.resolve(null),
    has: (key) => isThere(pathOf(key)),
    write: (key, bytes) => writeWhole(pathOf(key), bytes, join(incoming, randomUUID()), OWN_FILE),
    list: () => listed(directory),
    removeUntouched: async (object) => removeUntouched(pathOf(object.key), object),
    remove: (key) => rm(pathOf(key), { force: true }),
  }
}

/** What is stored again is as young as if it were new: retention counts from here. */
async function isStored(path: string, bytes: number): Promise<boolean> {
  const now = new Date()
  // First the touch, then the check: a sweep that removes it in between did not see the touch, and the check sees that it is gone.
  await existing(() => utimes(path, now, now))
  const found = await existing(() => stat(path))
  return found !== null && found.size === bytes
}

/**
 * A new name is on disk only when its folder is, and that folder's own name, up to the one that was there from the start. What this process
 * has brought there once stays: with it, an image costs one or two of these syncs instead of three.
 */
function folderSync(top: string): (folder: string, made?: string) => Promise<void> {
  const onDisk = new Set<string>()

  async function sync(name: string, folder: string): Promise<void> {
    if (onDisk.has(name)) return
    await flushFolder(folder)
    onDisk.add(name)
  }

  /** @param made the uppermost of the folders that were made just now */
  return async (folder, made) => {
    const parent = dirname(folder)
    if (made !== undefined) for (const name of [made, folder]) onDisk.delete(name)
    await flushFolder(folder)
    await sync(folder, parent)
    await sync(parent, top)
  }
}

/**
 * Null where there is none, or something else under its name: an answer that ends before the length it said has the next one on its connection
 * taken for the rest of it, and a FIFO is waited for by one of Node's few threads for ever.
 */
async function openWhole(path: string, bytes: number | undefined): Promise<FileHandle | null> {
  const file = await existing(() => open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)))
  if (file === null) return null
  const found = await file.stat()
  if (found.isFile() && (bytes === undefined || found.size === bytes)) return file
  await file.close()
  return null
}

async function streamOf(file: FileHandle, range?: ByteRange): Promise<Readable> {
  try {
    return file.createReadStream(range === undefined ? {} : { start: range.start, end: range.end })
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Images lie two folders deep; half-written ones, in a folder of another name, are not among them. */
async function* listed(directory: string): AsyncGenerator<StoredObject> {
  for await (const first of names(directory)) {
    if (!/^[0-9a-f]{2}$/.test(first)) continue
    for await (const second of names(join(directory, first))) {
      for await (const name of names(join(directory, first, second))) {
        const key = `${first}/${second}/${name}`
        const found = await stat(join(directory, key))
        yield { key, bytes: found.size, storedAtMs: found.mtimeMs }
      }
    }
  }
}

async function* names(folder: string): AsyncGenerator<string> {
  for await (const entry of await opendir(folder)) yield entry.name
}

/**
 * In one turn of the event loop, so that whoever stores the same content again, which touches the file and then checks it, either
 * touches it before this check or finds it gone.
 */
function removeUntouched(path: string, { storedAtMs }: StoredObject): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found || found.mtimeMs !== storedAtMs) return false
  unlinkSync(path)
  return true
}

/** Null where there is no such file. */
async function existing<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw diskError(error)
  }
}

export const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** What the disk refused, and what to do about it; errors that say so already stay as they are. */
export function diskError(error: unknown): AssetError {
  if (error instanceof AssetError) return error
  const code = codeOf(error)
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new AssetError('storage', `the image could not be stored: the disk is full (${code}); free some space`)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new AssetError('storage', `the image folder may not be written or read (${code}); correct its permissions`)
    default:
      return new AssetError('storage', `the image could not be stored or read (${typeof code === 'string' ? code : messageOf(error)})`)
  }
}
