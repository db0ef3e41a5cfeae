import type { OutputFormat } from './limits.ts'

/** As many first bytes as `formatOf` needs to be sure. */
export const SIGNATURE_BYTES = 12

/** The format of an image by its first bytes, whatever label it carries; null where it is none of the three that are taken. */
export function formatOf(head: Uint8Array): OutputFormat | null {
  if (startsWith(head, [0xff, 0xd8, 0xff])) return 'jpeg'
  if (startsWith(head, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'png'
  return latin1(head.subarray(0, 4)) === 'RIFF' && latin1(head.subarray(8, 12)) === 'WEBP' ? 'webp' : null
}

/** As many first bytes as `beginsAsImage` asks for. */
const BEGINNING_BYTES = 33
const PNG_DEPTHS: Readonly<Record<number, readonly number[]>> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }

/** Whether what stands behind an image's signature can be one too, as far as its first bytes say it: no decoder takes what fails here. */
export function beginsAsImage(head: Uint8Array): boolean {
  const format = formatOf(head)
  if (format === null || head.length < BEGINNING_BYTES) return format !== null
  const bytes = new DataView(head.buffer, head.byteOffset, BEGINNING_BYTES)
  switch (format) {
    case 'png': {
      // Its header: length, name, width, height, depth, colour type, compression, filter. https://www.w3.org/TR/png-3/#11IHDR
      const isHeader = bytes.getUint32(8) === 13 && latin1(head.subarray(12, 16)) === 'IHDR'
      const hasSize = bytes.getInt32(16) > 0 && bytes.getInt32(20) > 0
      return isHeader && hasSize && (PNG_DEPTHS[bytes.getUint8(25)]?.includes(bytes.getUint8(24)) ?? false)
    }
    case 'jpeg': {
      // A segment, whose length counts itself; bytes of 0xff before its name are filling.
      const marker = bytes.getUint8(3)
      return marker === 0xff || (marker >= 0xc0 && marker < 0xff && bytes.getUint16(4) >= 2)
    }
    case 'webp':
      return /^VP8[ LX]$/.test(latin1(head.subarray(12, 16))) && bytes.getUint32(4, true) >= 12
  }
}

/** What first bytes are that are no image but text a server sends instead of one; null where they are no such text. */
export function documentIn(head: Uint8Array): 'an HTML page' | 'an XML or SVG document' | 'a JSON document' | null {
  const text = latin1(head)
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .trimStart()
    .toLowerCase()
  if (text.startsWith('<!doctype') || text.startsWith('<html')) return 'an HTML page'
  if (text.startsWith('<')) return 'an XML or SVG document'
  return text.startsWith('{') || text.startsWith('[') ? 'a JSON document' : null
}

/** What first bytes are that are no JPEG, PNG or WebP image, in words for an error message. */
export function described(head: Uint8Array): string {
  if (head.length === 0) return 'nothing at all'
  const text = latin1(head)
  if (text.startsWith('GIF8')) return 'a GIF'
  if (text.slice(4, 8) === 'ftyp') return 'an AVIF, HEIC or video file'
  return documentIn(head) ?? 'something else'
}

const startsWith = (bytes: Uint8Array, start: readonly number[]): boolean => start.every((byte, index) => bytes[index] === byte)

/** As many first bytes as browsers read to know what something is (WHATWG MIME Sniffing, "resource header"). */
const DESCRIBED_BYTES = 1_445

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, DESCRIBED_BYTES))
