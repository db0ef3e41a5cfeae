import { basename, dirname } from 'node:path'

/** The folder of the database file `store.url` names. @throws Error with the remedy where it is not a file we can open */
export function storeDirectory(storeUrl: string): string {
  const path = filePath('store.url', storeUrl)
  if (basename(path) !== 'imagegate.db')
    throw new Error(`store.url: the database file is always named imagegate.db; name it so in ${storeUrl}`)
  return dirname(path)
}

/** The folder `assets.url` names. @throws Error with the remedy where it is not a folder */
export const assetsDirectory = (assetsUrl: string): string => filePath('assets.url', assetsUrl)

function filePath(field: string, url: string): string {
  if (url.startsWith('file:')) return url.slice('file:'.length)
  const scheme = url.split(':')[0] ?? ''
  throw new Error(`${field}: this version keeps its data on this machine's disk and cannot open ${scheme}: addresses; use file:<path>`)
}
