import { describe, expect, test } from 'vitest'
import { columnsFor, sameScale } from '../../src/web/compare/layout.ts'
import { adaptedText, priceSentences, refusedText } from '../../src/web/compare/price-sentence.ts'
import { daysText, duration, listed, pixels, size, whenText } from '../../src/web/format/facts.ts'
import { percentText, usdDifference, usdShort, usdText, writtenUsd } from '../../src/web/format/usd.ts'
import { readText } from '../support/source-tree.ts'

describe('money on the pages', () => {
  test.each([
    ['1284.0735', '$1,284.07', '35'],
    ['0.045', '$0.0450', ''],
    ['0.0285', '$0.0285', ''],
    ['122.916', '$122.91', '6'],
    ['0.041333333', '$0.0413', '33333'],
    ['8', '$8.00', ''],
    ['0', '$0', ''],
    ['0.000', '$0', ''],
    ['9007199254740993.5', '$9,007,199,254,740,993.50', ''],
  ])('%s is %s with %j quieter', (amount, loud, quiet) => {
    expect(writtenUsd(amount)).toEqual({ sign: '', loud, quiet })
  })

  test('a difference has its sign, a percentage a narrow space; a price sentence has the shortest form', () => {
    expect([usdDifference('-21.74'), usdDifference('1.08'), usdDifference('0')]).toEqual(['−$21.74', '+$1.08', 'same'])
    expect([percentText('+58%'), percentText('-22.0%')]).toEqual(['+58 %', '−22.0 %'])
    expect([usdShort('0.03'), usdShort('0.015'), usdShort('1.5'), usdShort('40')]).toEqual(['$0.03', '$0.015', '$1.50', '$40'])
    expect(usdText('-0.003')).toBe('−$0.0030')
  })
})

describe('facts on the pages', () => {
  test('times, sizes, days and names are written as the design has them', () => {
    expect([duration(4_130), duration(59_949), duration(72_000), duration(120_000)]).toEqual(['4.1 s', '59.9 s', '1 min 12 s', '2 min'])
    expect([size(412_345), size(1_400_000), size(20)]).toEqual(['412 kB', '1.4 MB', '1 kB'])
    expect(pixels(1536, 1024)).toBe('1536 × 1024')
    expect([daysText('2026-11-01', '2026-11-27'), daysText('2026-10-30', '2026-11-05')]).toEqual([
      '1 to 27 November',
      '30 October to 5 November',
    ])
    const now = new Date(2026, 10, 27, 12, 0)
    expect(['2026-11-27T10:41', '2026-11-26T23:00', '2026-11-20T08:00'].map((at) => whenText(new Date(at).toISOString(), now))).toEqual([
      'today 10:41',
      'yesterday',
      '20 Nov',
    ])
    expect(listed(['Runware', 'Vtrix', 'Relay'])).toBe('Runware, Vtrix and Relay')
  })

  test.each([
    [2, 360, 1], [2, 1376, 2], [3, 1376, 3], [5, 1376, 3], [5, 2496, 5], [12, 1376, 4], [12, 2496, 6],
  ])('%i columns in %i pixels stand %i beside one another', (count, width, columns) => expect(columnsFor(count, width)).toBe(columns)) // prettier-ignore

  test('one image pixel has the same size in every slot: a smaller image is drawn smaller, the largest fills its slot', () => {
    const asked = { width: 1536, height: 1024 }
    const draw = sameScale(asked, [asked, { width: 1024, height: 1024 }])
    expect(draw(asked)).toEqual({ width: 100, height: 100 })
    expect(draw({ width: 1024, height: 1024 })).toEqual({ width: (1024 * 100) / 1536, height: 100 })
    expect(sameScale(asked, [{ width: 3072, height: 2048 }])(asked)).toEqual({ width: 50, height: 50 })
  })
})

