import sharp from 'sharp'
import type { OverlayOptions } from 'sharp'
import { formatOf } from '#contract'
import type { Comparison, ComparisonRow } from '#contract'
import { withoutMetadata } from '../store/assets/without-metadata.ts'
import { shortened, textSvg, textWidth, wrapped, type TextStyle } from './contact-sheet-font.ts'
import { fileSize, seconds } from './table.ts'

/** One provider's cell of the sheet: its row, and its images' bytes. */
export interface SheetCell {
  readonly row: ComparisonRow
  readonly images: readonly Uint8Array[]
}

const CELL_WIDTH = 520
const GAP = 28
const MARGIN = 44
const CAPTION = 104
const MOST_COLUMNS = 4
const CORNER = 12
const MOST_TITLE_LINES = 2

const COLORS = {
  paper: '#f7f5f0',
  empty: '#ebe7de',
  line: '#d8d2c5',
  ink: '#23211d',
  soft: '#7b756a',
  good: '#1f7a4d',
  goodPaper: '#d9efe2',
  more: '#9a5b13',
  morePaper: '#f6e6cd',
  bad: '#a8322a',
} as const

const title: TextStyle = { size: 21, color: COLORS.ink, weight: 2.7 }
const subtitle: TextStyle = { size: 12, color: COLORS.soft, weight: 1.5 }
const name: TextStyle = { size: 18, color: COLORS.ink, weight: 2.8 }
const amount: TextStyle = { size: 18, color: COLORS.ink, weight: 2.1 }
const detail: TextStyle = { size: 12, color: COLORS.soft, weight: 1.5 }
const trouble: TextStyle = { size: 17, color: COLORS.bad, weight: 2.3 }

/**
 * All results of a comparison in one image, side by side, captioned with provider, cost and time; a provider that delivered nothing has its
 * cell too, with the reason. Needs no font. Returns the bytes of `format`.
 */
