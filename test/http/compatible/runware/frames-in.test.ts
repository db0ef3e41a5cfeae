import { expect, test } from 'vitest'
import { FramesIn } from '../../../../src/http/compatible/runware/frames-in.ts'

/** Masked, as a client sends it. */
function frame(contentBytes: number): Buffer {
  const head =
    contentBytes < 126
      ? Buffer.of(0x81, 0x80 | contentBytes)
      : contentBytes < 65_536
        ? Buffer.of(0x81, 0xfe, contentBytes >> 8, contentBytes & 0xff)
        : Buffer.concat([
            Buffer.of(0x81, 0xff, 0, 0, 0, 0),
            Buffer.of(0, contentBytes >> 16, (contentBytes >> 8) & 0xff, contentBytes & 0xff),
          ])
  return Buffer.concat([head, Buffer.alloc(4), Buffer.alloc(contentBytes, 0xff)])
}
const SIZES = [0, 1, 125, 126, 300, 65_535, 65_536, 70_000, 0, 2]
const all = Buffer.concat(SIZES.map(frame))

test.each([1, 2, 3, 7, 1_000, all.length])('frames of any length are counted in pieces of %i bytes', (pieceBytes) => {
  const frames = new FramesIn()
  for (let at = 0; at < all.length; at += pieceBytes) frames.pass(all.subarray(at, at + pieceBytes))
  expect(frames.count).toBe(SIZES.length)
})

test('the bytes in which so many frames begin are passed, and the rest the next time', () => {
  const frames = new FramesIn()
  const first = frames.pass(all, 4)
  expect(first).toBe(Buffer.concat(SIZES.slice(0, 4).map(frame)).length)
  expect(frames.pass(all.subarray(first), 100)).toBe(all.length - first)
  expect(frames.count).toBe(SIZES.length)
})