describe('how a price is made', () => {
  const line = (what: string, quantity: number, unit: string) => ({ what, quantity, unit_amount: unit, amount: unit })
  const offer = (n: number, lines: ReturnType<typeof line>[], width = 1536, height = 1024) => ({
    cost: { amount: '0.045', per_megapixel: null, lines },
    observed: null,
    assumptions: [],
    applied: { n, reference_images: 0, width, height },
  })
  test('a sentence for each kind of line says how the price comes about', () => {
    const lines = [
      line('first output megapixel', 1, '0.03'),
      line('extra output megapixel', 1, '0.015'),
      line('reference megapixel', 2, '0.015'),
    ]
    expect(priceSentences(offer(1, lines), null, 'OpenRouter')).toEqual([
      '1.5 megapixels count as 2: first $0.03, one more $0.015.',
      'Plus 2 reference megapixels at $0.015.',
    ])
    expect(priceSentences(offer(1, lines.slice(0, 1), 900, 900), null, 'OpenRouter')).toEqual(['0.8 megapixels count as 1: $0.03.'])
    expect(priceSentences(offer(4, [line('image', 4, '0.04')]), null, 'OpenRouter')).toEqual(['Each of 4 images: $0.04 an image.'])
    expect(priceSentences(offer(1, [line('image at 2K', 1, '0.06'), line('surcharge of 5.5 %', 1, '0.0025')]), null, 'OpenRouter')).toEqual(
      ['2K: $0.06 an image.', 'Plus 5.5 % to OpenRouter: $0.0025.'],
    )
    const unpriced = { ...offer(1, []), cost: null }
    expect(priceSentences(unpriced, null, 'OpenRouter')).toEqual(['No published price: known once billed.'])
    const seen = { ...unpriced, observed: { amount: '0.0285', samples: 12, as_of: '' } }
    expect(priceSentences(seen, null, 'OpenRouter')).toEqual([
      'No published price: known once billed.',
      'The last 12 like it averaged $0.0285.',
    ])
  })

  test('an adapted request names each side, and a refusal its reason without the name of the field', () => {
    const side = (field: string, requested: number, used: number) => ({
      code: 'adjusted' as const,
      field,
      requested,
      used,
      reason: 'Steps of 48.',
    })
    expect(adaptedText([side('height', 1024, 1008)], undefined)).toBe('height 1024 to 1008, steps of 48.')
    const tier = (field: string, requested: number) => ({ ...side(field, requested, 0), used: '3:2 at 1 MP', reason: 'It sells shapes.' })
    expect(adaptedText([tier('width', 1536), tier('height', 1024)], undefined)).toBe('1536 × 1024 to 3:2 at 1 MP, it sells shapes.')
    expect(refusedText(['safety_tolerance: It cannot be as strict as 1.'])).toBe('it cannot be as strict as 1.')
    expect(refusedText(['safety_tolerance: 1 was asked, and this offer has no control for it.'])).toBe(
      'safety tolerance 1 was asked, and this offer has no control for it.',
    )
  })
})

describe('colours', () => {
  const css = readText('src/web/styles/base.css')
  const tokens = (block: string) =>
    new Map([...block.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6})/g)].map(([, name = '', value = '']) => [name, value]))
  const light = tokens(css.slice(0, css.indexOf("[data-theme='light']")))
  const dark = tokens(css.slice(css.indexOf("[data-theme='dark']"), css.indexOf('@media')))
  const channel = (value: number) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  const luminance = (hex: string) =>
    [1, 3, 5]
      .map((at, index) => channel(Number.parseInt(hex.slice(at, at + 2), 16) / 255) * ([0.2126, 0.7152, 0.0722][index] ?? 0))
      .reduce((sum, part) => sum + part, 0)
  const contrast = (one: string, other: string) => {
    const [bright = 0, deep = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a)
    return (bright + 0.05) / (deep + 0.05)
  }
  test.each([
    ['light', light],
    ['dark', dark],
  ] as const)('of the %s theme have the contrast that WCAG asks for on every surface; every surface is neutral', (_, theme) => {
    const colour = (name: string) => theme.get(name) ?? ''
    const surfaces = ['canvas', 'surface', 'raised', 'mat']
    const worst = (name: string) => Math.min(...surfaces.map((surface) => contrast(colour(name), colour(surface))))
    for (const name of ['ink', 'ink-2', 'ink-3', 'accent', 'ok', 'warn', 'bad', 'shield'])
      expect(worst(name), name).toBeGreaterThanOrEqual(4.5)
    expect(worst('edge')).toBeGreaterThanOrEqual(3)
    for (const name of ['s1', 's2', 's3', 's4', 's5', 's6'])
      expect(contrast(colour(name), colour('surface')), name).toBeGreaterThanOrEqual(3)
    for (const name of ['warn', 'bad']) expect(contrast(colour(name), colour(`${name}-wash`)), name).toBeGreaterThanOrEqual(4.5)
    for (const name of [...surfaces, 'line', 'hatch', 'ink']) expect(new Set(colour(name).slice(1).match(/../g)).size, name).toBe(1)
  })
})
