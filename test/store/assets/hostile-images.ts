import { deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import {
  closedEarly,
  greyJpeg,
  heightOf,
  insertedBefore,
  jpegMarkers,
  png,
  manyCodeTables,
  pngChunk,
  pngChunks,
  pngEnd,
  pngHeader,
  pngRows,
  PNG_SIGNATURE,
  riff,
  riffChunk,
  riffChunks,
  segment,
  withJpegSize,
  without,
} from './image-parts.ts'
import { vastPng } from './vast-png.ts'

const noisy = (): Sharp =>
  sharp({ create: { width: 150, height: 94, channels: 3, background: '#468', noise: { type: 'gaussian', mean: 128, sigma: 40 } } })

type Images = Readonly<Record<string, Buffer>>

/** Files that are no whole image, or more than one, made by code. None may be stored. */
export async function hostileImages(): Promise<ReadonlyMap<string, Buffer>> {
  const [baseline, progressive, pngImage, lossy, lossless, animated] = await Promise.all([
    noisy().jpeg().toBuffer(),
    noisy().jpeg({ progressive: true }).toBuffer(),
    noisy().png().toBuffer(),
    noisy().withMetadata({ orientation: 6 }).webp().toBuffer(),
    noisy().webp({ lossless: true }).toBuffer(),
    animation(),
  ])
  return new Map(
    Object.entries({
      ...cutJpegs('a baseline JPEG', baseline),
      ...cutJpegs('a progressive JPEG', progressive),
      ...shortJpegs('a baseline JPEG', baseline),
      ...shortJpegs('a progressive JPEG', progressive),
      ...closedBetweenScans(progressive),
      ...brokenJpegs(baseline, progressive),
      ...cutPngs(pngImage),
      ...brokenPngs(),
      ...brokenWebps(lossy, lossless, animated),
      ...otherFiles(),
      ...polyglots({ JPEG: baseline, PNG: pngImage, WebP: lossy }),
    }),
  )
}

/** Three frames. */
async function animation(): Promise<Buffer> {
  const frames = Buffer.concat([Buffer.alloc(32 * 32 * 3, 10), Buffer.alloc(32 * 32 * 3, 100), Buffer.alloc(32 * 32 * 3, 200)])
  return sharp(frames, { raw: { width: 32, height: 96, channels: 3, pageHeight: 32 } })
    .webp({ loop: 0 })
    .toBuffer()
}

function cutJpegs(kind: string, jpeg: Buffer): Images {
  const markers = jpegMarkers(jpeg).slice(1)
  return Object.fromEntries(
    markers.flatMap(({ marker, at }, index) => [
      [`${kind} cut before its marker ${index} (${marker.toString(16)})`, jpeg.subarray(0, at)],
      ...(marker === 0xd9 ? [] : [[`${kind} cut within its segment ${index} (${marker.toString(16)})`, jpeg.subarray(0, at + 3)] as const]),
    ]),
  )
}

const shortJpegs = (kind: string, jpeg: Buffer): Images => ({
  [`${kind} with half the rows of its header`]: withJpegSize(jpeg, { height: heightOf(jpeg) * 2 }),
  [`${kind} with a few rows less than its header says`]: withJpegSize(jpeg, { height: heightOf(jpeg) + 24 }),
  [`${kind} cut at a half and closed with an end marker`]: closedEarly(jpeg, 0.5),
  [`${kind} cut near its end and closed with an end marker`]: closedEarly(jpeg, 0.95),
})

/** Each would decode, as a blurred image. */
const closedBetweenScans = (progressive: Buffer): Images =>
  Object.fromEntries(
    jpegMarkers(progressive)
      .filter(({ marker }) => marker === 0xda)
      .slice(1)
      .map(({ at }, index) => [
        `a progressive JPEG closed before its scan ${index + 1}`,
        Buffer.concat([progressive.subarray(0, at), Buffer.from([0xff, 0xd9])]),
      ]),
  )

function brokenJpegs(jpeg: Buffer, progressive: Buffer): Images {
  const frame = jpegMarkers(jpeg).find(({ marker }) => marker === 0xc0)?.at ?? 0
  const scan = jpegMarkers(jpeg).find(({ marker }) => marker === 0xda)?.at ?? 0
  const scans = jpegMarkers(progressive)
  const lastScan = progressive.subarray(scans.at(-2)?.at, scans.at(-1)?.at)
  const marked = (marker: number): Buffer => Buffer.concat([jpeg.subarray(0, frame + 1), Buffer.from([marker]), jpeg.subarray(frame + 2)])
  const grey = { columns: 64, rows: 64, restartInterval: 4 }
  return {
    'a JPEG of 65535 × 65535 pixels': withJpegSize(jpeg, { width: 65_535, height: 65_535 }),
    'a JPEG of no width': withJpegSize(jpeg, { width: 0 }),
    'a JPEG of no height': withJpegSize(jpeg, { height: 0 }),
    'a JPEG with hundreds of scans': Buffer.concat([
      progressive.subarray(0, -2),
      ...Array.from({ length: 500 }, () => lastScan),
      Buffer.from([0xff, 0xd9]),
    ]),
    'a JPEG without quantization': without(jpeg, 0xdb),
    'a JPEG without a frame': without(jpeg, 0xc0),
    'a JPEG without a scan': Buffer.concat([jpeg.subarray(0, scan), Buffer.from([0xff, 0xd9])]),
    'a JPEG with two frames': insertedBefore(jpeg, 0xda, jpeg.subarray(frame, jpegMarkers(jpeg).find(({ at }) => at > frame)?.at)),
    'a JPEG with another in what has a zero for a marker': insertedBefore(jpeg, 0xc0, segment(0x00, jpeg.subarray(0, 60_000))),
    'a JPEG with a marker that nobody knows': insertedBefore(jpeg, 0xc0, segment(0x02, Buffer.alloc(10))),
    'a JPEG that begins twice': insertedBefore(jpeg, 0xc0, Buffer.of(0xff, 0xd8)),
    'a JPEG with a segment of no length': insertedBefore(jpeg, 0xc0, segment(0xe5, Buffer.alloc(0), 0)),
    'a JPEG with EXIF that ends behind the file': insertedBefore(jpeg, 0xc0, segment(0xe1, Buffer.from('Exif\0\0'), 65_000)),
    'a JPEG with a profile that swallows its tables': insertedBefore(jpeg, 0xc0, segment(0xe2, Buffer.from('ICC_PROFILE\0\x01\x01'), 500)),
    'a JPEG with text between its segments': insertedBefore(jpeg, 0xc0, Buffer.from('<script>')),
    'a JPEG with more codes than exist': insertedBefore(
      jpeg,
      0xda,
      segment(0xc4, Buffer.from([0, 255, ...Array<number>(15).fill(0), ...Array<number>(255).fill(1)])),
    ),
    'a JPEG with more code tables than scans could use': insertedBefore(jpeg, 0xc0, manyCodeTables(513)),
    'a JPEG with a restart interval of one byte': insertedBefore(jpeg, 0xc0, segment(0xdd, Buffer.of(0))),
    'a JPEG with a fifth code table': insertedBefore(jpeg, 0xc0, segment(0xc4, Buffer.from([5, 1, ...Array<number>(15).fill(0), 0]))),
    'a JPEG with a fifth quantization table': insertedBefore(jpeg, 0xc0, segment(0xdb, Buffer.concat([Buffer.of(5), Buffer.alloc(64, 1)]))),
    'a JPEG that says it is lossless': marked(0xc3),
    'a JPEG that says it is coded arithmetically': marked(0xc9),
    'a JPEG whose codes are overwritten': Buffer.concat([jpeg.subarray(0, scan + 200), Buffer.alloc(400, 0xfe), jpeg.subarray(scan + 600)]),
    'a JPEG with a restart interval too few': greyJpeg({ ...grey, blocks: 60 }),
    'a JPEG with restart markers in the wrong order': greyJpeg({ ...grey, restartNumber: (index) => (index * 3) % 8 }),
    'a JPEG that names a component it does not have': Buffer.from(jpeg).fill(9, scan + 5, scan + 6),
    'a JPEG that is only its signature': Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1]),
  }
}

