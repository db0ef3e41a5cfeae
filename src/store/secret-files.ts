import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { StoreError } from './store-error.ts'

/** Signs webhooks where the configuration names no secret. */
export const WEBHOOK_SECRET_FILE = 'webhook.secret'
/** What addresses for vendors' webhooks are derived from. */
export const NODE_SECRET_FILE = 'node.secret'

/**
 * Reads a secret kept in the data folder, or makes it and keeps it, readable by this user alone. A crash on the way leaves no half of one.
 * @param make a fresh one, in one line
 * @throws StoreError `io` where the folder cannot be read or written
 */
export async function keptSecret(directory: string, name: string, make: () => string): Promise<string> {
  const path = join(directory, name)
  try {
    await mkdir(directory, { recursive: true })
    const kept = await readFile(path, 'utf8').catch(nullIfMissing)
    if (kept !== null && kept.trim() !== '') return kept.trim()
    if (kept !== null) await rm(path)
    const temporary = `${path}.${randomBytes(6).toString('hex')}`
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(`${make()}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    // A link, unlike a rename, never replaces what somebody else has made meanwhile.
    await link(temporary, path).catch(ignoreExisting)
    await rm(temporary)
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new StoreError('io', `${path} cannot be read or written (${reason}); correct its permissions`, { cause: error })
  }
}

function nullIfMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
