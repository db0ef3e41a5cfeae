import { randomUUID } from 'node:crypto'
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { reasonInWords } from './folder.ts'
import { VerbFailed } from './terminal.ts'

/**
 * Writes a file that has its name only once it is whole: a full disk or a signal in the middle leaves no half of it under that name. What is there
 * and no file, a device for example, is written into.
 * @param kept what is said where it fails: where what was to be written can still be had
 * @throws VerbFailed
 */
export async function writeWhole(path: string, content: string | Uint8Array, kept = ''): Promise<void> {
  try {
    const found = await stat(path).catch(() => null)
    if (found !== null && !found.isFile()) return await writeFile(path, content)
    await writeBeside(found === null ? path : await realpath(path), content)
  } catch (error) {
    throw new VerbFailed(`${path}: ${reasonInWords(error)}${kept}`)
  }
}

async function writeBeside(path: string, content: string | Uint8Array): Promise<void> {
  const partial = join(dirname(path), `.imagegate-${randomUUID()}`)
  try {
    await writeFile(partial, content, { flag: 'wx' })
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
}
