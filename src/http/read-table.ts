import type { Breathe } from '../reading/turn-share.ts'

/** One line of a table, by column. */
export interface TableLine {
  /** Where it begins in the file, from 1. */
  readonly line: number
  /** Null where it is empty: so whoever reads has a say however many of them come. */
  readonly cells: Readonly<Record<string, string>> | null
}

export interface Table {
  readonly columns: readonly string[]
  readonly lines: Iterable<TableLine>
}

/** More than the lines and columns of any invoice: each is read in one go. */
const MOST_LINE_CHARS = 65_536
const MOST_COLUMNS = 200
/** Of JSON lines, before the first object. */
const MOST_EMPTY_AHEAD = 1_000

/** A table cannot be read at all; the message names the line. */
export class TableUnreadable extends Error {}

/** Of a text in pieces, the part that is read: always with the longest line that there may be, so that none is searched for its end in all the text. */
class Reading {
  text = ''
  readonly #pieces: Iterator<string>

  constructor(pieces: Iterable<string>) {
    this.#pieces = pieces[Symbol.iterator]()
  }

  /** @param at where the next line begins in `text` · @returns where it begins there now; null where the file ends */
  lineFrom(at: number): number | null {
    let from = at
    if (this.text.length - from < MOST_LINE_CHARS + 2) {
      this.text = this.text.slice(from) + this.#more()
      from = 0
    }
    return from < this.text.length ? from : null
  }

  /** Twice the longest line, where there is as much: what is left of the text is copied to it, and pieces may be of a few bytes. */
  #more(): string {
    let more = ''
    while (more.length < 2 * MOST_LINE_CHARS) {
      const next = this.#pieces.next()
      if (next.done === true) break
      more += next.value
    }
    return more
  }
}

/** CSV (RFC 4180), separated by commas, semicolons or tabs, as its first line shows. Read lazily, from its pieces. @throws TableUnreadable */
export function readCsv(pieces: Iterable<string>): Table {
  const records = csvRecords(new Reading(pieces))
  const header = records.next()
  if (header.done === true) throw new TableUnreadable('the file is empty: its first line has the names of the columns')
  const columns = header.value.cells.map((name) => name.trim())
  return { columns, lines: asLines(records, columns) }
}

interface CsvRecord {
  readonly line: number
  readonly cells: readonly string[]
}

function* asLines(records: Iterable<CsvRecord>, columns: readonly string[]): Generator<TableLine, void> {
  for (const { line, cells } of records) {
    const isEmpty = cells.every((cell) => cell.trim() === '')
    yield { line, cells: isEmpty ? null : Object.fromEntries(columns.map((name, index) => [name, cells[index] ?? ''])) }
  }
}

/** The one of the three that stands most often in the first line, outside quotes. */
function separatorOf(text: string): string {
  const end = text.search(/[\r\n]/)
  const first = text.slice(0, end === -1 ? 10_000 : Math.min(end, 10_000)).replaceAll(/"[^"]*"/g, '')
  const counted = [',', ';', '\t'].map((separator) => ({ separator, count: first.split(separator).length }))
  return counted.toSorted((left, right) => right.count - left.count)[0]?.separator ?? ','
}

function* csvRecords(reading: Reading): Generator<CsvRecord, void> {
  let line = 1
  let separator: string | null = null
  for (let next = reading.lineFrom(0); next !== null;) {
    const { text } = reading
    separator ??= separatorOf(text)
    const begins = line
    const startsAt = next
    let at = startsAt
    const cells: string[] = []
    for (;;) {
      const field = text[at] === '"' ? quotedField(text, at, { begins, startsAt }) : plainField(text, at, separator)
      cells.push(field.value)
      if (cells.length > MOST_COLUMNS)
        throw new TableUnreadable(`line ${begins} has more than ${MOST_COLUMNS} columns; at most as many are read`)
      line += field.lineBreaks
      at = field.end
      if (at - startsAt > MOST_LINE_CHARS) throw tooLong(begins)
      if (text[at] !== separator) break
      at++
    }
    if (at < text.length && text[at] !== '\r' && text[at] !== '\n')
      throw new TableUnreadable(`line ${begins}: text after a closing quote; a quote within a quoted field is written twice`)
    if (text[at] === '\r' && text[at + 1] === '\n') at++
    at++
    line++
    yield { line: begins, cells }
    next = reading.lineFrom(at)
  }
}

const tooLong = (line: number): TableUnreadable => new TableUnreadable(`line ${line} is longer than ${MOST_LINE_CHARS} characters`)

interface Field {
  readonly value: string
  /** Behind its last character. */
  readonly end: number
  readonly lineBreaks: number
}

function plainField(text: string, start: number, separator: string): Field {
  const most = Math.min(text.length, start + MOST_LINE_CHARS + 1)
  let end = start
  while (end < most && text[end] !== separator && text[end] !== '\r' && text[end] !== '\n') end++
  return { value: text.slice(start, end), end, lineBreaks: 0 }
}

function quotedField(text: string, start: number, { begins, startsAt }: { readonly begins: number; readonly startsAt: number }): Field {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    if (at - startsAt > MOST_LINE_CHARS) throw tooLong(begins)
    if (text[at + 1] === '"') {
      at++
      continue
    }
    const inside = text.slice(start + 1, at)
    return { value: inside.replaceAll('""', '"'), end: at + 1, lineBreaks: inside.split('\n').length - 1 }
  }
  if (text.length - startsAt > MOST_LINE_CHARS) throw tooLong(begins)
  throw new TableUnreadable(`line ${begins}: a quote is never closed`)
}

/**
 * JSON lines: one object on each line. The columns are those of the first. Read lazily, from their pieces.
 * @param breathe asked after each line before the first object
 * @throws TableUnreadable
 */
export async function readJsonLines(pieces: Iterable<string>, readJson: (line: string) => unknown, breathe: Breathe): Promise<Table> {
  const lines = jsonLines(new Reading(pieces), readJson)
  for (let empty = 0; ; empty++) {
    await breathe()
    if (empty > MOST_EMPTY_AHEAD) throw new TableUnreadable(`the first ${MOST_EMPTY_AHEAD} lines are empty`)
    const head = lines.next()
    if (head.done === true) throw new TableUnreadable('the file is empty: send one JSON object on each line')
    const { value } = head
    if (value.cells !== null) return { columns: Object.keys(value.cells), lines: from(value, lines) }
  }
}

function* from(head: TableLine, others: Iterable<TableLine>): Generator<TableLine, void> {
  yield head
  yield* others
}

function* jsonLines(reading: Reading, readJson: (line: string) => unknown): Generator<TableLine, void> {
  let line = 0
  for (let start = reading.lineFrom(0); start !== null;) {
    const { text } = reading
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    line++
    if (end - start > MOST_LINE_CHARS) throw tooLong(line)
    const content = text.slice(start, end).trim()
    yield { line, cells: content === '' ? null : cellsOf(content, line, readJson) }
    start = reading.lineFrom(end + 1)
  }
}

function cellsOf(content: string, line: number, readJson: (line: string) => unknown): TableLine['cells'] {
  const value = parsed(content, readJson)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TableUnreadable(`line ${line} is no JSON object; send one object on each line`)
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, cell]) =>
      typeof cell === 'string' || typeof cell === 'number' ? [[name, String(cell)] as const] : [],
    ),
  )
}

function parsed(content: string, readJson: (line: string) => unknown): unknown {
  try {
    return readJson(content)
  } catch {
    return undefined
  }
}
