import { setFlagsFromString } from 'node:v8'

/** So long after the last inline image its bytes are no longer all that passes through. */
const CALM_MS = 5_000

/**
 * The bytes of images lie outside V8's heap. By default it marks all of the heap for every few images that pass through, however little of it
 * has changed: with the bytes counted in the limit of the heap itself it does so as the whole grows. Measured: a kept PNG of 3.3 MB costs 0.77
 * times the CPU, a kept JPEG of 190 kB 0.74, and memory stays as level (`npm run bench -- kept`).
 */
export const countImagesInHeapLimit = (): void => setIsCounted(true)

const setIsCounted = (isCounted: boolean): void =>
  setFlagsFromString(`--${isCounted ? '' : 'no-'}external-memory-accounted-in-global-limit`)

let calm: NodeJS.Timeout | null = null

/**
 * An image inside JSON is in memory twice, as base64 and as its bytes, and V8 marks as it does by default while such images come. Measured: eight
 * at once take at most 2.3 to 2.6 times their base64, and 2.8 to 3.4 with their bytes counted as above (`npm run bench -- inline`).
 */
export function markForInlineImage(): void {
  if (calm !== null) return void calm.refresh()
  setIsCounted(false)
  calm = setTimeout(() => {
    calm = null
    setIsCounted(true)
  }, CALM_MS).unref()
}
