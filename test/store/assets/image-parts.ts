import { crc32, deflateSync } from 'node:zlib'

/** Where each segment of a JPEG begins, up to the first scan, which is the last; and the end marker. */
export function jpegMarkers(jpeg: Buffer): readonly { readonly marker: number; readonly at: number }[] {
  const found = [{ marker: 0xd8, at: 0 }]
  for (let at = 2; at < jpeg.length;) {
    const marker = jpeg[at + 1] ?? 0
    found.push({ marker, at })
    if (marker === 0xd9) break
    at += 2 + jpeg.readUInt16BE(at + 2)
    if (marker !== 0xda) continue
    // Through coded data: a zero or a restart marker behind 0xFF is part of it.
    while (jpeg[at] !== 0xff || jpeg[at + 1] === 0 || ((jpeg[at + 1] ?? 0) & 0xf8) === 0xd0) at++
  }
  return found
}

const atOf = (jpeg: Buffer, marker: number): number => jpegMarkers(jpeg).find((one) => one.marker === marker)?.at ?? -1
const frameAt = (jpeg: Buffer): number =>
  jpegMarkers(jpeg).find(({ marker }) => marker === 0xc0 || marker === 0xc1 || marker === 0xc2)?.at ?? -1

/** The same JPEG with another size in its header. */
export function withJpegSize(jpeg: Buffer, { width, height }: { readonly width?: number; readonly height?: number }): Buffer {
  const changed = Buffer.from(jpeg)
  if (height !== undefined) changed.writeUInt16BE(height, frameAt(jpeg) + 5)
  if (width !== undefined) changed.writeUInt16BE(width, frameAt(jpeg) + 7)
  return changed
}

export const heightOf = (jpeg: Buffer): number => jpeg.readUInt16BE(frameAt(jpeg) + 5)

/** With bytes put before its first segment of a kind. */
export const insertedBefore = (jpeg: Buffer, marker: number, bytes: Buffer): Buffer =>
  Buffer.concat([jpeg.subarray(0, atOf(jpeg, marker)), bytes, jpeg.subarray(atOf(jpeg, marker))])

export const without = (jpeg: Buffer, marker: number): Buffer => {
  const markers = jpegMarkers(jpeg)
  const kept = markers.flatMap((one, index) =>
    one.marker === marker ? [] : [jpeg.subarray(one.at, markers[index + 1]?.at ?? jpeg.length)],
  )
  return Buffer.concat(kept)
}

/** Cut in the middle of its first scan, and closed with an end marker as if nothing were missing. */
export function closedEarly(jpeg: Buffer, part: number): Buffer {
  const scan = atOf(jpeg, 0xda)
  const end = scan + Math.floor((jpeg.length - scan) * part)
  // Not in the middle of a coded 0xFF.
  const cut = jpeg[end - 1] === 0xff ? end - 1 : end
  return Buffer.concat([jpeg.subarray(0, cut), Buffer.from([0xff, 0xd9])])
}

export function segment(marker: number, content: Buffer, length = content.length + 2): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0])
  head.writeUInt16BE(length, 2)
  return Buffer.concat([head, content])
}