function cutPngs(image: Buffer): Images {
  return Object.fromEntries(
    pngChunks(image).flatMap(({ name, at, end }, index) => [
      [`a PNG cut before its chunk ${index} (${name})`, image.subarray(0, at)],
      [`a PNG cut within its chunk ${index} (${name})`, image.subarray(0, end - 5)],
    ]),
  )
}

function brokenPngs(): Images {
  const rows = pngChunk('IDAT', pngRows())
  const empty = Buffer.alloc(0)
  const header = pngHeader({})
  return {
    'a PNG whose header’s checksum is wrong': png(pngChunk('IHDR', header.subarray(8, 21), 1), rows, pngEnd),
    'a PNG whose data’s checksum is wrong': png(header, pngChunk('IDAT', pngRows(), 1), pngEnd),
    'a PNG whose end’s checksum is wrong': png(header, rows, pngChunk('IEND', empty, 1)),
    'a PNG whose profile’s checksum is wrong': png(header, pngChunk('iCCP', Buffer.from('p\0\0x'), 1), rows, pngEnd),
    'a PNG whose EXIF’s checksum is wrong': png(header, pngChunk('eXIf', Buffer.from('II*\0'), 1), rows, pngEnd),
    'a PNG with one changed byte in its data': changed(png(header, rows, pngEnd), 3_000),
    'a PNG with half the rows of its header': png(pngHeader({ height: 128 }), rows, pngEnd),
    'a PNG with a tenth of the rows of its header': png(header, pngChunk('IDAT', pngRows(6)), pngEnd),
    'a flat PNG with fewer rows than its header': png(
      pngHeader({ colour: 0 }),
      pngChunk('IDAT', deflateSync(Buffer.alloc(65 * 60))),
      pngEnd,
    ),
    'a PNG whose data is not compressed': png(header, pngChunk('IDAT', Buffer.alloc(12_352, 0x61)), pngEnd),
    'a PNG without data': png(header, pngEnd),
    'a PNG with empty data': png(header, pngChunk('IDAT', empty), pngEnd),
    'a PNG without a header': png(rows, pngEnd),
    'a PNG with two headers': png(header, header, rows, pngEnd),
    'a PNG whose palette is missing': png(pngHeader({ colour: 3 }), rows, pngEnd),
    'a PNG whose palette makes no sense': png(header, pngChunk('PLTE', Buffer.alloc(7)), rows, pngEnd),
    'a PNG of a colour type that does not exist': png(pngHeader({ colour: 5 }), rows, pngEnd),
    'a PNG of a depth that does not exist': png(pngHeader({ depth: 3 }), rows, pngEnd),
    'a PNG of no width': png(pngHeader({ width: 0 }), rows, pngEnd),
    'a PNG of 2 billion pixels a side': png(pngHeader({ width: 2 ** 31 - 1, height: 2 ** 31 - 1 }), rows, pngEnd),
    'a PNG that unfolds to 112 megapixels': vastPng(16_000, 7_000),
    'a PNG that unfolds to 4 gigapixels': vastPng(65_500, 65_500),
    'a PNG with a chunk that has no name': png(header, pngChunk('\0\0\0\0', empty), rows, pngEnd),
    'a PNG with a chunk longer than any can be': png(
      header,
      Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.from('IDAT')]),
      rows,
      pngEnd,
    ),
    'a PNG with a chunk that nobody may ignore': png(header, pngChunk('EVIL', empty), rows, pngEnd),
    'a PNG whose data is interrupted': png(header, rows, pngChunk('tEXt', Buffer.from('a\0b')), rows, pngEnd),
    'a PNG that is an animation': png(header, pngChunk('acTL', Buffer.from([0, 0, 0, 3, 0, 0, 0, 0])), rows, pngEnd),
    'a PNG that is only its signature': PNG_SIGNATURE,
  }
}

