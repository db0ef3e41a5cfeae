const TIFF = Buffer.from('49492a0008000000', 'hex')
const LONG = 4

/** One directory of EXIF data, each of whose entries has a tag, a type and a value. */
function directory(entries: readonly (readonly [tag: number, type: number, value: number])[]): Buffer {
  const bytes = Buffer.alloc(2 + 12 * entries.length + 4)
  bytes.writeUInt16LE(entries.length)
  for (const [index, [tag, type, value]] of entries.entries()) {
    const at = 2 + 12 * index
    bytes.writeUInt16LE(tag, at)
    bytes.writeUInt16LE(type, at + 2)
    bytes.writeUInt32LE(1, at + 4)
    bytes.writeUInt32LE(value, at + 8)
  }
  return bytes
}

/** EXIF data with an orientation, and whatever stands behind its only directory. */
export const exifOf = (orientation: number, behind: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([TIFF, directory([[0x0112, 3, orientation]]), behind])

/**
 * A thousand pointers to a directory of a thousand pointers to a directory of `entries` that nobody knows, in 27 kB: who follows each pointer
 * reads as many entries a million times.
 */
export function exifOfMillions(entries: number): Buffer {
  const times = <T>(count: number, one: T): readonly T[] => Array.from({ length: count }, () => one)
  const length = 2 + 12 * 1_000 + 4
  const [second, third] = [TIFF.length + length, TIFF.length + 2 * length]
  return Buffer.concat([
    TIFF,
    directory(times(1_000, [0x8769, LONG, second] as const)),
    directory(times(1_000, [0xa005, LONG, third] as const)),
    directory(times(entries, [0xbeef, 3, 7] as const)),
  ])
}
