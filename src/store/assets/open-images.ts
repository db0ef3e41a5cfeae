import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AssetError, type Assets } from '../../core/ports.ts'
import type { BucketAddress } from './bucket-address.ts'
import { folderStorage } from './folder-storage.ts'
import { imagesIn } from './images-in.ts'
import type { ObjectStorage } from './object-storage.ts'
import { OWN_FOLDER } from '../own-modes.ts'

/** Where images are kept. */
export type ImagesAddress =
  /** `isShared`: other processes may write into it. */
  | { readonly kind: 'folder'; readonly directory: string; readonly isShared?: boolean }
  /** `incoming`: a folder of this machine for half-written images, which several processes may share. */
  | { readonly kind: 'bucket'; readonly bucket: BucketAddress; readonly incoming: string }

export interface Images {
  readonly assets: Assets
  readonly storage: ObjectStorage
  close(): Promise<void>
}

/** Half-written images live here, in the same file system as the finished ones. */
const INCOMING = 'incoming'
/** Nobody writes an image for so long. */
const ABANDONED_MS = 24 * 3_600_000

/**
 * Image files below a folder, or in a bucket. What a crash left half-written is removed: at once in a folder that is this process's own (open
 * the store, which locks it, first), after a day where other processes may write beside this one.
 * @throws AssetError `storage` where the folder cannot be written or the bucket cannot be used
 */
export const openImages = (address: ImagesAddress): Promise<Images> =>
  address.kind === 'folder' ? openFolder(address) : openBucketImages(address)

async function openFolder({ directory, isShared = false }: ImagesAddress & { readonly kind: 'folder' }): Promise<Images> {
  const incoming = join(directory, INCOMING)
  await inWords(directory, async () => {
    await mkdir(incoming, { recursive: true, mode: OWN_FOLDER })
    if (isShared) await removeAbandoned(incoming)
    else await Promise.all((await readdir(incoming)).map((name) => rm(join(incoming, name), { force: true })))
  })
  const storage = folderStorage({ directory, incoming })
  return { assets: imagesIn(storage, incoming), storage, close: () => Promise.resolve() }
}

async function openBucketImages({ bucket, incoming: shared }: ImagesAddress & { readonly kind: 'bucket' }): Promise<Images> {
  const incoming = join(shared, randomUUID())
  await inWords(shared, async () => {
    await mkdir(shared, { recursive: true, mode: OWN_FOLDER })
    await removeAbandoned(shared)
    await mkdir(incoming, OWN_FOLDER)
  })
  // The SDK is large, and most gateways need none.
  const { openBucket } = await import('./bucket-storage.ts')
  const storage = await openBucket(bucket)
  return {
    assets: imagesIn(storage, incoming),
    storage,
    async close() {
      storage.close()
      await rm(incoming, { recursive: true, force: true })
    },
  }
}

/** Another process may remove the same. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const found = await stat(path).catch(() => null)
    if (found !== null && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { recursive: true, force: true })
  }
}

async function inWords(folder: string, prepare: () => Promise<void>): Promise<void> {
  try {
    await prepare()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new AssetError('storage', `the image folder ${folder} cannot be used (${reason}); make it writable for this process`)
  }
}
