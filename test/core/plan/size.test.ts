import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MEGAPIXEL, type RangeSize } from '#contract'
import { rangeSize } from '../../support/legal-orders.ts'
import { type Size, factorBetween, isLegalSize, isNearEnough, nearestSize, ratioChange, sizeForShape } from '../../../src/core/plan/size.ts'
import { bfl, runware, vtrix } from './offers.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_121 })

const free = rangeSize(bfl.limits.size)
const boxed = rangeSize(runware.limits.size)
const coarse = rangeSize(vtrix.limits.size)

const limits = fc
  .record({
    step: fc.constantFrom(undefined, 1, 8, 16, 32, 64),
    minSteps: fc.integer({ min: 1, max: 8 }),
    widthSteps: fc.integer({ min: 8, max: 128 }),
    heightSteps: fc.integer({ min: 8, max: 128 }),
    maxPixels: fc.constantFrom(null, 0.25, 0.5, 1),
  })
  .map(({ step, minSteps, widthSteps, heightSteps, maxPixels }): RangeSize => {
    const unit = step ?? 16
    const range = (steps: number) => ({
      type: 'range' as const,
      min: minSteps * unit,
      max: (minSteps + steps) * unit,
      ...(step && { step }),
    })
    const [width, height] = [range(widthSteps), range(heightSteps)]
    const smallest = width.min * height.min
    return {
      kind: 'range',
      width,
      height,
      max_pixels: maxPixels === null ? null : Math.floor(smallest + maxPixels * (width.max * height.max - smallest)),
      required: false,
      follows_reference: false,
    }
  })
const side = fc.integer({ min: 1, max: 65_536 })
const sizes = fc.record({ width: side, height: side })
const shapes = fc.record({ width: fc.integer({ min: 1, max: 9999 }), height: fc.integer({ min: 1, max: 9999 }) })

describe('the nearest legal size', () => {
  it.each([
    [{ width: 1536, height: 1024 }, boxed, { width: 1536, height: 1024 }],
    [{ width: 1920, height: 1080 }, boxed, { width: 1920, height: 1088 }],
    [{ width: 1000, height: 1000 }, boxed, { width: 1008, height: 1008 }],
    [{ width: 1280, height: 720 }, coarse, { width: 1280, height: 736 }],
    [{ width: 4096, height: 4096 }, free, { width: 2048, height: 2048 }],
    [{ width: 3000, height: 3000 }, free, { width: 2048, height: 2048 }],
    [{ width: 4096, height: 2048 }, boxed, { width: 2048, height: 1024 }],
    [{ width: 128, height: 256 }, boxed, { width: 256, height: 512 }],
    [{ width: 1, height: 1 }, free, { width: 64, height: 64 }],
  ])('of %o within %o is %o', (wanted, limit, legal) => {
    expect(nearestSize(wanted, limit)).toEqual(legal)
  })

  it.each([
    [
      { width: 1032, height: 1032 },
      { width: 1024, height: 1024 },
    ],
    [
      { width: 1032, height: 2048 },
      { width: 1024, height: 2048 },
    ],
    [
      { width: 1032, height: 1024 },
      { width: 1024, height: 1024 },
    ],
    // Both cost one megapixel, so nothing is saved by the smaller one.
    [
      { width: 1000, height: 1000 },
      { width: 1008, height: 1008 },
    ],
    // 1071 is nearer to 1072 than to 1056.
    [
      { width: 1024, height: 1071 },
      { width: 1024, height: 1072 },
    ],
  ])('of %o, midway between two, is the one that buys fewer megapixels: %o', (wanted, legal) => {
    expect(nearestSize(wanted, free)).toEqual(legal)
  })

  it('never buys a megapixel that an equally near size does not', () => {
    const multiples = fc.integer({ min: 16, max: 127 }).map((steps) => steps * 16)
    fc.assert(
      fc.property(multiples, multiples, fc.constantFrom(0, 8), fc.constantFrom(0, 8), (width, height, right, down) => {
        const size = nearestSize({ width: width + right, height: height + down }, boxed)
        // Midway on every side that is off the grid, so both ends are equally near.
        const ends = [
          { width, height },
          { width: width + 2 * right, height: height + 2 * down },
        ]
        const megapixels = (end: Size) => Math.ceil((end.width * end.height) / MEGAPIXEL)
        expect(ends).toContainEqual(size)
        expect(size && megapixels(size)).toBe(Math.min(...ends.map(megapixels)))
      }),
    )
  })

  it('is none where the limits hold no multiple of the step', () => {
    const impossible: RangeSize = { ...boxed, width: { type: 'range', min: 257, max: 271, step: 16 } }
    expect(nearestSize({ width: 260, height: 512 }, impossible)).toBeNull()
    expect(sizeForShape({ width: 1, height: 1 }, MEGAPIXEL, impossible)).toBeNull()
  })

  it('is none where even the smallest size has too many pixels', () => {
    expect(nearestSize({ width: 512, height: 512 }, { ...boxed, max_pixels: 65_535 })).toBeNull()
  })

  it('is always legal, and a legal size is left as it is', () => {
    fc.assert(
      fc.property(sizes, limits, (wanted, limit) => {
        const size = nearestSize(wanted, limit)
        expect(size && isLegalSize(size, limit)).toBe(true)
        expect(size && nearestSize(size, limit)).toEqual(size)
        if (isLegalSize(wanted, limit)) expect(size).toEqual(wanted)
      }),
    )
  })

  it('is less than one step away on each side where only the step is broken', () => {
    fc.assert(
      fc.property(fc.integer({ min: 256, max: 2048 }), fc.integer({ min: 256, max: 2048 }), (width, height) => {
        const size = nearestSize({ width, height }, boxed)
        expect(Math.abs((size?.width ?? 0) - width)).toBeLessThan(16)
        expect(Math.abs((size?.height ?? 0) - height)).toBeLessThan(16)
      }),
    )
  })

  it('keeps the shape of an image that is far too large', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2048, max: 8192 }), fc.integer({ min: 2048, max: 8192 }), (width, height) => {
        const size = nearestSize({ width, height }, free)
        expect(size && ratioChange(size, { width, height })).toBeLessThan(1.02)
      }),
    )
  })

  it('never shrinks when a larger square is asked', () => {
    fc.assert(
      fc.property(side, side, limits, (one, other, limit) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)]
        const smaller = nearestSize({ width: less, height: less }, limit)
        const larger = nearestSize({ width: more, height: more }, limit)
        expect(larger?.width).toBeGreaterThanOrEqual(smaller?.width ?? Number.NaN)
        expect(larger?.height).toBeGreaterThanOrEqual(smaller?.height ?? Number.NaN)
      }),
    )
  })

  it('is mirrored when width and height are exchanged', () => {
    fc.assert(
      fc.property(sizes, ({ width, height }) => {
        const upright = nearestSize({ width, height }, boxed)
        const lying = nearestSize({ width: height, height: width }, boxed)
        expect(lying).toEqual({ width: upright?.height, height: upright?.width })
      }),
    )
  })
})