/** Codes of 2 and 4 bits: 0 and the end of a block, as in the tables that T.81 suggests for luminance. */
const DC_TABLE = Buffer.from([0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
const AC_TABLE = Buffer.from([0x10, 0, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 17])

/** A segment that defines the same table again and again, of two codes. */
export const manyCodeTables = (count: number): Buffer =>
  segment(0xc4, Buffer.concat(Array.from({ length: count }, () => Buffer.from([0x10, 2, ...Array<number>(15).fill(0), 1, 1]))))

/** A grey JPEG by hand, with what no encoder within reach writes: restart markers, and one scan a component. */
export function greyJpeg(options: {
  readonly columns: number
  readonly rows: number
  readonly components?: number
  readonly restartInterval?: number
  /** The number of each restart marker; in turn unless given. */
  readonly restartNumber?: (index: number) => number
  /** Blocks in each scan; all of them unless given. */
  readonly blocks?: number
}): Buffer {
  const { columns, rows, components = 1, restartInterval = 0, restartNumber = (index) => index % 8 } = options
  const blocks = options.blocks ?? Math.ceil(columns / 8) * Math.ceil(rows / 8)
  const frame = Buffer.from([8, rows >> 8, rows & 0xff, columns >> 8, columns & 0xff, components])
  const ids = Array.from({ length: components }, (_, index) => index + 1)
  const restarts = restartInterval === 0 ? [] : [segment(0xdd, Buffer.from([restartInterval >> 8, restartInterval & 0xff]))]
  // DC difference 0 is `00`, end of block is `1010` (as the tables above say).
  const code = (count: number): Buffer => {
    const bits = '001010'.repeat(count)
    const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1')
    return Buffer.from((padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  }
  const interval = restartInterval === 0 ? blocks : restartInterval
  const coded = Array.from({ length: Math.ceil(blocks / interval) }, (_, index) => {
    const bytes = code(Math.min(interval, blocks - index * interval))
    return index === 0 ? bytes : Buffer.concat([Buffer.from([0xff, 0xd0 + restartNumber(index - 1)]), bytes])
  })
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 16)])),
    segment(0xc0, Buffer.concat([frame, ...ids.map((id) => Buffer.from([id, 0x11, 0]))])),
    segment(0xc4, DC_TABLE),
    segment(0xc4, AC_TABLE),
    ...restarts,
    ...ids.flatMap((id) => [segment(0xda, Buffer.from([1, id, 0, 0, 63, 0])), ...coded]),
    Buffer.from([0xff, 0xd9]),
  ])
}

export const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex')

/** @param crc the right one unless given */
export function pngChunk(name: string, data: Buffer, crc?: number): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc ?? crc32(body), body.length + 4)
  return framed
}

export interface PngHeader {
  readonly width?: number
  readonly height?: number
  readonly depth?: number
  readonly colour?: number
  readonly interlace?: number
}

export function pngHeader({ width = 64, height = 64, depth = 8, colour = 2, interlace = 0 }: PngHeader): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colour, 0, 0, interlace], 8)
  return pngChunk('IHDR', header)
}

/** Rows that no compression makes smaller: the data of a PNG of 64 × `height`. */
export function pngRows(height = 64): Buffer {
  let state = 1
  const row = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31)
  const raw = Buffer.from(Array.from({ length: height * (1 + 64 * 3) }, (_, at) => (at % 193 === 0 ? 0 : (row() >> 16) & 0xff)))
  return deflateSync(raw)
}

export const png = (...chunks: readonly Buffer[]): Buffer => Buffer.concat([PNG_SIGNATURE, ...chunks])
export const pngEnd = pngChunk('IEND', Buffer.alloc(0))

/** Where each chunk of a PNG begins. */
export function pngChunks(whole: Buffer): readonly { readonly name: string; readonly at: number; readonly end: number }[] {
  const found = []
  for (let at = 8; at < whole.length;) {
    const end = at + 12 + whole.readUInt32BE(at)
    found.push({ name: whole.toString('latin1', at + 4, at + 8), at, end })
    at = end
  }
  return found
}

export function riff(...chunks: readonly Buffer[]): Buffer {
  const body = Buffer.concat(chunks)
  const head = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1')
  head.writeUInt32LE(body.length + 4, 4)
  return Buffer.concat([head, body])
}

export function riffChunk(name: string, content: Buffer, size = content.length): Buffer {
  const head = Buffer.from(`${name}\0\0\0\0`, 'latin1')
  head.writeUInt32LE(size, 4)
  return Buffer.concat([head, content, Buffer.alloc(content.length % 2)])
}

/** Where each chunk of a WebP begins. */
export function riffChunks(
  whole: Buffer,
): readonly { readonly name: string; readonly at: number; readonly end: number; readonly content: Buffer }[] {
  const found = []
  for (let at = 12; at + 8 <= whole.length;) {
    const size = whole.readUInt32LE(at + 4)
    const end = at + 8 + size + (size % 2)
    found.push({ name: whole.toString('latin1', at, at + 4), at, end, content: whole.subarray(at + 8, at + 8 + size) })
    at = end
  }
  return found
}
