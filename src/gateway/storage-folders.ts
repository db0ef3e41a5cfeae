import { basename, dirname, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { SANDBOX_FOLDER } from '../config/load.ts'
import type { StoreLocation } from '../store/open-store.ts'

/** Absolute folders of the database and of the image files. */
export interface StorageFolders {
  readonly store: string
  readonly assets: string
}

export interface Storage {
  readonly store: StoreLocation
  /** What this process keeps on its own disk: the images, and what it writes beside the database. */
  readonly folders: StorageFolders
}

/** Where this start keeps database and images. @throws Error with the remedy where images are not on this machine's disk */
export function storageOf({ storeUrl, assets, dataDirectory }: Pick<Config, 'storeUrl' | 'assets' | 'dataDirectory'>): Storage {
  if (/^postgres(ql)?:/.test(storeUrl)) {
    const folders = { store: dataDirectory, assets: filePath('assets.url', assets.url) }
    return { store: { kind: 'postgres', url: storeUrl }, folders }
  }
  const folders = foldersAt(storeUrl, assets.url)
  return { store: { kind: 'folder', directory: folders.store }, folders }
}

/** The folders of this start. @throws Error with the remedy where its database is not in one */
export const storageFolders = ({ storeUrl, assets }: Pick<Config, 'storeUrl' | 'assets'>): StorageFolders => foldersAt(storeUrl, assets.url)

/** Where the generations of real providers are kept, even if no provider has a key at the moment. @throws as `storageFolders` */
export const configuredFolders = ({ configured }: Pick<Config, 'configured'>): StorageFolders =>
  foldersAt(configured.storeUrl, configured.assetsUrl)

/** Where a sandbox keeps its own, whether this start is one or not. */
export function sandboxFolders({ configured }: Pick<Config, 'configured'>): StorageFolders {
  const store = join(configured.dataDirectory, SANDBOX_FOLDER)
  return { store, assets: join(store, 'images') }
}

function foldersAt(storeUrl: string, assetsUrl: string): StorageFolders {
  const database = filePath('store.url', storeUrl)
  if (basename(database) !== 'imagegate.db')
    throw new Error(`store.url: the database file is always named imagegate.db; name it so in ${storeUrl}`)
  return { store: dirname(database), assets: filePath('assets.url', assetsUrl) }
}

function filePath(field: string, url: string): string {
  if (url.startsWith('file:')) return url.slice('file:'.length)
  const scheme = url.split(':')[0] ?? ''
  if (field === 'store.url')
    throw new Error(`store.url: a PostgreSQL database has tools of its own; save it with pg_dump and bring it back with pg_restore`)
  throw new Error(`${field}: this version keeps its data on this machine's disk and cannot open ${scheme}: addresses; use file:<path>`)
}
