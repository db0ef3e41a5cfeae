/** Bytes of a frame's header up to its length. */
const SHORT_HEAD_BYTES = 2
const MASK_BYTES = 4
const IS_MASKED = 0x80
const LENGTH = 0x7f

const MOST_HEAD_BYTES = 14

/** Finds where frames begin in what comes of a WebSocket, in pieces of any size, without reading what is in them. RFC 6455, 5.2 */
export class FramesIn {
  /** Bytes of this frame's content that have not come. */
  #left = 0
  /** The beginning of a frame whose header has not come whole. */
  readonly #head = Buffer.alloc(MOST_HEAD_BYTES)
  #headBytes = 0
  #count = 0

  /** Frames that have begun. */
  get count(): number {
    return this.#count
  }

  /** @returns how many of the bytes have no more than so many beginnings of frames */
  pass(bytes: Buffer, mostFrames = Infinity): number {
    const last = this.#count + mostFrames
    for (let at = 0; ;) {
      const content = Math.min(this.#left, bytes.length - at)
      this.#left -= content
      at += content
      if (at === bytes.length) return at
      if (this.#headBytes === 0) {
        if (this.#count === last) return at
        this.#count += 1
      }
      this.#head[this.#headBytes++] = bytes[at] ?? 0
      at += 1
      if (this.#headBytes >= SHORT_HEAD_BYTES) this.#readHead()
    }
  }

  #readHead(): void {
    const second = this.#head[1] ?? 0
    const short = second & LENGTH
    const more = short === 127 ? 8 : short === 126 ? 2 : 0
    const mask = (second & IS_MASKED) === 0 ? 0 : MASK_BYTES
    if (this.#headBytes < SHORT_HEAD_BYTES + more + mask) return
    this.#left = more === 0 ? short : more === 2 ? this.#head.readUInt16BE(2) : Number(this.#head.readBigUInt64BE(2))
    this.#headBytes = 0
  }
}