const changed = (bytes: Buffer, at: number): Buffer => Buffer.from(bytes).fill((bytes[at] ?? 0) ^ 0x10, at, at + 1)

function brokenWebps(lossy: Buffer, lossless: Buffer, animated: Buffer): Images {
  const chunks = riffChunks(lossy)
  const pixels = chunks.find(({ name }) => name === 'VP8 ')?.content ?? Buffer.alloc(0)
  const sized = (bytes: Buffer, size: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy.writeUInt32LE(size, 4)
    return copy
  }
  const taller = Buffer.from(pixels)
  taller.writeUInt16LE(taller.readUInt16LE(8) * 4, 8)
  return {
    ...Object.fromEntries(
      chunks.flatMap(({ name, at, end }) => [
        [`a WebP cut before its chunk ${name.trim()}`, lossy.subarray(0, at)],
        [`a WebP cut within its chunk ${name.trim()}`, lossy.subarray(0, Math.floor((at + 8 + end) / 2))],
      ]),
    ),
    'a WebP that says it is longer than it is': sized(lossy, lossy.length + 1_000),
    'a WebP that says it is shorter than it is': sized(lossy, 100),
    'a WebP that says it has no length': sized(lossy, 0),
    'a WebP that says it has 4 GB': sized(lossy, 0xff_ff_ff_ff),
    'a WebP with a chunk longer than the file': riff(riffChunk('VP8 ', pixels, pixels.length + 5_000)),
    'a WebP with a chunk shorter than its pixels': riff(riffChunk('VP8 ', pixels.subarray(0, pixels.length / 3))),
    'a WebP with fewer rows than its header says': riff(riffChunk('VP8 ', taller)),
    'a WebP with two images': riff(riffChunk('VP8 ', pixels), riffChunk('VP8 ', pixels)),
    'a WebP without an image': riff(riffChunk('EXIF', Buffer.alloc(10))),
    'a WebP whose headers say two sizes': riff(riffChunk('VP8X', Buffer.from([0, 0, 0, 0, 1, 1, 0, 1, 1, 0])), riffChunk('VP8 ', pixels)),
    'a WebP whose extended header comes behind its pixels': riff(
      riffChunk('VP8 ', pixels),
      riffChunk('VP8X', Buffer.from([0, 0, 0, 0, 1, 1, 0, 1, 1, 0])),
    ),
    'a WebP whose first frame needs another': riff(riffChunk('VP8 ', changed(pixels, 0).fill((pixels[0] ?? 0) | 1, 0, 1))),
    'a lossless WebP cut at a half': riff(
      riffChunk('VP8L', riffChunks(lossless)[0]?.content.subarray(0, lossless.length / 2) ?? Buffer.alloc(0)),
    ),
    'a lossless WebP of noise': riff(riffChunk('VP8L', Buffer.concat([lossless.subarray(20, 25), Buffer.alloc(2_000, 0xa7)]))),
    'a WebP that is an animation': animated,
    'a WebP that is only its signature': Buffer.from('RIFF\x10\0\0\0WEBP', 'latin1'),
  }
}

