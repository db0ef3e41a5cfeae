import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COST_COLUMNS } from '#contract'
import type { CostRow } from '../../src/core/records.ts'
import { costHeader, costLine } from '../../src/http/csv.ts'
import { settlement } from '../store/ledger-entries.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_121 })

/** A parser after the grammar of RFC 4180, character by character; throws where a file breaks it. */
function parse(text: string): string[][] {
  const records: string[][] = [[]]
  let at = 0
  while (at < text.length) {
    let field = ''
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (at >= text.length) throw new Error('a quote is never closed')
        if (text[at] !== '"') field += text[at]
        else if (text[at + 1] === '"') field += text[at++]
        else break
      }
      at++
    } else for (; at < text.length && !/[",\r\n]/.test(text.charAt(at)); at++) field += text[at]
    records.at(-1)?.push(field)
    if (text[at] === ',') at++
    else if (text.slice(at, at + 2) === '\r\n') {
      at += 2
      if (at < text.length) records.push([])
    } else throw new Error(`neither a comma nor CRLF at ${at}`)
  }
  return records
}

const row = (overrides: Partial<CostRow> = {}): CostRow => ({
  ...settlement('gen_1', 'att_1', { at: Date.UTC(2026, 10, 21) }),
  createdAt: Date.UTC(2026, 10, 20),
  metadata: {},
  ...overrides,
})

const cell = (line: readonly string[], column: (typeof COST_COLUMNS)[number]) => line[COST_COLUMNS.indexOf(column)]

describe('a line of the CSV', () => {
  test('has a cell for each column of the header, in its order', () => {
    const [header = [], line = []] = parse(
      costHeader(['project']) + costLine(row({ metadata: { project: 'north, "2"\r\nsouth' } }), ['month', 'megapixels'], ['project']),
    )
    expect(header).toEqual([...COST_COLUMNS, 'metadata.project'])
    expect(Object.fromEntries(header.map((name, index) => [name, line[index]]))).toEqual({
      settled_at: '2026-11-21T00:00:00.000Z',
      generation_id: 'gen_1',
      attempt_id: 'att_1',
      key: 'team',
      model: 'flux-2-pro',
      provider: 'north',
      provider_model: 'north:2-pro',
      provider_task_id: "vendor's att_1",
      status: 'succeeded',
      error_code: '',
      images: '1',
      width: '1024',
      height: '1024',
      reference_images: '0',
      quoted_usd: '0.03',
      amount_usd: '0.03',
      surcharge_usd: '',
      basis: 'billed',
      created_at: '2026-11-20T00:00:00.000Z',
      megapixels: '1',
      fidelity: '',
      metadata: JSON.stringify({ project: 'north, "2"\r\nsouth' }),
      group: '2026-11 / 1',
      'metadata.project': 'north, "2"\r\nsouth',
    })
  })

  test('leaves an unknown amount empty, never 0', () => {
    const [line = []] = parse(costLine(row({ kind: 'unknown', amount: null }), [], []))
    expect([cell(line, 'amount_usd'), cell(line, 'basis')]).toEqual(['', 'unknown'])
  })

  test.each(['=1+1', '+1', '-2+3', '@SUM(A1)', '=cmd|"/c calc"!A0', ' =1', '\u{ff1d}1+1', '|x', '\u200b=1', '\u200b\tx'])(
    'takes the power from a formula: %j',
    (text) => {
      const [line = []] = parse(costLine(row({ metadata: { text } }), [], ['text']))
      expect(line.at(-1)).toBe(`'${text}`)
    },
  )

  test.each([
    ['x;=1+1;y', `"x;'=1+1;y"`],
    ['x; "=1+1', `"x;' ""=1+1"`],
    ['x\t=1+1', `"x\t'=1+1"`],
    ['x\r\n@SUM(1', `"x\r\n'@SUM(1"`],
    ['\t=1', `"'\t'=1"`],
    ['\r=1', `"'\r'=1"`],
    ['\n=1', `"'\n'=1"`],
    ['a-1; b', '"a-1; b"'],
    ['\u0000=1+1', "'=1+1"],
    ['a\u0000\u0007\u0085b', 'ab'],
  ])('has %j as one cell that is no formula, whatever separates: %s', (text, written) => {
    expect(costLine(row({ metadata: { text } }), [], ['text']).endsWith(`,${written}\r\n`)).toBe(true)
  })

  test('begins no cell with a formula where a spreadsheet separates by semicolons, whose quotes inside a cell keep nothing together', () => {
    const line = costLine(row({ metadata: { team: `x;=cmd|'/c calc'!A1;y\r\n=2+2` } }), ['metadata.team'], ['team'])
    const cells = line.split(/[;\r\n]/).map((text) => text.trimStart())
    expect(cells.filter((text) => /^["\s]*[=+\-@|]/.test(text))).toEqual([])
    expect(cells.filter((text) => text.startsWith("'="))).toHaveLength(5)
  })

  test('leaves an amount alone that only resembles one', () => {
    const [line = []] = parse(costLine(row({ amount: '-0.01' }), [], []))
    expect(cell(line, 'amount_usd')).toBe('-0.01')
  })

  test('is read back whole but for control characters, whatever a caller or a vendor wrote into it', () => {
    const text = fc.string({ unit: fc.constantFrom(',', '"', '\r', '\n', ';', ' ', "'", '=', 'a', 'ß', '灯', '\u0000') })
    fc.assert(
      fc.property(fc.array(fc.array(text, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 5 }), (values) => {
        const lines = parse(values.map(([a = '', b = '']) => costLine(row({ metadata: { a, b } }), [], ['a', 'b'])).join(''))
        const read = lines.flatMap((line) => line.slice(-2))
        expect(read).toHaveLength(values.length * 2)
        const kept = values.flat().map((value) => value.replaceAll('\u0000', ''))
        for (const [index, value] of kept.entries()) expect(read[index]?.replaceAll("'", '')).toBe(value.replaceAll("'", ''))
      }),
    )
  })
})
