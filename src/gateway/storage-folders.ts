import { basename, dirname } from 'node:path'
import type { Config } from '../config/config.ts'

/** Absolute folders of the database and of the image files. */
export interface StorageFolders {
  readonly store: string
  readonly assets: string
}

/** Where the configuration keeps database and images. @throws Error with the remedy where that is not on this machine's disk */
export function storageFolders({ storeUrl, assets }: Pick<Config, 'storeUrl' | 'assets'>): StorageFolders {
  const database = filePath('store.url', storeUrl)
  if (basename(database) !== 'imagegate.db')
    throw new Error(`store.url: the database file is always named imagegate.db; name it so in ${storeUrl}`)
  return { store: dirname(database), assets: filePath('assets.url', assets.url) }
}

function filePath(field: string, url: string): string {
  if (url.startsWith('file:')) return url.slice('file:'.length)
  const scheme = url.split(':')[0] ?? ''
  throw new Error(`${field}: this version keeps its data on this machine's disk and cannot open ${scheme}: addresses; use file:<path>`)
}
