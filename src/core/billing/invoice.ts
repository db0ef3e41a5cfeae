import { compareUsd, createTally, MoneyError, subtractUsd, suggest, usdFromDecimal } from '#contract'
import type { Usd, UsdTally } from '#contract'
import type { Breathe } from '../ports.ts'
import { Refusal } from '../generation/refusal.ts'

/** An invoice as text in columns, whatever file it came in. */
export interface InvoiceTable {
  readonly columns: readonly string[]
  /** `cells` is null for an empty line. */
  readonly lines: Iterable<{ readonly line: number; readonly cells: Readonly<Record<string, string>> | null }>
}

/** How its columns are to be read; what is absent is found by the columns' names. */
export interface InvoiceColumns {
  readonly task?: string | undefined
  readonly amount?: string | undefined
  readonly currency?: string | undefined
  /** Of amounts whose line names no currency. Default: what the amount's column says, else US dollars. */
  readonly unit?: InvoiceUnit | undefined
}

export type InvoiceUnit = 'usd' | 'cents'

/** All that an invoice has of one task. */
export interface InvoicedTask {
  readonly taskId: string
  readonly lines: number[]
  readonly amount: UsdTally
  /** Why one of its lines cannot be read; null where all could. */
  fault: string | null
}

export interface Invoice {
  readonly columns: { readonly task: string; readonly amount: string; readonly currency: string | null }
  readonly tasks: ReadonlyMap<string, InvoicedTask>
  /** Lines without a task id: totals, fees. */
  readonly withoutTask: readonly { readonly line: number; readonly amount: Usd | null }[]
  readonly lines: number
  readonly total: Usd
}

const MOST_LINES = 200_000
/** Either way: sums of as many lines are still amounts that an answer and the account hold. */
const MOST_ON_A_LINE: Usd = '1000000'

/** Names of columns in the order in which they are believed, without case, spaces and signs. */
const TASK_NAMES = ['taskid', 'taskuuid', 'providertaskid', 'vendortaskid', 'task', 'requestid', 'predictionid', 'jobid', 'uuid', 'id']
const AMOUNT_NAMES = [
  'amountusd',
  'costusd',
  'priceusd',
  'amount',
  'cost',
  'price',
  'charge',
  'amountcents',
  'costcents',
  'pricecents',
  'credits',
]
const CURRENCY_NAMES = ['currency', 'currencycode', 'unit']

/**
 * Reads an invoice whole; lines of one task add up, and a line that cannot be read spoils its task alone.
 * @throws Refusal where no column has the task or the amount, or several of one name have, or an amount is in a currency that is not read
 */
export async function readInvoice(table: InvoiceTable, asked: InvoiceColumns, breathe: Breathe): Promise<Invoice> {
  const columns = {
    task: columnOf('task_column', asked.task, TASK_NAMES, table.columns, 'the vendor’s task ids'),
    amount: columnOf('amount_column', asked.amount, AMOUNT_NAMES, table.columns, 'the amounts'),
    currency:
      asked.currency === undefined
        ? namedColumn(CURRENCY_NAMES, table.columns)
        : namedExactly('currency_column', asked.currency, table.columns),
  }
  assertSingle('task_column', columns.task, table.columns)
  assertSingle('amount_column', columns.amount, table.columns)
  if (columns.currency !== null) assertSingle('currency_column', columns.currency, table.columns)
  const unit = asked.unit ?? (/cents|credits/.test(plain(columns.amount)) ? 'cents' : 'usd')
  const tasks = new Map<string, InvoicedTask>()
  const withoutTask: { line: number; amount: Usd | null }[] = []
  const total = createTally()
  let lines = 0
  for (const { line, cells } of table.lines) {
    // Millions of them may be empty.
    const pause = breathe()
    if (pause !== undefined) await pause
    if (cells === null) continue
    if (++lines > MOST_LINES) throw unreadable('body', `more than ${MOST_LINES} lines; send the invoice in parts`)
    const written = cellOf(cells, columns.amount)
    const amount = amountOf(written, unitOf(cellOf(cells, columns.currency), unit, line))
    const taskId = cellOf(cells, columns.task).trim()
    if (taskId === '') {
      withoutTask.push({ line, amount })
      continue
    }
    const task = tasks.get(taskId) ?? { taskId, lines: [], amount: createTally(), fault: null }
    tasks.set(taskId, task)
    task.lines.push(line)
    if (amount === null)
      task.fault = `line ${line}: ${JSON.stringify(written.slice(0, 40))} is no amount; write it with a decimal point, for example 0.045, and at most ${MOST_ON_A_LINE} US dollars`
    else {
      task.amount.add(amount)
      total.add(amount)
    }
  }
  return { columns, tasks, withoutTask, lines, total: total.total() }
}

