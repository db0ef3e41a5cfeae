import { basename, dirname, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { SANDBOX_FOLDER } from '../config/load.ts'

/** Absolute folders of the database and of the image files. */
export interface StorageFolders {
  readonly store: string
  readonly assets: string
}

/** Where this start keeps database and images. @throws Error with the remedy where that is not on this machine's disk */
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
  throw new Error(`${field}: this version keeps its data on this machine's disk and cannot open ${scheme}: addresses; use file:<path>`)
}
