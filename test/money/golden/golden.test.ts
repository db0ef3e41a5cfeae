import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Offer } from '#contract'
import type { Reference } from '../../../src/core/records.ts'
import { quote } from '../../../src/core/plan/plan.ts'
import { loadProviders, offersOf } from '../../support/installed-providers.ts'

const lines = readFileSync(new URL('quotes.md', import.meta.url), 'utf8').split('\n')
const cellsOf = (line: string): readonly string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
const table = lines.filter((line) => line.startsWith('|')).map(cellsOf)
const [head = [], , ...rows] = table
const offers: readonly Offer[] = (await loadProviders()).flatMap(offersOf)

const size = (text: string) => {
  const [width, height] = text.split('×').map(Number)
  return { width: width ?? 0, height: height ?? 0 }
}
const reference = (text: string): Reference =>
  text === '?'
    ? { kind: 'url', url: 'https://images.example/1.jpg', pixels: null }
    : { kind: 'stored', sha256: 'a'.repeat(64), format: 'jpeg', pixels: size(text) }

/** What the program makes of a row, by provider, as the table would say it. */
function quoted([model = '', dimensions = '', references = '', n = '']: readonly string[]): ReadonlyMap<string, string> {
  const answer = quote({
    request: { model, prompt: 'a lighthouse', n: Number(n), ...(dimensions === '–' ? {} : size(dimensions)) },
    references: references === '–' ? [] : references.split(', ').map(reference),
    candidates: offers.filter((offer) => offer.model === model).map((offer) => ({ offer, unavailable: null, latency: null, options: {} })),
    rule: {},
    pinned: null,
    roll: 0,
  })
  return new Map(
    answer.offers.map(({ provider, eligible, warnings, cost }) => {
      expect(eligible ? warnings : [], `${provider} adapts ${model} ${dimensions}`).toEqual([])
      return [provider, eligible ? (cost?.amount ?? 'no price') : 'cannot']
    }),
  )
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

describe('the table of quotes', () => {
  const providers = head.slice(4)

  test('has a column for every provider and a row for every model and price', () => {
    expect(new Set(providers)).toEqual(new Set(offers.map(({ provider }) => provider)))
    expect(new Set(rows.map(([model]) => model))).toEqual(new Set(offers.map(({ model }) => model)))
    expect(rows.length).toBeGreaterThan(30)
  })

  test('is right in itself: what is reckoned comes to what is said', () => {
    const cells = rows.flatMap((row) => row.slice(4)).filter((cell) => cell.includes('='))
    expect(cells.length).toBeGreaterThan(50)
    for (const cell of cells) {
      const [amount = '', reckoning = ''] = cell.split(' = ')
      expect(worthOf(reckoning), cell).toBe(Number(amount))
    }
  })

  test.each(rows)('%s at %s with references %s, %s of it, is quoted as written', (...row) => {
    const answers = quoted(row)
    const written = row.slice(4).map((cell, index) => [providers[index] ?? '', cell.split(' = ')[0] ?? ''])
    expect(providers.map((provider) => [provider, answers.get(provider) ?? '–'])).toEqual(written)
  })
})
