import { mkdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { VerbFailed } from './terminal.ts'

/** Less than this is full: an image takes more. */
const LEAST_FREE_BYTES = 4_194_304

const freeBytesOf = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/**
 * Makes a folder where there is none and proves that files can be written there; asked before anything is bought.
 * @param option as the caller wrote it, for the message
 * @throws VerbFailed where it is a file, cannot be written, or is full
 */
export async function checkFolder(
  option: string,
  folder: string,
  freeBytes: (folder: string) => Promise<number> = freeBytesOf,
): Promise<void> {
  const refuse = (reason: string) => new VerbFailed(`${option} ${folder}: ${reason}; nothing was bought`)
  if (
    await stat(folder).then(
      (found) => !found.isDirectory(),
      () => false,
    )
  )
    throw refuse('is a file, and a folder is needed')
  const probe = join(folder, `.imagegate-${randomUUID()}`)
  try {
    await makeFolder(folder)
    await writeFile(probe, 'x')
    await rm(probe)
  } catch (error) {
    throw refuse(reasonInWords(error))
  }
  if ((await freeBytes(folder)) < LEAST_FREE_BYTES) throw refuse('the disk is full')
}

/** As `mkdir -p`; Node's own goes on for ever where a file system makes no folders. */
async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return true
      if (error.code === 'ENOENT' && dirname(folder) !== folder) return false
      throw error
    },
  )
  if (made) return
  await makeFolder(dirname(folder))
  await mkdir(folder)
}

/** The same for a file that is to be written. */
export async function checkFile(option: string, file: string): Promise<void> {
  if (
    await stat(file).then(
      (found) => found.isDirectory(),
      () => false,
    )
  )
    throw new VerbFailed(`${option} ${file}: is a folder, and a file is needed; nothing was bought`)
  await checkFolder(option, dirname(file))
}

/** Why a file or folder cannot be written. */
export function reasonInWords(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'cannot be written: permission is missing'
    case 'EROFS':
      return 'cannot be written: the disk is read-only'
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full'
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of it is a file, and a folder is needed'
    case 'ENOENT':
      return 'cannot be made there'
    default:
      return `cannot be written (${code ?? message})`
  }
}
