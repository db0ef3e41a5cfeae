/**
 * Letters of the contact sheet, drawn as strokes: an image with captions needs no font on the machine, and is the same on every one.
 * Each glyph is an SVG path of a pen's way on a grid: capitals from 0 (top) to 14 (baseline), small letters from 5, descenders to 18.
 * The other number is how wide it is; what follows stands `SPACING` further right.
 */
type Glyph = readonly [width: number, path: string]

const SPACING = 3
const SPACE_WIDTH = 2.6
/** Height of a capital on the grid: the size of a text in pixels is the height of its capitals. */
const CAPITAL = 14

const bowl = 'M8 9.5A4 4.5 0 1 0 0 9.5A4 4.5 0 1 0 8 9.5'
const oval = 'M5.8 0A5.8 7 0 1 0 5.8 14A5.8 7 0 1 0 5.8 0Z'

const GLYPHS: Readonly<Record<string, Glyph>> = {
  A: [10.4, 'M0 14L5.2 0L10.4 14M1.8 9.4H8.6'],
  B: [9, 'M0 0V14H5.2A3.8 3.8 0 0 0 5.2 6.4H0M0 0H4.6A3.2 3.2 0 0 1 4.6 6.4'],
  C: [9.8, 'M9.8 2.8A5.5 7 0 1 0 9.8 11.2'],
  D: [10.4, 'M0 0V14H3.4A7 7 0 0 0 3.4 0Z'],
  E: [7.8, 'M7.8 0H0V14H7.8M0 6.8H6.8'],
  F: [7.6, 'M7.6 0H0V14M0 6.8H6.6'],
  G: [10.6, 'M10 2.8A5.6 7 0 1 0 10.6 10.6V7.6H6.4'],
  H: [9.6, 'M0 0V14M9.6 0V14M0 6.8H9.6'],
  I: [0, 'M0 0V14'],
  J: [6, 'M6 0V10.2A3 3.8 0 0 1 0 10.8'],
  K: [8.8, 'M0 0V14M8.4 0L0 8.6M3.2 5.4L8.8 14'],
  L: [7.4, 'M0 0V14H7.4'],
  M: [11.8, 'M0 14V0L5.9 8.8L11.8 0V14'],
  N: [9.8, 'M0 14V0L9.8 14V0'],
  O: [11.6, oval],
  P: [8.8, 'M0 14V0H4.8A4 4 0 0 1 4.8 8H0'],
  Q: [11.6, `${oval}M7.4 10.4L11.4 14.8`],
  R: [9.2, 'M0 14V0H4.8A4 4 0 0 1 4.8 8H0M4.6 8L9.2 14'],
  S: [8.6, 'M8.2 2.4C7.4 .8 6 0 4.3 0C1.9 0 .4 1.4 .4 3.4C.4 8.2 8.6 5.6 8.6 10.4C8.6 12.6 6.8 14 4.3 14C2.2 14 .6 13 0 11.2'],
  T: [9.6, 'M0 0H9.6M4.8 0V14'],
  U: [9.6, 'M0 0V9.2A4.8 4.8 0 0 0 9.6 9.2V0'],
  V: [10, 'M0 0L5 14L10 0'],
  W: [14.6, 'M0 0L3.6 14L7.3 1.6L11 14L14.6 0'],
  X: [9.2, 'M0 0L9.2 14M9.2 0L0 14'],
  Y: [9.6, 'M0 0L4.8 7.4V14M9.6 0L4.8 7.4'],
  Z: [8.8, 'M0 0H8.8L0 14H8.8'],
  a: [8, `${bowl}M8 5V14`],
  b: [8, `M0 0V14${bowl}`],
  c: [7.2, 'M7.2 6.6A4.1 4.5 0 1 0 7.2 12.4'],
  d: [8, `${bowl}M8 0V14`],
  e: [8, 'M.1 9.2H7.9A4 4.4 0 1 0 7 12.4'],
  f: [4.8, 'M4.8 .3C2.6 -.5 1.7 .9 1.7 3V14M0 5.2H4.5'],
  g: [8, `${bowl}M8 5V14.2A4 3.8 0 0 1 .7 16.2`],
  h: [7.4, 'M0 0V14M0 9A3.7 4 0 0 1 7.4 9V14'],
  i: [0, 'M0 5V14M0 1.2V1.3'],
  j: [2.2, 'M2.2 5V15.2C2.2 17.3 1.4 18 0 17.8M2.2 1.2V1.3'],
  k: [6.9, 'M0 0V14M6.5 5L0 10.5M2.6 8.4L6.9 14'],
  l: [1.9, 'M0 0V12C0 13.5 .6 14.1 1.9 13.9'],
  m: [12, 'M0 5V14M0 8.6A3 3.6 0 0 1 6 8.6V14M6 8.6A3 3.6 0 0 1 12 8.6V14'],
  n: [7.4, 'M0 5V14M0 9A3.7 4 0 0 1 7.4 9V14'],
  o: [8.4, 'M4.2 5A4.2 4.5 0 1 0 4.2 14A4.2 4.5 0 1 0 4.2 5Z'],
  p: [8, `M0 5V18${bowl}`],
  q: [8, `${bowl}M8 5V18`],
  r: [4.4, 'M0 5V14M0 9.2A4 4.2 0 0 1 4.4 5.2'],
  s: [6.6, 'M6.2 6.7C5.6 5.5 4.6 5 3.4 5C1.6 5 .5 5.9 .5 7.2C.5 10.3 6.6 8.5 6.6 11.6C6.6 13.1 5.2 14 3.4 14C1.8 14 .6 13.3 0 12.1'],
  t: [4.9, 'M1.9 1.8V11.4C1.9 13.6 3.1 14.3 4.9 13.8M0 5.2H4.7'],
  u: [7.4, 'M0 5V10A3.7 4 0 0 0 7.4 10M7.4 5V14'],
  v: [7.6, 'M0 5L3.8 14L7.6 5'],
  w: [11.6, 'M0 5L2.9 14L5.8 5.8L8.7 14L11.6 5'],
  x: [7, 'M0 5L7 14M7 5L0 14'],
  y: [7.6, 'M0 5L3.9 13.8M7.6 5L2.9 16.6C2.4 17.7 1.5 18.2 .4 18'],
  z: [6.8, 'M0 5H6.8L0 14H6.8'],
  0: [8.8, 'M4.4 0A4.4 7 0 1 0 4.4 14A4.4 7 0 1 0 4.4 0Z'],
  1: [8.8, 'M1.6 2.8L5.2 0V14'],
  2: [8.8, 'M.6 3.7C.8 1.4 2.3 0 4.4 0C6.6 0 8.2 1.5 8.2 3.6C8.2 6.4 5.6 8.4 .4 14H8.6'],
  3: [
    8.8,
    'M.8 2.2C1.6 .8 2.8 0 4.4 0C6.5 0 8 1.3 8 3.2C8 5.2 6.4 6.4 3.8 6.4C6.8 6.4 8.6 7.9 8.6 10.2C8.6 12.5 6.8 14 4.3 14C2.3 14 .9 13.1 .2 11.4',
  ],
  4: [8.8, 'M6.6 14V0L0 10.2H8.8'],
  5: [8.8, 'M7.9 0H1.8L1 6.3C2 5.4 3.2 5 4.4 5C6.9 5 8.6 6.8 8.6 9.4C8.6 12.1 6.8 14 4.2 14C2.4 14 1 13.2 .2 11.8'],
  6: [8.8, 'M4.4 5.2A4.2 4.4 0 1 0 4.4 14A4.2 4.4 0 1 0 4.4 5.2M.8 7.5L5.6 0'],
  7: [8.8, 'M.2 0H8.6L3 14'],
  8: [8.8, 'M4.4 6.4A3.3 3.2 0 1 0 4.4 0A3.3 3.2 0 1 0 4.4 6.4A4.1 3.8 0 1 0 4.4 14A4.1 3.8 0 1 0 4.4 6.4Z'],
  9: [8.8, 'M4.4 8.8A4.2 4.4 0 1 0 4.4 0A4.2 4.4 0 1 0 4.4 8.8M8 6.5L3.2 14'],
  '.': [0, 'M0 13.8V13.9'],
  ',': [1, 'M1 13.4L0 16.4'],
  ':': [0, 'M0 6.6V6.7M0 13.8V13.9'],
  ';': [1, 'M1 6.6V6.7M1 13.4L0 16.4'],
  '!': [0, 'M0 0V9.6M0 13.8V13.9'],
  '?': [7, 'M0 3.2C.4 1.2 1.8 0 3.6 0C5.6 0 7 1.4 7 3.2C7 6 3.6 6.2 3.6 9.6M3.6 13.8V13.9'],
  $: [
    8.2,
    'M7.7 3.5C7 2.2 5.9 1.6 4.3 1.6C2.2 1.6 .8 2.7 .8 4.4C.8 8.2 8.2 6 8.2 9.8C8.2 11.5 6.6 12.6 4.4 12.6C2.4 12.6 .8 11.8 .2 10.4M4.3 -.8V15',
  ],
  '%': [11, 'M9.6 0L1.4 14M2.6 .4A2.5 2.8 0 1 0 2.6 6A2.5 2.8 0 1 0 2.6 .4ZM8.4 8A2.5 2.8 0 1 0 8.4 13.6A2.5 2.8 0 1 0 8.4 8Z'],
  '+': [8, 'M0 8.2H8M4 4.2V12.2'],
  '-': [4.6, 'M0 8.8H4.6'],
  '–': [7, 'M0 8.8H7'],
  '—': [11, 'M0 8.8H11'],
  '=': [8, 'M0 6.4H8M0 10.2H8'],
  '~': [8, 'M0 9.6C1.6 6.8 3.2 7.4 4 8.4C4.8 9.4 6.4 10 8 7.2'],
  '/': [6, 'M0 15.4L6 -1'],
  '(': [3, 'M3 -1.4C-.8 3.6 -.8 11.8 3 16.8'],
  ')': [3, 'M0 -1.4C3.8 3.6 3.8 11.8 0 16.8'],
  '[': [3, 'M3 -1.4H0V16.8H3'],
  ']': [3, 'M0 -1.4H3V16.8H0'],
  '<': [7, 'M7 4.4L0 8.6L7 12.8'],
  '>': [7, 'M0 4.4L7 8.6L0 12.8'],
  '×': [6.4, 'M0 5.4L6.4 11.8M6.4 5.4L0 11.8'],
  '·': [0, 'M0 8.6V8.7'],
  '*': [6, 'M3 0V6.4M.2 1.6L5.8 4.8M5.8 1.6L.2 4.8'],
  '#': [9, 'M3.2 0L1.6 14M7.4 0L5.8 14M.6 4.6H9M0 9.4H8.4'],
  '&': [10.4, 'M10.4 14L2.4 4.4C.6 2 2 0 4.2 0C6.4 0 7.4 2.6 5.4 4.6L2.2 7.2C-.6 9.6 .6 14 4.4 14C7.6 14 9.4 11.6 9.8 8.4'],
  '@': [
    13,
    'M9.6 9.8C8.6 11 3.8 11.6 3.8 7.6C3.8 3.6 9.4 3.4 9.6 7.2V9.4C9.8 11.4 13 11 13 7C13 3 10.2 0 6.5 0C2.8 0 0 3 0 7C0 11 2.8 14 6.5 14C8 14 9.2 13.6 10.4 13',
  ],
  _: [8, 'M0 15.4H8'],
  "'": [0, 'M0 0V4'],
  '"': [3, 'M0 0V4M3 0V4'],
  '|': [0, 'M0 -1.4V16.8'],
}