/** A column may have any name, those that every object has too, and a line of JSON may lack it. */
const cellOf = (cells: Readonly<Record<string, string>>, column: string | null): string =>
  column !== null && Object.hasOwn(cells, column) ? (cells[column] ?? '') : ''

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')

function namedColumn(names: readonly string[], columns: readonly string[]): string | null {
  const written = columns.map(plain)
  return names.flatMap((name) => columns[written.indexOf(name)] ?? [])[0] ?? null
}

function namedExactly(field: string, name: string, columns: readonly string[]): string {
  const found = columns.find((column) => column === name) ?? columns.find((column) => plain(column) === plain(name) && plain(name) !== '')
  if (found === undefined)
    throw unreadable(field, `the invoice has no column ${JSON.stringify(name.slice(0, 80))} (${suggest(name.slice(0, 80), columns)})`)
  return found
}

/** Which of two columns is meant nobody but the caller knows. */
function assertSingle(field: string, name: string, columns: readonly string[]): void {
  const count = columns.filter((column) => column === name).length
  if (count < 2) return
  const shown = JSON.stringify(name.slice(0, 80))
  throw unreadable(field, `the invoice has ${count} columns named ${shown}; give all but the right one another name`)
}

function columnOf(field: string, asked: string | undefined, names: readonly string[], columns: readonly string[], what: string): string {
  if (asked !== undefined) return namedExactly(field, asked, columns)
  const found = namedColumn(names, columns)
  if (found !== null) return found
  throw unreadable(field, `no column is known to hold ${what}; name one of: ${columns.map((column) => column.slice(0, 40)).join(', ')}`)
}

/** Decimal places by which an amount of a unit is moved to be US dollars. */
const SHIFT: Readonly<Record<InvoiceUnit, number>> = { usd: 0, cents: -2 }

function unitOf(currency: string, unit: InvoiceUnit, line: number): InvoiceUnit {
  const name = currency.trim().toLowerCase()
  switch (name) {
    case '':
      return unit
    case 'usd':
    case 'us$':
    case '$':
    case 'us dollar':
    case 'us dollars':
      return 'usd'
    case 'cent':
    case 'cents':
    case 'us cents':
    case 'usd cents':
    // The one vendor that counts in credits sells them at a US cent.
    case 'credit':
    case 'credits':
      return 'cents'
    default: {
      const shown = JSON.stringify(currency.trim().slice(0, 20))
      throw unreadable(
        'currency',
        `line ${line} is in ${shown}; amounts are read in US dollars (USD), US cents or credits of a US cent. Convert the invoice, or name another column with currency_column`,
      )
    }
  }
}

const DECIMAL = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

/** Null where it is no amount, or more than a line may have. */
function amountOf(text: string, unit: InvoiceUnit): Usd | null {
  const bare = text.trim().replace(/^(-?)\s*(?:US)?\$\s*/i, '$1')
  const digits = /^USD$/i.test(bare.slice(-3)) ? bare.slice(0, -3).trimEnd() : bare
  if (!DECIMAL.test(digits)) return null
  try {
    const amount = usdFromDecimal(digits, SHIFT[unit])
    const size = amount.startsWith('-') ? subtractUsd('0', amount) : amount
    return compareUsd(size, MOST_ON_A_LINE) > 0 ? null : amount
  } catch (error) {
    if (error instanceof MoneyError) return null
    throw error
  }
}

const unreadable = (path: string, message: string): Refusal => new Refusal('invalid_request', `${path}: ${message}`, [{ path, message }])
