import { open } from 'node:fs/promises'

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
