import { basename, dirname, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { SANDBOX_FOLDER } from '../config/load.ts'
import { bucketAddress } from '../store/assets/bucket-address.ts'
import type { ImagesAddress } from '../store/assets/open-images.ts'
import type { StoreLocation } from '../store/open-store.ts'

/** The absolute folder of the database, and where the images are. */
export interface StorageFolders {
  readonly store: string
  readonly assets: ImagesAddress
}

export interface Storage {
  readonly store: StoreLocation
  /** What this process keeps on its own disk beside the database, and where the images are. */
  readonly folders: StorageFolders
}

type Addresses = Pick<Config, 'storeUrl' | 'assets' | 'configured'>

/** Where this start keeps database and images. @throws Error with the remedy */
export function storageOf({ dataDirectory, ...addresses }: Addresses & Pick<Config, 'dataDirectory'>): Storage {
  const { storeUrl, assets, configured } = addresses
  if (/^postgres(ql)?:/.test(storeUrl)) {
    const images = imagesAt(assets.url, configured.dataDirectory)
    const folders = { store: dataDirectory, assets: images.kind === 'folder' ? { ...images, isShared: true } : images }
    return { store: { kind: 'postgres', url: storeUrl }, folders }
  }
  const folders = storageFolders(addresses)
  return { store: { kind: 'folder', directory: folders.store }, folders }
}

/** The folders of this start. @throws Error with the remedy where its database is not in one */
export const storageFolders = ({ storeUrl, assets, configured }: Addresses): StorageFolders => foldersAt(storeUrl, assets.url, configured)

/** Where the generations of real providers are kept, even if no provider has a key at the moment. @throws as `storageFolders` */
export const configuredFolders = ({ configured }: Pick<Config, 'configured'>): StorageFolders =>
  foldersAt(configured.storeUrl, configured.assetsUrl, configured)

/** Where a sandbox keeps its own, whether this start is one or not. */
export function sandboxFolders({ configured }: Pick<Config, 'configured'>): StorageFolders {
  const store = join(configured.dataDirectory, SANDBOX_FOLDER)
  return { store, assets: { kind: 'folder', directory: join(store, 'images') } }
}

function foldersAt(storeUrl: string, assetsUrl: string, { dataDirectory }: Config['configured']): StorageFolders {
  const database = pathIn(storeUrl)
  if (database === null)
    throw new Error('store.url: a PostgreSQL database has tools of its own; save it with pg_dump and bring it back with pg_restore')
  if (basename(database) !== 'imagegate.db')
    throw new Error(`store.url: the database file is always named imagegate.db; name it so in ${storeUrl}`)
  return { store: dirname(database), assets: imagesAt(assetsUrl, dataDirectory) }
}

function imagesAt(url: string, dataDirectory: string): ImagesAddress {
  const directory = pathIn(url)
  if (directory !== null) return { kind: 'folder', directory }
  return { kind: 'bucket', bucket: bucketAddress(url), incoming: join(dataDirectory, 'incoming') }
}

/** The path of a `file:` address; null for another. */
const pathIn = (url: string): string | null => (url.startsWith('file:') ? url.slice('file:'.length) : null)