export async function contactSheet(
  comparison: Comparison,
  cells: readonly SheetCell[],
  format: 'jpeg' | 'png' | 'webp' = 'jpeg',
): Promise<Buffer> {
  const columns = Math.max(1, Math.min(MOST_COLUMNS, cells.length === 5 || cells.length === 6 ? 3 : cells.length))
  const width = MARGIN * 2 + columns * CELL_WIDTH + (columns - 1) * GAP
  const lines = wrapped(promptOf(comparison), title.size, width - MARGIN * 2, MOST_TITLE_LINES)
  const top = MARGIN + lines.length * 36 + 44
  const boxHeight = boxHeightFor(cells)
  const rows = Math.max(1, Math.ceil(cells.length / columns))
  const height = top + rows * (boxHeight + CAPTION) + (rows - 1) * GAP + MARGIN - 30

  const placed = cells.map((cell, index) => ({
    cell,
    left: MARGIN + (index % columns) * (CELL_WIDTH + GAP),
    top: top + Math.floor(index / columns) * (boxHeight + CAPTION + GAP),
  }))
  const drawing = [
    ...lines.map((line, index) => textSvg(line, MARGIN, MARGIN + index * 36, title)),
    textSvg(shortened(subtitleOf(comparison), subtitle.size, width - MARGIN * 2), MARGIN, MARGIN + lines.length * 36 + 2, subtitle),
    ...placed.map((cell) => captioned(cell, boxHeight)),
  ]
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${drawing.join('')}</svg>`
  const images = await Promise.all(placed.map(({ cell, left, top: cellTop }) => framed(cell.images, left, cellTop, boxHeight)))
  const sheet = sharp({ create: { width, height, channels: 3, background: COLORS.paper } }).composite([
    { input: Buffer.from(svg), left: 0, top: 0 },
    ...images.flat(),
  ])
  return format === 'jpeg' ? sheet.jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).toBuffer() : sheet.toFormat(format).toBuffer()
}

const promptOf = ({ request }: Comparison): string => (typeof request['prompt'] === 'string' ? request['prompt'] : '')

function subtitleOf({ request, created_at: at, sandbox, id }: Comparison): string {
  const model = typeof request['model'] === 'string' ? request['model'] : ''
  return [model, `${at.slice(0, 16).replace('T', ' ')} UTC`, ...(sandbox ? ['sandbox'] : []), id].join('  ·  ')
}

/** The shape of the first delivered image, unless it is very wide or very tall. */
function boxHeightFor(cells: readonly SheetCell[]): number {
  const first = cells.find(({ row, images }) => images.length > 0 && row.width !== null && row.height !== null)?.row
  const ratio = first?.width && first.height ? first.height / first.width : 2 / 3
  return Math.round(CELL_WIDTH * Math.min(1.5, Math.max(0.5, ratio)))
}

function captioned({ cell: { row, images }, left, top }: { cell: SheetCell; left: number; top: number }, boxHeight: number): string {
  const y = top + boxHeight + 20
  const frame = `<rect x="${left}" y="${top}" width="${CELL_WIDTH}" height="${boxHeight}" rx="${CORNER}" fill="${COLORS.empty}"/>`
  const known = [
    seconds(row.total_ms),
    ...(row.width === null ? [] : [`${row.width}×${row.height ?? '–'}`]),
    ...(row.bytes === null ? [] : [fileSize(row.bytes)]),
    ...(row.images > 1 ? [`${row.images} images`] : []),
  ]
  const price = row.amount === null ? (row.status === 'ineligible' ? '' : 'cost unknown') : `$${row.amount}`
  const nameWidth = textWidth(row.provider, name.size)
  return [
    frame,
    images.length === 0 ? troubled(row, left, top, boxHeight) : '',
    textSvg(row.provider, left, y, name),
    textSvg(price, left + nameWidth + 22, y, row.amount === null ? { ...amount, color: COLORS.soft } : amount),
    row.vs_cheapest === null ? '' : tag(row.vs_cheapest, left + CELL_WIDTH, y),
    textSvg(row.total_ms === null ? 'not asked' : known.join('  ·  '), left, y + 36, detail),
  ].join('')
}

/** How it compares, in a pill at the right edge. */
function tag(above: string, right: number, y: number): string {
  const isCheapest = above === '+0%'
  const text = isCheapest ? 'cheapest' : above
  const style: TextStyle = { size: 12, color: isCheapest ? COLORS.good : COLORS.more, weight: 1.8 }
  const width = textWidth(text, style.size) + 26
  const paper = isCheapest ? COLORS.goodPaper : COLORS.morePaper
  return `<rect x="${right - width}" y="${y - 6}" width="${width}" height="30" rx="15" fill="${paper}"/>${textSvg(text, right - width + 13, y + 3, style)}`
}

function troubled(row: ComparisonRow, left: number, top: number, boxHeight: number): string {
  const head = row.status === 'ineligible' ? 'cannot take it' : (row.error_code ?? row.status).replaceAll('_', ' ')
  const style = row.status === 'ineligible' ? { ...trouble, color: COLORS.soft } : trouble
  const reasons = wrapped(row.reasons.join(' '), detail.size, CELL_WIDTH - 96, Math.max(1, Math.floor((boxHeight - 120) / 26)))
  const y = top + boxHeight / 2 - (30 + reasons.length * 26) / 2
  const centred = (text: string, size: number) => left + (CELL_WIDTH - textWidth(text, size)) / 2
  return [
    textSvg(head, centred(head, style.size), y, style),
    ...reasons.map((line, index) => textSvg(line, centred(line, detail.size), y + 38 + index * 26, detail)),
  ].join('')
}

/** Whatever a vendor put beside the pixels, the sheet does not unpack it. */
async function bare(image: Uint8Array): Promise<Buffer> {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength)
  const format = formatOf(bytes)
  return format === null ? bytes : withoutMetadata(bytes, format)
}

/** A cell's images in its frame, several as tiles, each whole. */
async function framed(images: readonly Uint8Array[], left: number, top: number, boxHeight: number): Promise<readonly OverlayOptions[]> {
  if (images.length === 0) return []
  const across = Math.ceil(Math.sqrt(images.length))
  const down = Math.ceil(images.length / across)
  const inner = images.length > 1 ? 6 : 0
  const tile = {
    width: Math.floor((CELL_WIDTH - inner * (across - 1)) / across),
    height: Math.floor((boxHeight - inner * (down - 1)) / down),
  }
  const tiles = await Promise.all(
    images.map(async (image, index) => ({
      input: await sharp(await bare(image))
        .rotate()
        .resize({ ...tile, fit: 'contain', background: COLORS.empty })
        .flatten({ background: COLORS.empty })
        .png({ compressionLevel: 1 })
        .toBuffer(),
      left: (index % across) * (tile.width + inner),
      top: Math.floor(index / across) * (tile.height + inner),
    })),
  )
  const mask = Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${CELL_WIDTH}" height="${boxHeight}"><rect width="100%" height="100%" rx="${CORNER}"/></svg>`,
  )
  const box = sharp({ create: { width: CELL_WIDTH, height: boxHeight, channels: 4, background: COLORS.empty } })
  const filled = await box
    .composite([...tiles, { input: mask, blend: 'dest-in' }])
    .png({ compressionLevel: 1 })
    .toBuffer()
  return [{ input: filled, left, top }]
}
