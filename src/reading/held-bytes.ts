import { createHash, randomBytes } from 'node:crypto'
import { BYTES_PER_TURN, itsTurn } from './turn-share.ts'

/** Bytes of an image that came inside JSON, in the pieces they came in. */
export interface HeldBytes {
  readonly chunks: readonly Buffer[]
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
}

/** How many characters of the image's own base64 stand first, so that its format is seen. */
export const HEAD_CHARS = 16
/** Base64 like everything in a stand-in; what follows it is a number nobody can guess, and the SHA-256. */
const MARK = 'imagegateHolds++'
const NUMBER_CHARS = 32
const HASH_CHARS = 64
const STAND_IN_CHARS = HEAD_CHARS + MARK.length + NUMBER_CHARS + HASH_CHARS
/** Longer than anybody keeps what was read. */
const MOST_AGE_MS = 30 * 60_000
/** Of what callers send, all together; beyond it the oldest of whoever has most are let go, and who needed them is refused. */
const MOST_BYTES = 1_024 ** 3

interface Entry extends HeldBytes {
  readonly since: number
  readonly from: From
}

/** The caller who sent it; a reply, which was paid for and is let go by its age alone; or lent, which whoever has it gives back. */
type From = { readonly caller: string } | 'reply' | 'lent'

/** What is held of a caller, the oldest first. */
interface Sent {
  bytes: number
  readonly numbers: Set<string>
}

const held = new Map<string, Entry>()
const sentBy = new Map<string, Sent>()
let total = 0
/** Of all callers. */
let sentBytes = 0

/**
 * Keeps the bytes of an inline image and gives what stands for its base64 in the JSON: itself base64, with the image's own beginning, so that
 * whoever handles the text need not know. It is understood by this process alone, and until it is released.
 * @param caller who sent it; null: it came with a reply
 */
export function hold(head: string, bytes: HeldBytes, caller: string | null = null): string {
  const oldest = performance.now() - MOST_AGE_MS
  for (const [number, { since, from }] of held) {
    if (since > oldest) break
    if (from !== 'lent') forget(number)
  }
  const standIn = enter(head, bytes, caller === null ? 'reply' : { caller })
  letOldestGo()
  return standIn
}

function enter(head: string, bytes: HeldBytes, from: From): string {
  const number = randomBytes(NUMBER_CHARS / 2).toString('hex')
  held.set(number, { ...bytes, since: performance.now(), from })
  if (from !== 'lent') total += bytes.bytes
  if (typeof from === 'object') {
    const sent = sentBy.get(from.caller) ?? { bytes: 0, numbers: new Set() }
    sentBy.set(from.caller, sent)
    sent.numbers.add(number)
    sent.bytes += bytes.bytes
    sentBytes += bytes.bytes
  }
  return head.slice(0, HEAD_CHARS) + MARK + number + bytes.sha256
}

function letOldestGo(): void {
  if (sentBytes <= MOST_BYTES) return
  const [first, ...others] = sentBy.values()
  const [oldest] = others.reduce((most, sent) => (sent.bytes > (most?.bytes ?? 0) ? sent : most), first)?.numbers ?? []
  if (oldest === undefined) return
  forget(oldest)
  letOldestGo()
}

/** Base64 of so few bytes is quickly made, and not worth a stand-in. */
const LENT_FROM_BYTES = 64 * 1_024

/**
 * Bytes of our own for one call: their base64, or, where they are many, what stands for it. Nobody but `release` lets go of them.
 * @param sha256 lower-case hex
 */
export function lend(bytes: Buffer, sha256: string): string {
  if (bytes.length < LENT_FROM_BYTES) return bytes.toString('base64')
  const head = bytes.toString('base64', 0, HEAD_CHARS)
  return enter(head, { chunks: [bytes], bytes: bytes.length, sha256 }, 'lent')
}

/** As `hold`, for bytes that a caller sent as they are. */
export async function holdChunks(chunks: readonly Buffer[], caller: string): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  /** In this turn. */
  let hashed = 0
  for (const chunk of chunks) {
    if (hashed + chunk.length > BYTES_PER_TURN) {
      await itsTurn(chunk.length, caller)
      hashed = 0
    }
    hash.update(chunk)
    hashed += chunk.length
    bytes += chunk.length
  }
  const head = Buffer.concat(chunks.slice(0, HEAD_CHARS)).subarray(0, HEAD_CHARS)
  return hold(head.toString('base64'), { chunks, bytes, sha256: hash.digest('hex') }, caller)
}

/** What stands behind a payload or the `data:` URI that ends in it; null where it is an image's own base64, or is held no more. */
export function heldIn(text: string): HeldBytes | null {
  const number = numberIn(text)
  return number === null ? null : (held.get(number) ?? null)
}

/** Whether a text was a stand-in at its time, in this process or an earlier one. */
export const isStandIn = (text: string): boolean => numberIn(text) !== null

/** The SHA-256 of the image that a text stands for, or stood for at its time; null where it is none. */
export const sha256Of = (text: string): string | null => (isStandIn(text) ? text.slice(-HASH_CHARS) : null)

/** A longer text in parts: what it says itself, and the bytes of each stand-in in it. */
export function partsOf(text: string): readonly (string | HeldBytes)[] {
  const parts: (string | HeldBytes)[] = []
  let from = 0
  for (let mark = text.indexOf(MARK); mark >= 0; mark = text.indexOf(MARK, mark + 1)) {
    const start = mark - HEAD_CHARS
    const bytes = start < from ? null : heldIn(text.slice(start, start + STAND_IN_CHARS))
    if (bytes === null) continue
    parts.push(text.slice(from, start), bytes)
    from = start + STAND_IN_CHARS
  }
  parts.push(text.slice(from))
  return parts
}

/** The stand-in that a text is, or ends in; null where it is none. */
export const standInOf = (text: string): string | null => (isStandIn(text) ? text.slice(-STAND_IN_CHARS) : null)

/** Lets go of what a text stands for; more than once does nothing. */
export function release(text: string): void {
  const number = numberIn(text)
  if (number !== null) forget(number)
}

/** The same for the same bytes, whenever they came; any other text as it is. */
export function withoutNumber(text: string): string {
  const number = numberIn(text)
  return number === null ? text : text.replace(number, '')
}

/** How many bytes are held. */
export const heldBytes = (): number => total

function numberIn(text: string): string | null {
  const start = text.length - STAND_IN_CHARS
  if (start < 0 || !text.startsWith(MARK, start + HEAD_CHARS)) return null
  const number = start + HEAD_CHARS + MARK.length
  return text.slice(number, number + NUMBER_CHARS)
}

function forget(number: string): void {
  const entry = held.get(number)
  if (!entry || !held.delete(number) || entry.from === 'lent') return
  total -= entry.bytes
  if (entry.from === 'reply') return
  const { caller } = entry.from
  const sent = sentBy.get(caller)
  sentBytes -= entry.bytes
  if (!sent?.numbers.delete(number)) return
  sent.bytes -= entry.bytes
  if (sent.numbers.size === 0) sentBy.delete(caller)
}
