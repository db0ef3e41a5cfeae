import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import type { Comparison, ComparisonRow } from '#contract'
import { shortened, textSvg, textWidth, wrapped } from '../../src/cli/contact-sheet-font.ts'
import { contactSheet, type SheetCell } from '../../src/cli/contact-sheet.ts'
import { comparisonRow } from './fake-gateway.ts'

const PAPER = [0xf7, 0xf5, 0xf0]
const row = (provider: string, changes: Partial<ComparisonRow> = {}): ComparisonRow =>
  comparisonRow(provider, { width: 600, height: 400, generation_id: 'gen_1', ...changes })
const failure: Partial<ComparisonRow> = {
  status: 'failed',
  amount: null,
  vs_cheapest: null,
  error_code: 'moderated',
  reasons: ['it was refused'],
  images: 0,
  width: null,
  height: null,
  bytes: null,
}
const comparison = (prompt = 'a lighthouse') =>
  ({ id: 'cmp_1', created_at: '2026-11-21T10:00:00.000Z', sandbox: true, request: { model: 'm', prompt } }) as unknown as Comparison

const plain = (color: string, width = 600, height = 400) =>
  sharp({ create: { width, height, channels: 3, background: color } })
    .jpeg()
    .toBuffer()

/** The sheet's pixels, and how to read a part of them. */
async function drawn(cells: readonly SheetCell[], prompt?: string) {
  const bytes = await contactSheet(comparison(prompt), cells, 'png')
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
  const colorAt = (x: number, y: number) => [
    ...data.subarray((y * info.width + x) * info.channels, (y * info.width + x) * info.channels + 3),
  ]
  const isPaper = (x: number, y: number) => colorAt(x, y).every((value, channel) => Math.abs(value - (PAPER[channel] ?? 0)) < 3)
  const inked = (left: number, top: number, width: number, height: number) => {
    let count = 0
    for (let y = top; y < top + height; y++) for (let x = left; x < left + width; x++) if (!isPaper(x, y)) count += 1
    return count
  }
  return { width: info.width, height: info.height, colorAt, inked }
}

describe('the contact sheet', () => {
  test('has a cell of the same size for each provider beside the others, and its image in it', async () => {
    const one = await drawn([{ row: row('north'), images: [await plain('#ff0000')] }])
    const three = await drawn([
      { row: row('north'), images: [await plain('#ff0000')] },
      { row: row('south'), images: [await plain('#0000ff')] },
      { row: row('west', failure), images: [] },
    ])
    expect([one.width, three.width]).toEqual([608, 3 * 520 + 2 * 28 + 2 * 44])
    expect(three.height).toBe(one.height)
    const middle = (index: number) => three.colorAt(44 + index * 548 + 260, 160)
    expect(middle(0)[0]).toBeGreaterThan(240)
    expect(middle(1)[2]).toBeGreaterThan(240)
    expect(middle(2)).toEqual([0xeb, 0xe7, 0xde])
  })

  test('begins a second line of cells after four', async () => {
    const cells = await Promise.all(
      Array.from({ length: 7 }, async (_, index) => ({ row: row(`p${index}`), images: [await plain('#00aa00')] })),
    )
    const [four, seven] = [await drawn(cells.slice(0, 4)), await drawn(cells)]
    expect(seven.width).toBe(four.width)
    expect(seven.height - four.height).toBe(347 + 104 + 28)
  })

  test('captions every cell, also one without an image, and draws the prompt above', async () => {
    const sheet = await drawn([
      { row: row('north'), images: [await plain('#ff0000')] },
      { row: row('south', failure), images: [] },
    ])
    const captionTop = sheet.height - 104 + 10
    for (const left of [44, 44 + 548]) expect(sheet.inked(left, captionTop, 520, 70)).toBeGreaterThan(400)
    expect(sheet.inked(44, 44, 520, 30)).toBeGreaterThan(400)
    expect(sheet.inked(0, 0, 30, sheet.height)).toBe(0)
  })

  test('says more in a longer caption', async () => {
    const inkOf = async (changes: Partial<ComparisonRow>) => {
      const sheet = await drawn([{ row: row('north', { vs_cheapest: null, ...changes }), images: [] }])
      return sheet.inked(44, sheet.height - 94, 520, 30)
    }
    expect(await inkOf({ amount: '0.0675' })).toBeGreaterThan(await inkOf({ amount: '0.07' }))
    expect(await inkOf({ vs_cheapest: '+50%' })).toBeGreaterThan((await inkOf({})) + 500)
  })

  test('shows several images of one provider as tiles', async () => {
    const images = await Promise.all(['#ff0000', '#00ff00', '#0000ff'].map((color) => plain(color)))
    const sheet = await drawn([{ row: row('north', { images: 3 }), images }])
    const top = sheet.height - 14 - 104 - 347
    const at = (x: number, y: number) => sheet.colorAt(44 + x, top + y)
    expect([at(130, 85)[0], at(390, 85)[1], at(130, 260)[2]].every((value) => (value ?? 0) > 240)).toBe(true)
  })

  test('is there when nobody delivered anything, and with any prompt', async () => {
    for (const prompt of ['', 'x'.repeat(32_000), '灯台 🎨 \u0000 <script>&amp;</script>', 'a\nb'])
      expect((await drawn([{ row: row('north', failure), images: [] }], prompt)).width).toBe(608)
  })

  test.each(['jpeg', 'png', 'webp'] as const)('is written as %s', async (format) => {
    const bytes = await contactSheet(comparison(), [{ row: row('north'), images: [await plain('#ff0000')] }], format)
    expect((await sharp(bytes).metadata()).format).toBe(format)
  })
})