/** Typographic marks that have a plain sister here. */
const SISTERS: Readonly<Record<string, string>> = { '‘': "'", '’': "'", '“': '"', '”': '"', '„': '"', '‑': '-', '−': '-' }
const MISSING: Glyph = [7, 'M0 0H7V14H0Z']

/** Letters that can be drawn: accents fall off, a sign nobody drew is a box. */
function glyphsOf(text: string): readonly (Glyph | null)[] {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '')
  return Array.from(plain, (letter) => {
    if (/\s/.test(letter)) return null
    const known = SISTERS[letter] ?? letter
    return Object.hasOwn(GLYPHS, known) ? (GLYPHS[known] ?? MISSING) : MISSING
  })
}

const advance = (glyph: Glyph | null): number => (glyph === null ? SPACE_WIDTH : glyph[0]) + SPACING

/** Pixels a text takes where its capitals are `size` pixels high. */
export const textWidth = (text: string, size: number): number =>
  Math.max(0, glyphsOf(text).reduce((sum, glyph) => sum + advance(glyph), 0) - SPACING) * (size / CAPITAL)

export interface TextStyle {
  /** Height of a capital, in pixels. */
  readonly size: number
  readonly color: string
  /** Of the pen, in pixels. */
  readonly weight: number
}

/** A line of text as SVG; `x` is its left edge, `y` the top of its capitals. */
export function textSvg(text: string, x: number, y: number, { size, color, weight }: TextStyle): string {
  const scale = size / CAPITAL
  let pen = 0
  const paths = glyphsOf(text).map((glyph) => {
    const path = glyph === null ? '' : `<path d="${glyph[1]}" transform="translate(${pen.toFixed(2)} 0)"/>`
    pen += advance(glyph)
    return path
  })
  const stroke = `fill="none" stroke="${color}" stroke-width="${(weight / scale).toFixed(2)}" stroke-linecap="round" stroke-linejoin="round"`
  return `<g transform="translate(${x} ${y}) scale(${scale.toFixed(4)})" ${stroke}>${paths.join('')}</g>`
}

