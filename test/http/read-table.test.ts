import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCsv, readJsonLines, type Table } from '../../src/http/read-table.ts'
import type { Breathe } from '../../src/reading/turn-share.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_201 })

const LONGEST = 65_536
const read = ({ columns, lines }: Table) => ({ columns, lines: [...lines] })
/** What is read, or why it cannot be. */
const outcome = async (table: () => Table | Promise<Table>): Promise<unknown> => {
  try {
    return read(await table())
  } catch (error) {
    return (error as Error).message
  }
}
const jsonLines = (given: readonly string[], breathe: Breathe = () => undefined) => readJsonLines(given, JSON.parse, breathe)
const pieces = (text: string, cuts: readonly number[]): readonly string[] => {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).toSorted((left, right) => left - right), text.length]
  return at.slice(1).map((end, index) => text.slice(at[index], end))
}
const cuts = fc.array(fc.nat(), { maxLength: 12 })
const csv = fc
  .array(fc.constantFrom('a', 'é😀', '"', '""', ',', ';', '\t', '\n', '\r\n', '\r', '"a,b"', '"a\nb"', '1.5', ' '), { maxLength: 60 })
  .map((parts) => `id,amount\n${parts.join('')}`)

describe('a table that comes in pieces', () => {
  test('is read as the same in one piece', async () => {
    await fc.assert(
      fc.asyncProperty(csv, cuts, async (text, at) => {
        expect(await outcome(() => readCsv(pieces(text, at)))).toEqual(await outcome(() => readCsv([text])))
      }),
    )
  })

  test('of JSON lines, too', async () => {
    const lines = fc.array(fc.record({ id: fc.string(), amount: fc.double() }).map((one) => JSON.stringify(one)))
    await fc.assert(
      fc.asyncProperty(lines, cuts, async (all, at) => {
        const text = all.join('\n')
        expect(await outcome(() => jsonLines(pieces(text, at)))).toEqual(await outcome(() => jsonLines([text])))
      }),
    )
  })

  test('says of each line where it begins', () => {
    const { lines } = readCsv(['id,am', 'ount\r', '\n"a\n', '1",1\r\n', 'b,2'])
    expect([...lines]).toEqual([
      { line: 2, cells: { id: 'a\n1', amount: '1' } },
      { line: 4, cells: { id: 'b', amount: '2' } },
    ])
  })

  test.each(['x', '"'])(`may have a line of ${LONGEST} characters in %s, and none longer, however it is cut`, async (quote) => {
    const lineOf = (length: number): string => {
      const ends = quote === '"' ? 2 : 0
      const field = 'y'.repeat(length - ends - 2)
      return quote === '"' ? `"${field}",1` : `${field},1`
    }
    for (const size of [1_000, 65_535, 65_536, 65_537, 65_538, 1e6]) {
      const cut = (text: string) => Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size))
      for (const end of ['', '\n', '\r\nz,2'])
        expect(await outcome(() => readCsv(cut(`id,amount\n${lineOf(LONGEST)}${end}`)))).toMatchObject({ columns: ['id', 'amount'] })
      for (const end of ['', '\n', '\r\nz,2'])
        expect(await outcome(() => readCsv(cut(`id,amount\n${lineOf(LONGEST + 1)}${end}`)))).toBe(
          `line 2 is longer than ${LONGEST} characters`,
        )
    }
  })

  test('has its empty lines too, as such, and before the first object not many', async () => {
    expect([...readCsv(['id,amount\n\n', ' , \na,1']).lines].map(({ line, cells }) => [line, cells])).toEqual([
      [2, null],
      [3, null],
      [4, { id: 'a', amount: '1' }],
    ])
    expect(read(await jsonLines(['\n \n{"id":"a"}\n\n{"id":"b"}'])).lines.map(({ cells }) => cells)).toEqual([
      { id: 'a' },
      null,
      { id: 'b' },
    ])
    expect(await outcome(() => jsonLines(['\n'.repeat(2_000)]))).toBe('the first 1000 lines are empty')
  })

  test('gives others a turn before the first object too, wherever it begins', async () => {
    let breaths = 0
    await jsonLines([`${'\n'.repeat(900)}{"id":"a"}`], async () => void breaths++)
    expect(breaths).toBe(901)
  })

  test('has at most 200 columns in each line', async () => {
    expect(await outcome(() => readCsv([`id\n${','.repeat(199)}`]))).toMatchObject({ columns: ['id'] })
    expect(await outcome(() => readCsv([`id\n${','.repeat(200)}`]))).toBe('line 2 has more than 200 columns; at most as many are read')
  })

  test('whose quote is never closed is refused where its line is too long, without a search to its end', async () => {
    const all = Array.from({ length: 1_000 }, () => 'a\n'.repeat(500))
    let given = 0
    const counted = function* (): Generator<string> {
      yield 'id,amount\n"'
      for (const piece of all) {
        given += 1
        yield piece
      }
    }
    expect(await outcome(() => readCsv(counted()))).toBe(`line 2 is longer than ${LONGEST} characters`)
    expect(given).toBeLessThan(150)
    expect(await outcome(() => readCsv(['id,amount\n"', 'a']))).toBe('line 2: a quote is never closed')
  })
})