describe('the letters of a contact sheet', () => {
  test('are there for everything a caption can say, each with a shape of its own', async () => {
    const letters = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;!?$%+-–/()×·_\'"')
    const style = { size: 28, color: '#000', weight: 2 }
    const drawings = letters.map((letter) => textSvg(letter, 0, 0, style))
    expect(new Set(drawings).size).toBe(letters.length)
    const missing = textSvg('灯', 0, 0, style)
    expect(drawings).not.toContain(missing)
    for (const [index, drawing] of drawings.entries()) {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="60"><rect width="60" height="60" fill="#fff"/><g transform="translate(12 10)">${drawing}</g></svg>`
      const pixels = await sharp(Buffer.from(svg)).greyscale().raw().toBuffer()
      expect(pixels.filter((value) => value < 128).length, letters[index]).toBeGreaterThan(2)
    }
  })

  test('lose an accent rather than the letter', () => {
    const style = { size: 14, color: '#000', weight: 1 }
    expect(textSvg('naïve Žö', 0, 0, style)).toBe(textSvg('naive Zo', 0, 0, style))
  })

  test('grow in width with the text and the size', () => {
    expect(textWidth('', 14)).toBe(0)
    expect(textWidth('ab', 14)).toBeGreaterThan(textWidth('a', 14))
    expect(textWidth('ab', 28)).toBeCloseTo(2 * textWidth('ab', 14))
  })

  test('are cut with an ellipsis where they do not fit, and broken between words where there are lines left', () => {
    expect(shortened('short', 14, 500)).toBe('short')
    const cut = shortened('a rather long line of text', 14, 120)
    expect(cut).toMatch(/^a rath.*…$/)
    expect(textWidth(cut, 14)).toBeLessThanOrEqual(120)
    const lines = wrapped('a rather long line of text that goes on and on', 14, 160, 3)
    expect(lines).toHaveLength(3)
    expect(lines.every((line) => textWidth(line, 14) <= 160)).toBe(true)
    expect(wrapped('x'.repeat(100), 14, 100, 9).join('')).toContain('xxx')
  })
})
