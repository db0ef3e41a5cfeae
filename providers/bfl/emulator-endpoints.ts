import { multiplyUsd, sumUsd } from '#contract'
import type { Usd } from '#contract'

/** What the emulator knows of one endpoint, from BFL's OpenAPI (read 2026-11-21) and apart from the manifest, so that a slip in one shows. */
export interface Endpoint {
  readonly family: 'flux-2' | 'flux-1.1'
  readonly promptRequired: boolean
  readonly formats: readonly ('jpeg' | 'png' | 'webp')[]
  readonly maxSafety: number
  readonly upsamplesByDefault: boolean
  readonly isFlex: boolean
  /** Dollars: first output megapixel, each further one, each of a reference. A flat price has no further ones. */
  readonly price: { readonly first: Usd; readonly extra: Usd; readonly reference: Usd }
}

export const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'flux-2-pro': {
    family: 'flux-2',
    promptRequired: true,
    formats: ['jpeg', 'png', 'webp'],
    maxSafety: 5,
    upsamplesByDefault: true,
    isFlex: false,
    price: { first: '0.03', extra: '0.015', reference: '0.015' },
  },
  'flux-2-flex': {
    family: 'flux-2',
    promptRequired: true,
    formats: ['jpeg', 'png'],
    maxSafety: 5,
    upsamplesByDefault: true,
    isFlex: true,
    price: { first: '0.05', extra: '0.05', reference: '0.05' },
  },
  'flux-pro-1.1': {
    family: 'flux-1.1',
    promptRequired: false,
    formats: ['jpeg', 'png'],
    maxSafety: 6,
    upsamplesByDefault: false,
    isFlex: false,
    price: { first: '0.04', extra: '0', reference: '0' },
  },
}

export interface Pixels {
  readonly width: number
  readonly height: number
}

export const MEGAPIXEL = 1024 * 1024
export const MAX_PIXELS = 4 * MEGAPIXEL

const areaOf = ({ width, height }: Pixels): number => width * height
const billedMegapixels = (pixels: Pixels): number => Math.max(1, Math.ceil(Math.min(areaOf(pixels), MAX_PIXELS) / MEGAPIXEL))

/** Megapixels as the submit reply tells them: two decimals, in units of 1024 x 1024 (live replies, 2025-11-27). */
export const toldMegapixels = (images: readonly Pixels[]): number =>
  Math.round((images.reduce((sum, image) => sum + areaOf(image), 0) / MEGAPIXEL) * 100) / 100

/** What a task is charged, in dollars. */
export function taskPrice({ price }: Endpoint, output: Pixels, references: readonly Pixels[]): Usd {
  const referenceMegapixels = references.reduce((sum, reference) => sum + billedMegapixels(reference), 0)
  return sumUsd([price.first, multiplyUsd(price.extra, billedMegapixels(output) - 1), multiplyUsd(price.reference, referenceMegapixels)])
}

const floorTo = (step: number, value: number): number => Math.max(64, Math.floor(value / step) * step)

/** The delivered size: as asked, on the grid of 16; else the first reference's, at most 4 MP; else the endpoint's own. */
export function outputSize({ family }: Endpoint, asked: Partial<Pixels>, firstReference: Pixels | undefined): Pixels {
  if (family === 'flux-1.1') return { width: asked.width ?? 1024, height: asked.height ?? 768 }
  const base = firstReference ?? { width: 1024, height: 1024 }
  const shrink = Math.min(1, Math.sqrt(MAX_PIXELS / areaOf(base)))
  return { width: floorTo(16, asked.width ?? base.width * shrink), height: floorTo(16, asked.height ?? base.height * shrink) }
}

/**
 * Pixels of a base64 image, read from its header: PNG, JPEG or WebP. A URL is not fetched by the emulator and, like a
 * image that cannot be read, counts as one megapixel.
 */
export function referencePixels(payload: string): Pixels {
  const unknown = { width: 1024, height: 1024 }
  if (/^https?:/i.test(payload)) return unknown
  const bytes = Buffer.from(payload.replace(/^data:[^,]*,/, ''), 'base64')
  const size = pngSize(bytes) ?? webpSize(bytes) ?? jpegSize(bytes)
  return size !== null && size.width > 0 && size.height > 0 ? size : unknown
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