/** The beginning of a text that fits, with an ellipsis where something is left out. */
export function shortened(text: string, size: number, width: number): string {
  if (fitting(text, size, width) === text) return text
  return `${fitting(text, size, width - textWidth(' …', size)).trimEnd()}…`
}

/** Lines no wider than `width`, broken between words; at most `most`, the last one shortened. */
export function wrapped(text: string, size: number, width: number, most: number): readonly string[] {
  const lines: string[] = []
  let rest = text.replaceAll(/\s+/g, ' ').trim()
  while (rest !== '' && lines.length < most) {
    const isLast = lines.length === most - 1
    const line = isLast ? shortened(rest, size, width) : wordsThatFit(rest, size, width)
    lines.push(line)
    rest = isLast ? '' : rest.slice(line.length).trim()
  }
  return lines
}

/** Whole words where even one fits, else as much of the first as does. */
function wordsThatFit(text: string, size: number, width: number): string {
  const line = fitting(text, size, width)
  if (line === text || text[line.length] === ' ') return line
  const end = line.lastIndexOf(' ')
  return end > 0 ? line.slice(0, end) : line
}

/** As many letters from the beginning as are no wider than `width`, at least one. */
function fitting(text: string, size: number, width: number): string {
  let taken = ''
  let pen = 0
  for (const letter of text) {
    for (const glyph of glyphsOf(letter)) pen += advance(glyph)
    if (taken !== '' && (pen - SPACING) * (size / CAPITAL) > width) return taken
    taken += letter
  }
  return taken
}