describe('the size for a shape', () => {
  it.each([
    ['1:1', 1, boxed, { width: 1024, height: 1024 }],
    ['3:2', 1, boxed, { width: 1248, height: 832 }],
    ['2:3', 1, boxed, { width: 832, height: 1248 }],
    ['16:9', 1, boxed, { width: 1360, height: 768 }],
    ['16:9', 1, coarse, { width: 1344, height: 768 }],
    // 1904×1072 has more of the shape, and is more than a step away.
    ['16:9', 2, boxed, { width: 1920, height: 1088 }],
    ['9:16', 2, boxed, { width: 1088, height: 1920 }],
    // 592×432 is nearer in pixels, and its shape is another one.
    ['4:3', 0.25, boxed, { width: 576, height: 432 }],
    ['1:1', 4, free, { width: 2048, height: 2048 }],
    ['16:9', 4, boxed, { width: 2048, height: 1152 }],
    ['1:1', 0.01, boxed, { width: 256, height: 256 }],
    ['10:1', 1, boxed, { width: 2048, height: 256 }],
  ])('%s at %d megapixels within %o is %o', (ratio, megapixels, limit, size) => {
    const [width = 0, height = 0] = ratio.split(':').map(Number)
    expect(sizeForShape({ width, height }, megapixels * MEGAPIXEL, limit)).toEqual(size)
  })

  it('is always legal and the same for the same question', () => {
    fc.assert(
      fc.property(shapes, fc.double({ min: 0.01, max: 100, noNaN: true }), limits, (shape, megapixels, limit) => {
        const size = sizeForShape(shape, megapixels * MEGAPIXEL, limit)
        expect(size && isLegalSize(size, limit)).toBe(true)
        expect(sizeForShape(shape, megapixels * MEGAPIXEL, limit)).toEqual(size)
      }),
    )
  })

  it('never begins a megapixel that was not asked for', () => {
    const friendly = fc.record({ width: fc.integer({ min: 1, max: 21 }), height: fc.integer({ min: 1, max: 21 }) })
    fc.assert(
      fc.property(friendly, fc.integer({ min: 1, max: 4 }), fc.constantFrom(free, coarse), (shape, megapixels, limit) => {
        const size = sizeForShape(shape, megapixels * MEGAPIXEL, limit)
        expect(size && size.width * size.height).toBeLessThanOrEqual(megapixels * MEGAPIXEL)
      }),
    )
  })

  it('is no worse, by its own measure, than any other legal size that is as small', () => {
    const limit: RangeSize = {
      ...boxed,
      width: { type: 'range', min: 64, max: 640, step: 32 },
      height: { type: 'range', min: 64, max: 640, step: 32 },
    }
    const grid = Array.from({ length: 19 }, (_, index) => 64 + index * 32)
    const all = grid.flatMap((width) => grid.map((height) => ({ width, height })))
    const modest = fc.record({ width: fc.integer({ min: 1, max: 4 }), height: fc.integer({ min: 1, max: 4 }) })
    fc.assert(
      fc.property(modest, fc.double({ min: 0.04, max: 0.09, noNaN: true }), (shape, megapixels) => {
        const pixels = megapixels * MEGAPIXEL
        const error = (size: { width: number; height: number }) =>
          5 * Math.log(ratioChange(size, shape)) + Math.log(factorBetween(size.width * size.height, pixels))
        const chosen = sizeForShape(shape, pixels, limit)
        const best = Math.min(...all.filter((size) => size.width * size.height <= pixels).map(error))
        expect(chosen && error(chosen)).toBeCloseTo(best, 9)
      }),
    )
  })
})

describe('a size that is still what was asked', () => {
  it('may be far smaller in the same shape', () => {
    expect(isNearEnough({ width: 8192, height: 8192 }, { width: 2048, height: 2048 })).toBe(true)
  })

  it('may grow from a few pixels to the smallest image an offer makes', () => {
    expect(isNearEnough({ width: 1, height: 1 }, { width: 256, height: 256 })).toBe(true)
  })

  it('is not one of another shape', () => {
    expect(isNearEnough({ width: 10_000, height: 10 }, { width: 2048, height: 256 })).toBe(false)
  })

  it('is not one of megapixels nobody asked to pay', () => {
    expect(isNearEnough({ width: 10_000, height: 10 }, { width: 64_000, height: 64 })).toBe(false)
  })
})
