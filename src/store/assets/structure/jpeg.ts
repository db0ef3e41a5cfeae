import { ScanCounter } from './scan-counter.ts'
import { type Frame, frameIn, jpegDemand, MAX_SCANS, readCodeTables, readQuantization, scanIn, type Tables } from './jpeg-frame.ts'
import { asSeen, exifOrientation, isJpegExif, type Size } from './orientation.ts'
import { ProgressiveScans } from './progressive-scans.ts'
import { behindPadding, damaged, type Demand, doubtful, type Structure, type Verdict, WHOLE } from './verdict.ts'

export const START = 0xd8
export const END = 0xd9
const END_MARKER = Buffer.of(0xff, END)
export const START_OF_SCAN = 0xda
const HUFFMAN_TABLES = 0xc4
const QUANTIZATION = 0xdb
const RESTART_INTERVAL = 0xdd
/** EXIF data, or XMP. */
export const APP1 = 0xe1
export const TEMPORARY = 0x01
const COMMENT = 0xfe
export const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7
/** To libjpeg, which nearly everybody decodes with. */
export const isKnown = (marker: number): boolean =>
  marker === TEMPORARY || (marker >= 0xc0 && marker <= 0xdd) || (marker >= 0xe0 && marker <= 0xef) || marker === COMMENT
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
/** Baseline and extended sequential with Huffman codes: what nearly every encoder writes. */
const isCounted = (marker: number): boolean => marker === 0xc0 || marker === 0xc1
/** Has to be decoded. The others (lossless, arithmetic, hierarchical) are shown by no browser. */
const PROGRESSIVE = 0xc2
const READ = new Set([HUFFMAN_TABLES, QUANTIZATION, START_OF_SCAN, RESTART_INTERVAL, APP1])
/** Behind the image there may be further ones, such as a gain map (CIPA DC-007). */
const MAX_IMAGES = 8

/** Whether every row that a JPEG's header promises is coded in it, every restart marker is where it belongs, and the end is the end. */
export const jpegStructure = (): Structure => new JpegStructure()

/** In coded data it cannot stand; in metadata it may. */
export const hasEndMarker = (jpeg: Buffer): boolean => jpeg.includes(END_MARKER)

type Phase = 'markers' | 'segment' | 'counting' | 'skipping' | 'behind'

class JpegStructure implements Structure {
  #phase: Phase = 'markers'
  #marker = 0
  #hasBegun = false
  #tables: Tables = { dc: new Map(), ac: new Map(), codeTables: 0, quantization: new Set() }
  #frame: Frame | null = null
  #isFrameSeen = false
  #progressive: ProgressiveScans | null = null
  #restartInterval = 0
  readonly #scanned = new Set<number>()
  #scans = 0
  #images = 0
  #counter: ScanCounter | null = null
  /** The beginning of a segment that has not come whole. */
  #held: Buffer = Buffer.alloc(0)
  /** Bytes of a segment whose content does not matter. */
  #toSkip = 0
  #frameHeader: Buffer | null = null
  #orientation: number | null = null
  #demand: Demand | null = null
  #doubt: string | null = null
  #damage: string | null = null

