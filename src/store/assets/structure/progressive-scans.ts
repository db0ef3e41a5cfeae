const COEFFICIENTS = 64

/**
 * What the scans of a progressive JPEG have brought so far: each brings some coefficients of some components, down to a bit (T.81, G.1.1.1).
 * One that ends between two scans decodes without a complaint, as a blurred image.
 */
export class ProgressiveScans {
  /** By component, for each coefficient the lowest bit that has come; 255 where nothing has. */
  readonly #lowestBits: ReadonlyMap<number, Uint8Array>

  /** @param frame the content of the frame’s segment */
  constructor(frame: Buffer) {
    const count = Math.min(frame[5] ?? 0, 4)
    const ids = Array.from({ length: count }, (_, index) => frame[6 + 3 * index] ?? 0)
    this.#lowestBits = new Map(ids.map((id) => [id, new Uint8Array(COEFFICIENTS).fill(255)]))
  }

  /** @param scan the content of the scan’s header */
  take(scan: Buffer): void {
    const count = scan[0] ?? 0
    const [first = 0, last = 0, bits = 0] = scan.subarray(1 + 2 * count)
    for (let index = 0; index < count; index++) {
      const lowest = this.#lowestBits.get(scan[1 + 2 * index] ?? 0)
      lowest?.fill(bits & 0x0f, first, Math.min(last, COEFFICIENTS - 1) + 1)
    }
  }

  /** Every bit of every coefficient has come. */
  isComplete(): boolean {
    return [...this.#lowestBits.values()].every((lowest) => lowest.every((bit) => bit === 0))
  }
}
