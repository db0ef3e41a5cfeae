import { randomFillSync } from 'node:crypto'

/** Drawn ahead: a draw from the system costs as much as many ids. */
const random = Buffer.alloc(4_096)
let used = random.length
/** Where so many bytes are that nobody has seen. */
function draw(bytes: number): number {
  if (used + bytes > random.length) {
    randomFillSync(random)
    used = 0
  }
  used += bytes
  return used - bytes
}

/** Where an id is put together, so that it is one piece (see `inOnePiece`). */
const written = Buffer.alloc(64)
const HEX = Buffer.from('0123456789abcdef')

/** The drawn bytes from `from` to `to` as hex, at `at`. A loop: each call of a buffer's own `write` takes as long as writing a whole id. */
function writeHex(at: number, from: number, to: number): number {
  let end = at
  for (let next = from; next < to; next++) {
    const byte = random[next] ?? 0
    written[end++] = HEX[byte >> 4] ?? 0
    written[end++] = HEX[byte & 0x0f] ?? 0
  }
  return end
}

function writeText(text: string): number {
  for (let at = 0; at < text.length; at++) written[at] = text.charCodeAt(at)
  return text.length
}

/** What was drawn, behind its start. */
const inHex = (start: string, from: number): string => written.toString('latin1', 0, writeHex(writeText(start), from, used))

/** Says which kind of UUID it is that was drawn, in the byte `kindAt` and the byte two behind it. */
function mark(kindAt: number, version: number): void {
  random[kindAt] = ((random[kindAt] ?? 0) & 0x0f) | (version << 4)
  random[kindAt + 2] = ((random[kindAt + 2] ?? 0) & 0x3f) | 0x80
}

const TIME_DIGITS = 12
let time = { ms: Number.NaN, hex: '' }

/** A UUID v7 (RFC 9562) without dashes. Ordered by time, then random: an id sorts by age and cannot be guessed. */
export function orderedId(prefix: string): string {
  const ms = Date.now()
  if (ms !== time.ms) time = { ms, hex: ms.toString(16).padStart(TIME_DIGITS, '0') }
  const from = draw(10)
  mark(from, 7)
  return inHex(`${prefix}_${time.hex}`, from)
}

export const randomId = (prefix: string): string => inHex(`${prefix}_`, draw(16))

const DASH = 0x2d
/** Where the parts of a UUID begin, in bytes; the last is its end. */
const UUID_PARTS = [0, 4, 6, 8, 10, 16] as const

/** A UUID v4 (RFC 9562). */
export function newUuid(): string {
  const from = draw(16)
  mark(from + 6, 4)
  let end = 0
  for (let part = 1; part < UUID_PARTS.length; part++) {
    if (part > 1) written[end++] = DASH
    end = writeHex(end, from + (UUID_PARTS[part - 1] ?? 0), from + (UUID_PARTS[part] ?? 0))
  }
  return written.toString('latin1', 0, end)
}
