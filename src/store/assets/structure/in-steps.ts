/** Reads what comes in pieces by a step that says how far it came; it stays where it is while it needs more bytes. */
export class InSteps {
  readonly #step: (bytes: Buffer, at: number) => number
  readonly #isOver: () => boolean
  /** What the next step begins with and has not come whole. */
  #held: Buffer = Buffer.alloc(0)

  constructor(step: (bytes: Buffer, at: number) => number, isOver: () => boolean) {
    this.#step = step
    this.#isOver = isOver
  }

  take(piece: Buffer): void {
    if (this.#isOver()) return
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    this.#held = Buffer.alloc(0)
    for (let at = 0; at < bytes.length && !this.#isOver();) {
      const next = this.#step(bytes, at)
      if (next === at) {
        this.#held = Buffer.from(bytes.subarray(at))
        return
      }
      at = next
    }
  }
}
