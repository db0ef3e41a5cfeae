import { constants } from 'node:fs'
import { copyFile, link, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImagesAddress } from './assets/open-images.ts'
import { isThere } from './flush.ts'
import { NODE_SECRET_FILE, WEBHOOK_SECRET_FILE } from './secret-files.ts'
import { copyDatabase } from './sqlite/copy-database.ts'
import { DATABASE_FILE, openDatabase } from './sqlite/open.ts'
import { StoreError } from '../core/ports.ts'
import { OWN_FOLDER } from './own-modes.ts'

interface Folders {
  readonly store: string
  readonly assets: ImagesAddress
}

/**
 * Earlier versions kept a sandbox's rows where those of real providers belong. Where a folder holds nothing else, a sandbox that starts for the
 * first time in its own folder continues from a copy; the rows stay readable where they were, too. A start that is cut off on the way begins
 * again: the database comes last.
 */
export async function adoptSandbox(sandbox: Folders, earlier: Folders | null): Promise<void> {
  if (earlier === null || (await isThere(join(sandbox.store, DATABASE_FILE))) || !(await isThere(join(earlier.store, DATABASE_FILE))))
    return
  const database = openUnlessUsed(earlier.store)
  if (database === null) return
  try {
    if (!holdsSandboxAlone(database)) return
    // Those versions knew no buckets.
    if (earlier.assets.kind === 'folder' && sandbox.assets.kind === 'folder')
      await linkAll(earlier.assets.directory, sandbox.assets.directory)
    await mkdir(sandbox.store, { recursive: true, mode: OWN_FOLDER })
    for (const secret of [NODE_SECRET_FILE, WEBHOOK_SECRET_FILE])
      await copyFile(join(earlier.store, secret), join(sandbox.store, secret), constants.COPYFILE_EXCL).catch(ignore('ENOENT', 'EEXIST'))
    const unfinished = join(sandbox.store, `${DATABASE_FILE}.new`)
    await rm(unfinished, { force: true })
    await copyDatabase(database, unfinished)
    await rename(unfinished, join(sandbox.store, DATABASE_FILE))
  } finally {
    database.close()
  }
}

type Database = ReturnType<typeof openDatabase>

/** Null where a gateway with real providers runs on it. */
function openUnlessUsed(directory: string): Database | null {
  try {
    return openDatabase(directory, { upgrade: false })
  } catch (error) {
    if (error instanceof StoreError) return null
    throw error
  }
}

/** Whether a database has generations, and all of them are of emulated vendors. */
export function holdsSandboxAlone(database: Pick<Database, 'prepare'>): boolean {
  const isEmpty = database.prepare('SELECT 1 FROM generation_plans LIMIT 1').get() === undefined
  const real = database.prepare(`SELECT 1 FROM generation_plans WHERE NOT json_extract(plan, '$.sandbox') LIMIT 1`).get()
  return !isEmpty && real === undefined
}

/** The same bytes under another name, where the disk can; files are never changed once they are written. */
async function linkAll(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true }).catch(() => [])) {
    const path = join(entry.parentPath, entry.name)
    const target = join(to, path.slice(from.length))
    if (entry.isDirectory()) await mkdir(target, { recursive: true, mode: OWN_FOLDER })
    else if (entry.isFile()) {
      await mkdir(join(to, entry.parentPath.slice(from.length)), { recursive: true, mode: OWN_FOLDER })
      await link(path, target)
        .catch(ignore('EEXIST'))
        .catch(() => copyFile(path, target))
    }
  }
}

const ignore =
  (...codes: readonly string[]) =>
  (error: NodeJS.ErrnoException): void => {
    if (!codes.includes(error.code ?? '')) throw error
  }
