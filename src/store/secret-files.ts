import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from './flush.ts'
import { StoreError } from '../core/ports.ts'
import { OWN_FILE, OWN_FOLDER } from './own-modes.ts'

/** Signs webhooks where the configuration names no secret. */
export const WEBHOOK_SECRET_FILE = 'webhook.secret'
/** What addresses for vendors' webhooks are derived from. */
export const NODE_SECRET_FILE = 'node.secret'

/** The secret that an earlier version kept in the data folder; null where there is none. @throws StoreError `io` */
export async function secretInFile(directory: string, name: string): Promise<string | null> {
  const path = join(directory, name)
  const kept = await readFile(path, 'utf8').catch(nullIfMissing).catch(inWords(path))
  return kept === null || kept.trim() === '' ? null : kept.trim()
}

/**
 * Writes a secret of the store into the data folder, where its operator can read it, readable by this user alone. A crash on the way leaves
 * no half of one. @throws StoreError `io`
 */
export async function copySecret(directory: string, name: string, secret: string): Promise<void> {
  if ((await secretInFile(directory, name)) === secret) return
  const path = join(directory, name)
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(directory, { recursive: true, mode: OWN_FOLDER })
    await writeWhole(
      path,
      `${secret}
`,
      temporary,
      OWN_FILE,
    )
  } catch (error) {
    inWords(path)(error)
  }
}

const inWords =
  (path: string) =>
  (error: unknown): never => {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new StoreError('io', `${path} cannot be read or written (${reason}); correct its permissions`, { cause: error })
  }

function nullIfMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
