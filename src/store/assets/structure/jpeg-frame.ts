import { type CodeTable, codeTable } from './code-table.ts'
import type { BlockTables, Scan } from './scan-counter.ts'
import type { Demand } from './verdict.ts'

interface Component {
  readonly id: number
  readonly across: number
  readonly down: number
  /** The number of its quantization table. */
  readonly quantization: number
}

/** What a JPEG's frame header says: its size, and how its components are sampled. ITU-T T.81, B.2.2 */
export interface Frame {
  readonly width: number
  readonly height: number
  readonly components: readonly Component[]
}

/** @param header the segment's content; null where it makes no sense */
export function frameIn(header: Uint8Array): Frame | null {
  const [precision = 0, h1 = 0, h2 = 0, w1 = 0, w2 = 0, count = 0] = header
  const components = Array.from({ length: count }, (_, index) => {
    const sampling = header[7 + index * 3] ?? 0
    return { id: header[6 + index * 3] ?? 0, across: sampling >> 4, down: sampling & 0x0f, quantization: header[8 + index * 3] ?? 0 }
  })
  const frame = { width: w1 * 256 + w2, height: h1 * 256 + h2, components }
  const isLegal = ({ across, down }: Component): boolean => across >= 1 && across <= 4 && down >= 1 && down <= 4
  const isSound = precision === 8 && frame.width > 0 && frame.height > 0 && count >= 1 && count <= 4 && components.every(isLegal)
  return isSound && header.length === 6 + count * 3 ? frame : null
}

const BLOCK_BYTES = 64 * 2

/**
 * What decoding takes. Coefficients that come in several scans are all held until the last; else rows come one by one, an eighth as wide where less is asked for.
 * @param header the content of the frame's segment
 */
export function jpegDemand(header: Uint8Array, isInScans: boolean): Demand {
  const [, h1 = 0, h2 = 0, w1 = 0, w2 = 0, count = 0] = header
  const [width, height] = [w1 * 256 + w2, h1 * 256 + h2]
  const components = frameIn(header)?.components ?? []
  const widest = Math.max(...components.map(({ across }) => across))
  const highest = Math.max(...components.map(({ down }) => down))
  const blocks = components.map(({ across, down }) => Math.ceil(width / (8 * widest)) * across * Math.ceil(height / (8 * highest)) * down)
  const pixelBytes = width * height * count
  const coefficientBytes = components.length > 0 ? blocks.reduce((sum, some) => sum + some, 0) * BLOCK_BYTES : pixelBytes * 2
  return { wholeBytes: isInScans ? coefficientBytes : 0, rowBytes: Math.ceil(width / 8) * count, rows: Math.ceil(height / 8), pixelBytes }
}

/** The tables that are in force, which segments replace one by one. Of those of quantization only the numbers matter. */
export interface Tables {
  readonly dc: Map<number, () => CodeTable>
  readonly ac: Map<number, () => CodeTable>
  /** How many code tables were defined so far. */
  codeTables: number
  readonly quantization: Set<number>
}

/** Encoders write a dozen scans at most. A thousand over a large image would keep a decoder busy for minutes. */
export const MAX_SCANS = 64
/** Four of each class are in force at once, and whoever optimises a progressive image replaces them before each scan: nobody has more to say. */
const MAX_CODE_TABLES = 8 * MAX_SCANS

/** There are four of each kind (B.2.4). */
const LAST_TABLE = 3

/** Reads a segment of Huffman tables (B.2.4.2). Returns false where it makes no sense. */
export function readCodeTables(segment: Uint8Array, tables: Tables): boolean {
  for (let at = 0; at < segment.length;) {
    if (++tables.codeTables > MAX_CODE_TABLES) return false
    const kind = segment[at] ?? 0
    // Copies: they are read again when the piece that they came in is gone.
    const counts = Uint8Array.from(segment.subarray(at + 1, at + 17))
    const total = counts.reduce((sum, count) => sum + count, 0)
    const symbols = Uint8Array.from(segment.subarray(at + 17, at + 17 + total))
    if (counts.length < 16 || symbols.length < total || kind >> 4 > 1 || (kind & 0x0f) > LAST_TABLE) return false
    const isDc = kind >> 4 === 0
    const table = codeTable({ counts, symbols, isDc })
    if (table === null) return false
    ;(isDc ? tables.dc : tables.ac).set(kind & 0x0f, table)
    at += 17 + total
  }
  return true
}

/** Reads a segment of quantization tables (B.2.4.1). Returns false where it makes no sense. */
export function readQuantization(segment: Uint8Array, { quantization }: Tables): boolean {
  let at = 0
  while (at < segment.length) {
    const kind = segment[at] ?? 0
    if ((kind & 0x0f) > LAST_TABLE) return false
    quantization.add(kind & 0x0f)
    at += kind >> 4 === 0 ? 65 : 129
  }
  return at === segment.length
}

/** A scan's components, and the blocks that it must have, as its header says (B.2.3, A.2). */
export interface ScanHeader extends Scan {
  readonly components: readonly number[]
}

/** @returns null where the header does not fit the frame or the tables */
export function scanIn(header: Uint8Array, frame: Frame, { dc, ac, quantization }: Tables, restartInterval: number): ScanHeader | null {
  const count = header[0] ?? 0
  if (count < 1 || count > frame.components.length || header.length !== 4 + count * 2) return null
  const widest = Math.max(...frame.components.map(({ across }) => across))
  const highest = Math.max(...frame.components.map(({ down }) => down))
  const blocks: BlockTables[] = []
  const ids: number[] = []
  let units = Math.ceil(frame.width / (8 * widest)) * Math.ceil(frame.height / (8 * highest))
  for (let index = 0; index < count; index++) {
    const id = header[1 + index * 2] ?? 0
    const selected = header[2 + index * 2] ?? 0
    const component = frame.components.find((one) => one.id === id)
    const dcTable = dc.get(selected >> 4)
    const acTable = ac.get(selected & 0x0f)
    if (component === undefined || dcTable === undefined || acTable === undefined || ids.includes(id)) return null
    if (!quantization.has(component.quantization)) return null
    const { across, down } = component
    ids.push(id)
    // Alone in its scan, a component is coded block by block, without those that only fill up the unit.
    const blocksPerUnit = count === 1 ? 1 : across * down
    if (count === 1)
      units = Math.ceil(Math.ceil((frame.width * across) / widest) / 8) * Math.ceil(Math.ceil((frame.height * down) / highest) / 8)
    for (let block = 0; block < blocksPerUnit; block++) blocks.push({ dc: dcTable(), ac: acTable() })
  }
  return { components: ids, blocks, units, restartInterval }
}
