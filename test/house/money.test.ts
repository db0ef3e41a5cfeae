import { describe, expect, test } from 'vitest'
import { dottedName, filesBelow, importsOf, isTypeScript, syntaxOf, whereIs, type Syntax } from '../support/source-tree.ts'

const MONEY = 'src/contract/amounts.ts'
const sources = filesBelow(['src', 'providers'], (path) => isTypeScript(path) && path !== MONEY)

/** Names the vocabulary gives to amounts: fields of the contract that hold dollars, and what a variable of them is called. */
const AMOUNT =
  /^(amount|unit_amount|unitAmount|quoted|per_image|perImage|first_output|firstOutput|extra_output|extraOutput|cost|credits|balance|price|usd|nano|(budget|max_price)_usd|.*(Usd|Nano|Amount|Dollars|Credits|Cents))$/

const isAmount = (node: unknown): boolean => {
  const name = dottedName(node)?.split('.').at(-1)
  return name !== undefined && AMOUNT.test(name)
}

const ARITHMETIC = new Set(['+', '-', '*', '/', '%', '**', '<', '>', '<=', '>='])
const CONVERSIONS = new Set(['Number', 'parseFloat', 'parseInt', 'Number.parseFloat', 'Number.parseInt', 'BigInt'])

/** Arithmetic, order or a number made of an amount; each would be a float or a comparison of texts. */
function reckons(node: Syntax): string | null {
  switch (node.type) {
    case 'BinaryExpression':
      return ARITHMETIC.has(String(node['operator'])) && (isAmount(node['left']) || isAmount(node['right']))
        ? `${String(node['operator'])} on an amount`
        : null
    case 'AssignmentExpression':
      return node['operator'] !== '=' && /^[-+*/%]/.test(String(node['operator'])) && (isAmount(node['left']) || isAmount(node['right']))
        ? `${String(node['operator'])} on an amount`
        : null
    case 'UnaryExpression':
      return (node['operator'] === '+' || node['operator'] === '-') && isAmount(node['argument']) ? 'a sign on an amount' : null
    case 'CallExpression': {
      const callee = dottedName(node['callee']) ?? ''
      return CONVERSIONS.has(callee) && (node['arguments'] as readonly unknown[]).some(isAmount) ? `${callee}() of an amount` : null
    }
    default:
      return null
  }
}

/** Seeds are integers up to 2^63 − 1. */
const SEEDS = new Set([
  'src/contract/request.ts',
  'src/core/plan/order.ts',
  'src/http/compatible/bfl/validators.ts',
  'src/http/compatible/runware/checks.ts',
])

describe('money', () => {
  test('nothing outside contract/amounts.ts adds, compares or converts an amount', () => {
    const wrong = sources.flatMap((file) =>
      [...syntaxOf(file)].flatMap(({ node }) => {
        const found = reckons(node)
        return found === null ? [] : [`${whereIs(file, node)}: ${found}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  test('only contract/amounts.ts and store/ know nanodollars', () => {
    const wrong = sources
      .filter((file) => !file.startsWith('src/store/'))
      .flatMap((file) => importsOf(file))
      .filter(({ names }) => names.some((name) => /nano/i.test(name)))
    expect(wrong.map(({ line, names }) => `${line}: ${names.join(', ')}`)).toEqual([])
  })

  test('a bigint is written only in contract/amounts.ts, store/ and where seeds beyond 2^53 are counted', () => {
    const wrong = sources
      .filter((file) => !file.startsWith('src/store/') && !SEEDS.has(file))
      .flatMap((file) =>
        [...syntaxOf(file)].filter(({ node }) => typeof node['bigint'] === 'string').map(({ node }) => whereIs(file, node)),
      )
    expect(wrong).toEqual([])
  })
})
