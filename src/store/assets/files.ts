import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { OutputFormat } from '#contract'
import { AssetError, type Assets, type StoredAsset } from '../../core/ports.ts'
import { receive } from './incoming.ts'
import { measureHead } from './measure.ts'
import { assertSound, readHeader } from './image-file.ts'
import { flushFolder } from '../flush.ts'
import { smallImages } from './small-image.ts'

/** Half-written images live here, in the same file system as the finished ones, so that a rename is all it takes. */
const INCOMING = 'incoming'
const extensions: Readonly<Record<OutputFormat, string>> = { jpeg: 'jpg', png: 'png', webp: 'webp' }

/**
 * Image files under `directory`, named by their content: `ab/cd/<sha256>.jpg`. A file under its final name is whole, checked and on
 * disk. What a crash left half-written is removed here, so the folder must be this process's own: open the store, which locks it, first.
 * @throws AssetError `storage` where the folder cannot be made or written
 */
export async function openAssets(options: { readonly directory: string }): Promise<Assets> {
  const { directory } = options
  const incoming = join(directory, INCOMING)
  try {
    await mkdir(incoming, { recursive: true })
    const leftovers = await readdir(incoming)
    await Promise.all(leftovers.map((name) => rm(join(incoming, name), { force: true })))
  } catch (error) {
    throw new AssetError('storage', `the image folder ${directory} cannot be used (${messageOf(error)}); make it writable for this process`)
  }

  const existing = async <T>(read: () => Promise<T>): Promise<T | null> => {
    try {
      return await read()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw storageError(error)
    }
  }

  return {
    async put(source, maxBytes) {
      const temporary = join(incoming, randomUUID())
      // It may break before anybody reads it, or when it is given up; an error nobody listens to would end the process.
      if (!Buffer.isBuffer(source)) source.on('error', () => {})
      try {
        return await take(source, maxBytes, temporary, directory)
      } catch (error) {
        throw error instanceof AssetError ? error : storageError(error)
      } finally {
        if (!Buffer.isBuffer(source)) source.destroy()
        await rm(temporary, { force: true }).catch(() => {
          // The next start removes it.
        })
      }
    },
    async open(sha256, format, range) {
      const file = await existing(() => open(pathOfImage(directory, sha256, format), 'r'))
      if (file === null) return null
      return streamOf(file, range)
    },
    async read(sha256, format) {
      return existing(() => readFile(pathOfImage(directory, sha256, format)))
    },
    small: smallImages({ pathOf: (sha256, format) => pathOfImage(directory, sha256, format), incoming }),
    measure: measureHead,
  }
}

async function take(source: Readable | Buffer, maxBytes: number, temporary: string, directory: string): Promise<StoredAsset> {
  const file = await open(temporary, 'wx')
  try {
    const { sha256, bytes, format, verdict } = await receive(source, file, maxBytes)
    const header = await readHeader(temporary, format)
    const final = pathOfImage(directory, sha256, format)
    if (!(await isStored(final, bytes))) {
      await assertSound(temporary, header, verdict)
      await file.sync()
      await mkdir(dirname(final), { recursive: true })
      await rename(temporary, final)
    }
    await syncFolders(dirname(final), directory)
    return { sha256, bytes, format, width: header.width, height: header.height }
  } finally {
    await file.close()
  }
}

/** What is stored again is as young as if it were new: retention counts from here. */
async function isStored(path: string, bytes: number): Promise<boolean> {
  const now = new Date()
  // First the touch, then the check: a sweep that removes it in between did not see the touch, and the check sees that it is gone.
  await utimes(path, now, now).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
  const found = await stat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  return found !== null && found.size === bytes
}

/** A new name is on disk only when its folder is, and that folder's own name, up to the one that was there from the start. */
async function syncFolders(from: string, top: string): Promise<void> {
  for (const folder of [from, dirname(from), top]) await flushFolder(folder)
}

async function streamOf(file: FileHandle, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
  try {
    return file.createReadStream(range === undefined ? {} : { start: range.start, end: range.end })
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Where an image lies below its folder: only a hash and a known format ever become part of a path. */
export function pathOfImage(directory: string, sha256: string, format: OutputFormat): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError('an image is named by its SHA-256 in 64 lower-case hex digits')
  if (!Object.hasOwn(extensions, format)) throw new TypeError('an image is jpeg, png or webp')
  return join(directory, sha256.slice(0, 2), sha256.slice(2, 4), `${sha256}.${extensions[format]}`)
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function storageError(error: unknown): AssetError {
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
