import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { measure } from '../../../src/store/assets/measure.ts'
import { vastPng } from './vast-png.ts'

const blank = (width: number, height: number) => sharp({ create: { width, height, channels: 3, background: '#fff' } })

describe('measuring a picture', () => {
  test.each(['jpeg', 'png', 'webp'] as const)('reads format and size of a %s', async (format) => {
    expect(await measure(await blank(37, 21).toFormat(format).toBuffer())).toEqual({ format, width: 37, height: 21 })
  })

  test.each(['gif', 'avif', 'tiff'] as const)('refuses a %s', async (format) => {
    await expect(measure(await blank(9, 9).toFormat(format).toBuffer())).rejects.toMatchObject({ reason: 'not_an_image' })
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a page', Buffer.from('<html>no</html>')],
    ['a drawing that would be read by another decoder', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5"/>')],
    ['a signature without a header', Buffer.from('89504e470d0a1a0a00000000', 'hex')],
  ])('refuses %s', async (_, bytes) => {
    await expect(measure(bytes)).rejects.toMatchObject({ reason: 'not_an_image' })
  })

  test('refuses more than 100 megapixels by their number', async () => {
    await expect(measure(vastPng(20_000, 6_000))).rejects.toMatchObject({ reason: 'too_large' })
    await expect(measure(vastPng(10_000, 6_000))).resolves.toMatchObject({ width: 10_000, height: 6_000 })
  })
})
