export interface Pixels {
  readonly width: number
  readonly height: number
}

/** What a reference counts as whose size cannot be known without leaving this machine. */
const UNKNOWN: Pixels = { width: 1024, height: 1024 }
const FETCH_MS = 5_000
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** Whether a URL leads to this machine: an emulator fetches from and posts to nothing else. */
export function isLoopbackUrl(url: string): boolean {
  const parsed = URL.parse(url)
  return parsed?.protocol === 'http:' && LOOPBACK.has(parsed.hostname)
}

/**
 * Pixels of a reference, read from the header of a PNG, JPEG or WebP: base64, a `data:` URI, or a link to this machine. A link elsewhere
 * is not fetched and, like an image that cannot be read, counts as one megapixel.
 */
export async function referencePixels(reference: string): Promise<Pixels> {
  const bytes = await bytesOf(reference)
  const size = bytes && (pngSize(bytes) ?? webpSize(bytes) ?? jpegSize(bytes))
  return size && size.width > 0 && size.height > 0 ? size : UNKNOWN
}

async function bytesOf(reference: string): Promise<Buffer | null> {
  if (!/^https?:/i.test(reference)) return Buffer.from(reference.replace(/^data:[^,]*,/i, ''), 'base64')
  if (!isLoopbackUrl(reference)) return null
  return fetch(reference, { redirect: 'error', signal: AbortSignal.timeout(FETCH_MS) })
    .then(async (answer) => Buffer.from(await answer.arrayBuffer()))
    .catch(() => null)
}

const pngSize = (bytes: Buffer): Pixels | null =>
  bytes.length >= 24 && bytes.readUInt32BE(0) === 0x89_50_4e_47 ? { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) } : null

function webpSize(bytes: Buffer): Pixels | null {
  if (bytes.length < 30 || bytes.toString('latin1', 0, 4) !== 'RIFF') return null
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3f_ff, height: bytes.readUInt16LE(28) & 0x3f_ff }
    case 'VP8L':
      return { width: (bytes.readUInt32LE(21) & 0x3f_ff) + 1, height: ((bytes.readUInt32LE(21) >>> 14) & 0x3f_ff) + 1 }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
    default:
      return null
  }
}

/** Walks the segments to the frame header (SOF). */
function jpegSize(bytes: Buffer): Pixels | null {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xff_d8) return null
  let at = 2
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame) return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) }
    at += 2 + bytes.readUInt16BE(at + 2)
  }
  return null
}