  take(piece: Buffer): void {
    if (this.#damage !== null) return
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    this.#held = Buffer.alloc(0)
    let at = 0
    while (at < bytes.length && this.#damage === null) {
      if (this.#toSkip > 0) {
        const skipped = Math.min(this.#toSkip, bytes.length - at)
        this.#toSkip -= skipped
        at += skipped
        continue
      }
      const next = this.#step(bytes, at)
      if (next === at && this.#toSkip === 0) {
        this.#held = Buffer.from(bytes.subarray(at))
        return
      }
      at = next
    }
  }

  verdict(): Verdict {
    if (this.#damage !== null) return damaged(this.#damage)
    if (this.#phase !== 'behind') return damaged('it has no end')
    if (this.#held.length > 0) return damaged('another file stands behind its end')
    if (this.#doubt !== null) return doubtful(this.#doubt, this.#demand)
    return WHOLE
  }

  demand(): Demand | null {
    return this.#demand
  }

  size(isLast: boolean): Size | null {
    if (this.#frameHeader === null || !(this.#scans > 0 || isLast)) return null
    const [, h1 = 0, h2 = 0, w1 = 0, w2 = 0] = this.#frameHeader
    return asSeen({ width: w1 * 256 + w2, height: h1 * 256 + h2 }, this.#orientation ?? 1)
  }

  /** Returns where it stopped: at `at` where it needs more bytes. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#phase) {
      case 'markers':
        return this.#readMarker(bytes, at)
      case 'segment':
        return this.#readSegment(bytes, at)
      case 'counting':
        return this.#count(bytes, at)
      case 'skipping':
        return this.#skipScan(bytes, at)
      case 'behind':
        return this.#readBehind(bytes, at)
    }
  }

  #readMarker(bytes: Buffer, at: number): number {
    if (bytes[at] !== 0xff) return this.#damaged('something else stands where a marker should', bytes)
    const marker = bytes[at + 1]
    if (marker === undefined) return at
    // Any number of fill bytes may stand before a marker.
    if (marker === 0xff) return at + 1
    this.#begin(marker)
    return at + 2
  }

  #begin(marker: number): void {
    // Some decoders search on behind it, and find another image.
    if (!isKnown(marker)) this.#damage = 'a marker is none that decoders know'
    else if (marker === END) this.#end()
    else if (marker === START && this.#hasBegun) this.#damage = 'it begins twice'
    else if (marker === START || marker === TEMPORARY || isRestart(marker)) this.#phase = 'markers'
    else {
      this.#marker = marker
      this.#phase = 'segment'
    }
    this.#hasBegun = true
  }

  #readSegment(bytes: Buffer, at: number): number {
    if (bytes.length - at < 2) return at
    const length = bytes.readUInt16BE(at)
    if (length < 2) return this.#damaged('a segment has no length', bytes)
    const marker = this.#marker
    const isRead = isFrame(marker) || READ.has(marker)
    if (isRead && bytes.length < at + length) return at
    this.#phase = marker === START_OF_SCAN ? 'skipping' : 'markers'
    if (!isRead) this.#toSkip = length
    else if (this.#images === 0) this.#readHeader(marker, bytes.subarray(at + 2, at + length))
    return isRead ? at + length : at
  }

  #readHeader(marker: number, content: Buffer): void {
    switch (marker) {
      case HUFFMAN_TABLES:
        if (!readCodeTables(content, this.#tables)) this.#damage = 'its code tables make no sense'
        return
      case QUANTIZATION:
        if (!readQuantization(content, this.#tables)) this.#damage = 'its quantization makes no sense'
        return
      case RESTART_INTERVAL:
        if (content.length === 2) this.#restartInterval = content.readUInt16BE(0)
        else this.#damage = 'its restart interval makes no sense'
        return
      case APP1:
        // Behind a scan nobody reads it.
        if (this.#scans === 0 && isJpegExif(content)) this.#orientation ??= exifOrientation(content)
        return
      case START_OF_SCAN:
        return this.#beginScan(content)
      default:
        return this.#beginFrame(marker, content)
    }
  }

  #beginFrame(marker: number, header: Buffer): void {
    if (this.#isFrameSeen) this.#damage = 'it has two frames'
    this.#isFrameSeen = true
    this.#frameHeader = Buffer.from(header)
    if (isCounted(marker)) this.#frame = frameIn(header)
    if (marker === PROGRESSIVE) {
      this.#progressive = new ProgressiveScans(header)
      this.#doubt ??= 'it is progressive'
    } else if (!isCounted(marker)) this.#damage = 'it is coded in a way that no browser shows'
    else if (this.#frame === null) this.#doubt ??= 'its frame is unusual'
  }

  #beginScan(header: Buffer): void {
    this.#scans++
    if (this.#scans > MAX_SCANS) this.#damage = `it has more than ${MAX_SCANS} scans`
    if (!this.#isFrameSeen) this.#damage = 'a scan comes before its frame'
    this.#progressive?.take(header)
    if (this.#frameHeader !== null) {
      const isInScans = this.#progressive !== null || header[0] !== this.#frameHeader[5]
      this.#demand ??= jpegDemand(this.#frameHeader, isInScans)
    }
    const frame = this.#doubt === null ? this.#frame : null
    const scan = frame === null ? null : scanIn(header, frame, this.#tables, this.#restartInterval)
    if (scan === null) {
      this.#doubt ??= 'a scan does not fit its frame'
      this.#phase = 'skipping'
      return
    }
    if (scan.components.some((id) => this.#scanned.has(id))) this.#doubt ??= 'a component is coded twice'
    for (const id of scan.components) this.#scanned.add(id)
    this.#counter = new ScanCounter(scan)
    this.#phase = 'counting'
  }

  #count(bytes: Buffer, at: number): number {
    const counter = this.#counter
    if (counter === null) return this.#skipScan(bytes, at)
    const stopped = counter.read(bytes, at)
    if (counter.state === 'open') return stopped
    this.#counter = null
    this.#phase = 'skipping'
    if (counter.state !== 'complete') this.#damage = `its scan ${counter.state}`
    if (counter.marker !== 0 && !isRestart(counter.marker)) this.#begin(counter.marker)
    return stopped
  }

  /** Through coded data to the next marker that is none of it. */
  #skipScan(bytes: Buffer, at: number): number {
    const found = bytes.indexOf(0xff, at)
    if (found < 0) return bytes.length
    const marker = bytes[found + 1]
    if (marker === undefined) return found
    if (marker === 0 || isRestart(marker)) return found + 2
    if (marker === 0xff) return found + 1
    this.#begin(marker)
    return found + 2
  }

  #end(): void {
    this.#phase = 'behind'
    if (this.#images === 0) {
      if (this.#scans === 0) this.#damage = 'it has no scan'
      else if (this.#progressive?.isComplete() === false) this.#damage = 'some of its scans are missing'
      if (this.#frame?.components.some(({ id }) => !this.#scanned.has(id)) === true) this.#doubt ??= 'a component is missing'
    }
    this.#images++
  }

  #readBehind(bytes: Buffer, at: number): number {
    const found = behindPadding(bytes, at)
    if (found === bytes.length) return found
    if (bytes.length - found < 2) return found
    const isImage = bytes[found] === 0xff && bytes[found + 1] === START
    if (!isImage || this.#images === MAX_IMAGES) return this.#damaged('another file stands behind its end', bytes)
    this.#phase = 'markers'
    return found + 2
  }

  #damaged(why: string, bytes: Buffer): number {
    this.#damage = why
    return bytes.length
  }
}
