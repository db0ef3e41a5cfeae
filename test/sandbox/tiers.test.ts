import { expect, test } from 'vitest'
import { shaped } from '#sandbox'

test.each(['1:1', '4:3', '16:9', '21:9', '5:4', '9:21'])(
  'an image of the shape %s has no more pixels than its tier is sold with',
  (shape) => {
    const { ofBody } = shaped(1024, '1:1')
    const { width = 0, height = 0 } = ofBody?.({ aspect_ratio: shape }, undefined) ?? {}
    expect(width * height).toBeLessThanOrEqual(1_048_576)
    expect(width * height).toBeGreaterThan(1_000_000)
    expect([width % 16, height % 16]).toEqual([0, 0])
  },
)
