import { expect, test } from 'vitest'
import { readInvoice } from '../../../src/core/billing/invoice.ts'

const COLUMNS = ['task_id', 'amount']

test('an invoice gives others a turn after each of its lines, empty ones too, whatever its columns are', async () => {
  const cells = { task_id: 'a', amount: '1' }
  const lines = [cells, null, null, cells].map((given, index) => ({ line: index + 2, cells: given }))
  let breaths = 0
  const { total } = await readInvoice({ columns: COLUMNS, lines }, {}, async () => void breaths++)
  expect(total).toBe('2')
  expect(breaths).toBe(4)
})

test.each(['constructor', 'toString', '__proto__'])(
  'an invoice whose columns are named %s has nothing where a line lacks them',
  async (name) => {
    const lines = [
      { line: 1, cells: Object.fromEntries([[name, '7']]) },
      { line: 2, cells: {} },
    ]
    const invoice = await readInvoice(
      { columns: [name], lines },
      { task: name, amount: name, currency: undefined, unit: 'usd' },
      () => undefined,
    )
    expect(invoice).toMatchObject({ total: '7', withoutTask: [{ line: 2, amount: null }] })
  },
)

test.each([
  ['1 USD', '1'],
  ['1usd', '1'],
  ['-$ 1.5 \u3000USD', '-1.5'],
  ['US$2', '2'],
  ['1 USD USD', '0'],
  ['USD', '0'],
  ['1 uſd', '0'],
])('an invoice has the amount %j as %s', async (amount, total) => {
  const lines = [{ line: 2, cells: { task_id: 'a', amount } }]
  expect(await readInvoice({ columns: COLUMNS, lines }, {}, () => undefined)).toMatchObject({ total })
})
