import { isUtf8 } from 'node:buffer'
import { closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import { devNull } from 'node:os'

const MEGABYTE = 1_024 * 1_024
const PART_BYTES = 64 * 1_024

/**
 * Reads a file that the operator or the user of the command line names. A FIFO may never say anything and a device may never end, so only files
 * are read, and of no file more than the bound: one may grow meanwhile, and those of /proc state no length. /dev/null is an empty file, as ever.
 * @throws the system's own error, or an `Error` whose message is what the file is
 */
export function readNamedFile(path: string, mostMegabytes: number): Buffer {
  const kind = statSync(path)
  if (!kind.isFile() && !kind.isDirectory() && path !== devNull) throw new Error('it is a FIFO, a socket or a device, and a file is needed')
  if (kind.size > mostMegabytes * MEGABYTE && kind.isFile()) throw tooLarge(mostMegabytes)
  // Where a FIFO has its name meanwhile, opening it does not wait either; Windows has no such flag.
  const file = openSync(path, constants.O_RDONLY | (process.platform === 'win32' ? 0 : constants.O_NONBLOCK))
  try {
    return wholeOf(file, mostMegabytes)
  } finally {
    closeSync(file)
  }
}

/** The same as text. Bytes that are none would become other names and secrets without a word. @throws as `readNamedFile` does */
export function readNamedText(path: string, mostMegabytes: number): string {
  const bytes = readNamedFile(path, mostMegabytes)
  if (!isUtf8(bytes)) throw new Error('it is not text in UTF-8')
  return bytes.toString('utf8')
}

function wholeOf(file: number, mostMegabytes: number): Buffer {
  const parts: Buffer[] = []
  for (let bytes = 0; ;) {
    const part = Buffer.allocUnsafe(PART_BYTES)
    const read = readSync(file, part)
    if (read === 0) return Buffer.concat(parts)
    bytes += read
    if (bytes > mostMegabytes * MEGABYTE) throw tooLarge(mostMegabytes)
    parts.push(part.subarray(0, read))
  }
}

const tooLarge = (megabytes: number): Error => new Error(`it is larger than ${megabytes} MB`)
