import { describe, expect, test } from 'vitest'
import { dottedName, filesBelow, isSource, isTypeScript, syntaxOf, whereIs, type Syntax } from '../support/source-tree.ts'

const adapterSources = filesBelow(['providers'], (path) => isSource(path) && !/\/emulator[^/]*\.ts$/.test(path))
const planSources = filesBelow(['src/core/plan', 'src/contract', 'src/adapter-kit'], isTypeScript)
const everySource = filesBelow(['src', 'providers'], isSource)

/** Globals through which the world gets in. A date made from a text is pure, so `Date` itself is judged by its use. */
const WORLD = new Set(
  (
    'process fetch setTimeout setInterval setImmediate queueMicrotask globalThis crypto performance console require Temporal ' +
    'WebSocket navigator localStorage'
  ).split(' '),
)

/** Whether a name is a variable here, rather than a property, a key, a parameter or a type of that name. */
function isFreeName(node: Syntax, parent: Syntax | undefined): boolean {
  if (parent?.type === 'MemberExpression') return parent['object'] === node || parent['computed'] === true
  if (parent?.type === 'Property') return parent['shorthand'] === true || parent['key'] !== node
  return !(parent?.type.startsWith('TS') ?? false)
}

function worldUse(node: Syntax, parent: Syntax | undefined): string | null {
  if (node.type === 'Identifier' && WORLD.has(String(node['name'])) && isFreeName(node, parent)) return String(node['name'])
  const name = dottedName(node)
  if (name === 'Math.random' || name === 'Date.now') return name
  const isDate = (node.type === 'NewExpression' || node.type === 'CallExpression') && dottedName(node['callee']) === 'Date'
  if (isDate && (node.type === 'CallExpression' || (node['arguments'] as readonly unknown[]).length === 0)) return 'the clock (Date)'
  return null
}

const usesIn = (files: readonly string[], judge: (node: Syntax, parent: Syntax | undefined) => string | null) =>
  files.flatMap((file) =>
    [...syntaxOf(file)].flatMap(({ node, ancestors }) => {
      const found = judge(node, ancestors.at(-1))
      return found === null ? [] : [`${whereIs(file, node)}: ${found}`]
    }),
  )

describe('purity', () => {
  test('adapters, the adapter kit, the plan and the contract touch no clock, chance, environment, network or timer', () => {
    expect(usesIn([...adapterSources, ...planSources], worldUse)).toEqual([])
  })

  test('adapters keep nothing between two calls: no let or var at the top of a module', () => {
    const kept = adapterSources.flatMap((file) =>
      [...syntaxOf(file)]
        .filter(({ node, ancestors }) => node.type === 'VariableDeclaration' && node['kind'] !== 'const' && ancestors.length <= 2)
        .filter(({ ancestors }) => ancestors.every(({ type }) => type === 'Program' || type === 'ExportNamedDeclaration'))
        .map(({ node }) => whereIs(file, node)),
    )
    expect(kept).toEqual([])
  })

  test('adapters are total: they never write throw or await', () => {
    const JUMPS = new Set(['ThrowStatement', 'AwaitExpression', 'YieldExpression'])
    expect(usesIn(adapterSources, (node) => (JUMPS.has(node.type) ? node.type : null))).toEqual([])
  })

  test('only config/ reads the environment', () => {
    const readers = everySource.filter((file) => !file.startsWith('src/config/'))
    const judge = (node: Syntax, parent: Syntax | undefined): string | null => {
      if (dottedName(node) === 'process.env') return 'process.env'
      // Taken whole, `process` takes its environment along.
      const isWhole =
        node.type === 'Identifier' && node['name'] === 'process' && isFreeName(node, parent) && parent?.type !== 'MemberExpression'
      return isWhole ? 'process as a value' : null
    }
    expect(usesIn(readers, judge)).toEqual([])
  })
})
