import { access, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Resolves once the bytes of a file are on disk. */
export const flushFile = (path: string): Promise<void> => flush(path, 'r+')

/** Resolves once the names in a folder are on disk. Windows cannot open a folder; there the file system's own journal has to do. */
export async function flushFolder(path: string): Promise<void> {
  if (process.platform !== 'win32') await flush(path, 'r')
}

async function flush(path: string, flags: 'r' | 'r+'): Promise<void> {
  const handle = await open(path, flags)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Under its name a file is whole and on disk, whatever happens on the way: it is written under another one first.
 * @param temporary in the same file system
 * @param mode of the file; default: what the process's umask leaves
 */
export async function writeWhole(path: string, content: string | Uint8Array, temporary: string, mode?: number): Promise<void> {
  try {
    const file = await open(temporary, 'w', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
  await flushFolder(dirname(path))
}

/** Nothing that is copied takes longer. */
const LEFT_BEHIND_MS = 24 * 60 * 60 * 1_000

/** A new folder that nobody else may enter. What a process that was killed left behind under such a name, a copy of a database, is removed after a day. */
export async function ownFolder(folder: string, prefix: string): Promise<string> {
  await removeOwnFolders(folder, prefix, LEFT_BEHIND_MS)
  return mkdtemp(join(folder, prefix))
}

/** Those that nobody has written to for so long. */
export async function removeOwnFolders(folder: string, prefix: string, forMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue
    const path = join(folder, name)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs >= forMs) await rm(path, { recursive: true, force: true })
  }
}

export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
