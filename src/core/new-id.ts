import { randomFillSync, randomUUID } from 'node:crypto'
import { inOnePiece } from '#adapter-kit'

/** Drawn ahead: a draw from the system costs as much as many ids. */
const random = Buffer.alloc(4_096)
let used = random.length
/** Where an id is put together, so that it is one piece (see `inOnePiece`). */
const written = Buffer.alloc(64)

/** Where so many bytes are that nobody has seen. */
function draw(bytes: number): number {
  if (used + bytes > random.length) {
    randomFillSync(random)
    used = 0
  }
  used += bytes
  return used - bytes
}

function inHex(start: string, from: number): string {
  written.write(start, 'latin1')
  const end = start.length + written.write(random.toString('hex', from, used), start.length, 'latin1')
  return written.toString('latin1', 0, end)
}

const TIME_DIGITS = 12
let time = { ms: Number.NaN, hex: '' }

/** A UUID v7 (RFC 9562) without dashes. Ordered by time, then random: an id sorts by age and cannot be guessed. */
export function orderedId(prefix: string): string {
  const ms = Date.now()
  if (ms !== time.ms) time = { ms, hex: ms.toString(16).padStart(TIME_DIGITS, '0') }
  const from = draw(10)
  random[from] = ((random[from] ?? 0) & 0x0f) | 0x70
  random[from + 2] = ((random[from + 2] ?? 0) & 0x3f) | 0x80
  return inHex(`${prefix}_${time.hex}`, from)
}

export const randomId = (prefix: string): string => inHex(`${prefix}_`, draw(16))

export const newUuid = (): string => inOnePiece(randomUUID())