/** What is no JPEG, PNG or WebP, or is one behind something else. */
function otherFiles(): Images {
  const text = (bytes: string): Buffer => Buffer.from(bytes, 'latin1')
  return {
    'an empty file': Buffer.alloc(0),
    'one byte': text('\xff'),
    'a page': text('<!doctype html><script>alert(1)</script>'),
    'an SVG': text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    'an XML document with entities': text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg>&b;</svg>'),
    'a JSON document': text('{"error":"busy"}'),
    'a GIF': text('GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;'),
    'a BMP': text('BM\x3a\0\0\0\0\0\0\0\x36\0\0\0'),
    'a TIFF': text('II*\0\x08\0\0\0\0\0'),
    'an AVIF': text('\0\0\0\x1cftypavif\0\0\0\0avifmif1'),
    'a JPEG XL': text('\xff\x0a\xff\xff'),
    'a PDF': text('%PDF-1.7\n%%EOF'),
    'an archive': text('PK\x03\x04\x14\0\0\0'),
    'a program': text('\x7fELF\x02\x01\x01'),
    'a WAV, which is a RIFF too': text('RIFF\x24\0\0\0WAVEfmt \x10\0\0\0'),
    'an ImageMagick script': text('push graphic-context\nviewbox 0 0 640 480\nimage over 0,0 0,0 "|id"\n'),
    'a PostScript file': text('%!PS-Adobe-3.0\n'),
  }
}

function polyglots(images: Images): Images {
  const behind: Images = {
    'an archive': Buffer.from('PK\x03\x04\x14\0\0\0\x08\0', 'latin1'),
    'a page': Buffer.from('\n<html><script>alert(1)</script>'),
    'a program': Buffer.from('\0\0MZ\x90\0', 'latin1'),
  }
  return Object.fromEntries(
    Object.entries(images).flatMap(([name, image]) => [
      ...Object.entries(behind).map(([other, bytes]) => [`a ${name} with ${other} behind its end`, Buffer.concat([image, bytes])] as const),
      [`a ${name} behind a page`, Buffer.concat([Buffer.from('<html><!--'), image])] as const,
    ]),
  )
}
