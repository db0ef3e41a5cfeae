import type { ByteRange } from '../../core/ports.ts'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { OutputFormat } from '#contract'

/** A file that was received whole and checked, and has no name yet. */
export interface ReceivedFile {
  readonly path: string
  readonly handle: FileHandle
  readonly bytes: number
  readonly sha256: string
  readonly format: OutputFormat
}

export interface StoredObject {
  readonly key: string
  readonly bytes: number
  readonly storedAtMs: number
}

/**
 * Where images lie under their keys: a folder of this machine, or a bucket. What is under a key is whole, and survives a crash once the call
 * that put it there has resolved. Everything throws `AssetError` `storage` where the disk or the bucket fails.
 */
export interface ObjectStorage {
  /** Whether an object of so many bytes is there. If so, retention counts it from now on as stored just now. */
  renew(key: string, bytes: number): Promise<boolean>
  /** Takes the bytes of a received file over. */
  keep(key: string, file: ReceivedFile): Promise<void>
  /** Null where there is none, or one that has not so many `bytes`. `range` is inclusive. */
  open(key: string, range?: ByteRange, bytes?: number): Promise<Readable | null>
  read(key: string, bytes?: number): Promise<Buffer | null>
  /** An address at which anybody may read it for a few minutes. Null where there is none: it is gone, or lies in a folder. */
  link(key: string): Promise<string | null>
  has(key: string): Promise<boolean>
  /** Writes what can be made again. */
  write(key: string, bytes: Buffer): Promise<void>
  list(): AsyncIterable<StoredObject>
  /** False where it was stored again since it was listed, or is gone. */
  removeUntouched(object: StoredObject): Promise<boolean>
  remove(key: string): Promise<void>
}

const extensions: Readonly<Record<OutputFormat, string>> = { jpeg: 'jpg', png: 'png', webp: 'webp' }

/** `ab/cd/<sha256>.jpg`. Only a hash and a known format ever become part of a key, and so of a path. */
export function keyOfImage(sha256: string, format: OutputFormat): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError('an image is named by its SHA-256 in 64 lower-case hex digits')
  if (!Object.hasOwn(extensions, format)) throw new TypeError('an image is jpeg, png or webp')
  return `${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}.${extensions[format]}`
}
