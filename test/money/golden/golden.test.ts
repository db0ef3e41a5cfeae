import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Quality, type Offer } from '#contract'
import type { Reference } from '../../../src/core/records.ts'
import { quote } from '../../../src/core/plan/plan.ts'
import { loadProviders, offersOf, PROVIDERS } from '../../support/installed-providers.ts'

/** The table in a provider's `test/prices.md`: model, size, references, n, quote. */
function rowsOf(id: string): readonly (readonly string[])[] {
  const lines = readFileSync(join(PROVIDERS, id, 'test/prices.md'), 'utf8').split('\n')
  const [, , ...rows] = lines.filter((line) => line.startsWith('|')).map(cellsOf)
  return rows
}

const cellsOf = (line: string): readonly string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())

const providers = (await loadProviders()).map((provider) => ({ id: provider.id, offers: offersOf(provider), rows: rowsOf(provider.id) }))

/** What follows the size is the quality: `1024×1024 high`. */
const asked = (text: string) => {
  const [dimensions = '–', quality] = text.split(' ')
  return { ...(dimensions === '–' ? {} : size(dimensions)), ...(quality === undefined ? {} : { quality: Quality.parse(quality) }) }
}

const size = (text: string) => {
  const [width, height] = text.split('×').map(Number)
  return { width: width ?? 0, height: height ?? 0 }
}
const reference = (text: string): Reference =>
  text === '?'
    ? { kind: 'url', url: 'https://images.example/1.jpg', pixels: null }
    : { kind: 'stored', sha256: 'a'.repeat(64), format: 'jpeg', pixels: size(text) }

/** What the program makes of a row, as the table would show it. */
function quoted(offers: readonly Offer[], [model = '', dimensions = '', references = '', n = '']: readonly string[]): string | undefined {
  const answer = quote({
    request: { model, prompt: 'a lighthouse', n: Number(n), ...asked(dimensions) },
    references: references === '–' ? [] : references.split(', ').map(reference),
    candidates: offers.filter((offer) => offer.model === model).map((offer) => ({ offer, unavailable: null, latency: null, options: {} })),
    rule: {},
    pinned: null,
    roll: 0,
  })
  const [row] = answer.offers
  if (row === undefined) return undefined
  expect(row.eligible ? row.warnings : [], `${model} ${dimensions} is adapted`).toEqual([])
  return row.eligible ? (row.cost?.amount ?? 'no price') : 'cannot'
}

/** Sums and products of decimals, in whole millionths: `4 × (0.03 + 0.015)`. */
function worthOf(text: string): number {
  const tokens = text.match(/[\d.]+|[+×()]/g) ?? []
  let at = 0
  const product = (): number => {
    let value = atom()
    while (tokens[at] === '×') {
      at += 1
      value = Math.round(value * atom() * 1e6) / 1e6
    }
    return value
  }
  const sum = (): number => {
    let value = product()
    while (tokens[at] === '+') {
      at += 1
      value = Math.round((value + product()) * 1e6) / 1e6
    }
    return value
  }
  const atom = (): number => {
    const token = tokens[at] ?? ''
    at += 1
    if (token !== '(') return Number(token)
    const value = sum()
    at += 1
    return value
  }
  return sum()
}

/** Some quote is possible: tokens whose number nobody publishes have none. */
const isQuoted = ({ price }: Offer): boolean => price !== null && !(price.kind === 'token' && price.output_tokens === null)

describe.each(providers)('the table of quotes of $id', ({ offers, rows }) => {
  test('has a row for every model, and one that is refused', () => {
    expect(new Set(rows.map(([model]) => model))).toEqual(new Set(offers.map(({ model }) => model)))
    expect(rows.some(([, , , , cell]) => cell === 'cannot')).toBe(true)
  })

  test('has a calculation for every model with a price, and each comes to its amount', () => {
    const calculated = rows.filter(([, , , , cell]) => cell?.includes('='))
    expect(new Set(calculated.map(([model]) => model))).toEqual(new Set(offers.filter(isQuoted).map(({ model }) => model)))
    for (const [, , , , cell = ''] of calculated) {
      const [amount = '', calculation = ''] = cell.split(' = ')
      expect(worthOf(calculation), cell).toBe(Number(amount))
    }
  })

  test.each(rows)('%s at %s with references %s, %s of it, is quoted as written', (...row) => {
    expect(quoted(offers, row)).toBe(row[4]?.split(' = ')[0])
  })
})
