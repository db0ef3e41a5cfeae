import { dottedName, syntaxOf, type Syntax } from '../support/source-tree.ts'

/** Words with which no sentence begins that begins with the thing tested. */
const NOT_A_THING = new Set(
  (
    'when if with without after before while but and or because so then once until though although unless given that whose which what who ' +
    'where how whatever whoever in on at by from to of for as into over under it its they this there is are was were be has have had does ' +
    'do did can cannot could may might must should will would never only also not asked behind beside between'
  ).split(' '),
)

const isSyntax = (value: unknown): value is Syntax => typeof value === 'object' && value !== null && 'type' in value

/** `describe`, `test` or `it` of a call, `test.each(…)('…')` and the like included. */
function calledAs(node: unknown): string | null {
  if (!isSyntax(node)) return null
  if (node.type === 'CallExpression') return calledAs(node['callee'])
  if (node.type === 'MemberExpression') return calledAs(node['object'])
  return dottedName(node)
}

function textOf(node: unknown): string | null {
  if (!isSyntax(node)) return null
  if (node.type === 'Literal') return typeof node['value'] === 'string' ? node['value'] : null
  if (node.type !== 'TemplateLiteral') return null
  const [first] = node['quasis'] as readonly { readonly value: { readonly cooked: string } }[]
  return first?.value.cooked || '…'
}

const titleOf = (node: Syntax, kinds: readonly string[]): string | null =>
  node.type === 'CallExpression' && kinds.includes(calledAs(node['callee']) ?? '')
    ? textOf((node['arguments'] as readonly unknown[])[0])
    : null

/** Names of a file's tests, the titles of their groups first: `budgets › are reserved before the submit`. */
export function testNames(path: string): readonly string[] {
  return [...syntaxOf(path)].flatMap(({ node, ancestors }) => {
    const title = titleOf(node, ['test', 'it'])
    if (title === null) return []
    const groups = ancestors.flatMap((ancestor) => titleOf(ancestor, ['describe']) ?? [])
    return [[...groups, title].join(' › ')]
  })
}

/** Words before a thing: the test's own title names what is tested, whatever its group says. */
const BEFORE_A_THING = new Set('a an the one two every each no both all any'.split(' '))

const firstWord = (text: string): string => text.split(/[\s,:]/)[0] ?? ''

/** Whether a name begins with the thing that is tested: its group does, or the test's own title. */
export function beginsWithAThing(name: string): boolean {
  const title = name.split(' › ').at(-1) ?? name
  return !NOT_A_THING.has(firstWord(name)) || BEFORE_A_THING.has(firstWord(title))
}
