import { describe, expect, test } from 'vitest'
import { dottedName, filesBelow, importsOf, isSource, readText, syntaxOf, type Syntax } from '../support/source-tree.ts'
import { providerFolders } from '../support/installed-providers.ts'
import { MAX_COMPONENT_LINES, MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_MAIN_LINES, NAMED_FOLDERS } from './rules.ts'
import { notListed } from './still-open.ts'

const sources = filesBelow(['src', 'providers'], isSource)

/** Lines that are neither blank nor comment. */
const codeLines = (text: string): number =>
  text
    .replaceAll(/^\s*\/\*[\s\S]*?\*\/[ \t]*$/gm, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length

/** The files a file imports, values and types alike, dynamic imports included. */
const importedFiles = (path: string): readonly string[] =>
  importsOf(path)
    .flatMap(({ specifier, target }) => target ?? (specifier in NAMED_FOLDERS ? `src/${NAMED_FOLDERS[specifier]}/index.ts` : []))
    .filter((target) => sources.includes(target))

/** Groups of files that import one another in a ring (Tarjan's strongly connected components). */
function ringsOf(graph: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const rings: string[][] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const visit = (file: string): number => {
    const number = order.size
    order.set(file, number)
    lowest.set(file, number)
    open.push(file)
    for (const target of graph.get(file) ?? []) {
      const reached = order.has(target) ? (open.includes(target) ? (order.get(target) ?? number) : number) : visit(target)
      lowest.set(file, Math.min(lowest.get(file) ?? number, reached))
    }
    if (lowest.get(file) === number) {
      const ring = open.splice(open.indexOf(file))
      if (ring.length > 1 || graph.get(file)?.includes(file)) rings.push(ring.sort())
    }
    return lowest.get(file) ?? number
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return rings
}

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])
const isSyntax = (value: unknown): value is Syntax => typeof value === 'object' && value !== null && 'type' in value

/** The name a function goes by: its own, or that of the variable, the field or the method that holds it. */
function nameOf(node: Syntax, parent: Syntax | undefined): string {
  const named = [node['id'], parent?.['id'], parent?.['key']].find((part) => isSyntax(part) && typeof part['name'] === 'string')
  return isSyntax(named) ? String(named['name']) : '(unnamed)'
}

/** Every function with its lines of code between the braces; those of the functions inside it count too. */
function functionsOf(path: string): readonly { readonly name: string; readonly lines: number }[] {
  const text = readText(path)
  return [...syntaxOf(path)].flatMap(({ node, ancestors }) => {
    const body = node['body']
    if (!FUNCTIONS.has(node.type) || !isSyntax(body)) return []
    const braces = body.type === 'BlockStatement' ? 1 : 0
    return [{ name: nameOf(node, ancestors.at(-1)), lines: codeLines(text.slice(body.start + braces, Number(body['end']) - braces)) }]
  })
}

describe('structure', () => {
  test('ringsOf finds a ring of two, one of three and a file that imports itself, and nothing else', () => {
    const graph = new Map(Object.entries({ a: ['b'], b: ['a', 'c'], c: ['d'], d: ['e', 'f'], e: ['c'], f: [], g: ['g'], h: ['f', 'a'] }))
    expect(new Set(ringsOf(graph).map((ring) => ring.join(' ')))).toEqual(new Set(['a b', 'c d e', 'g']))
  })

  test('files never import one another in a ring, types included', () => {
    const rings = ringsOf(new Map(sources.map((path) => [path, importedFiles(path)])))
    expect(notListed('cycles', rings.flat())).toEqual([])
  })

  test('emulators have a median of at most 150 lines, all emulator files of a provider together: they state their wire, and the kit does the rest', () => {
    const emulatorLines = providerFolders().map((id) => {
      const paths = sources.filter((path) => path.startsWith(`providers/${id}/emulator`))
      expect(paths, id).not.toEqual([])
      return paths.reduce((sum, path) => sum + readText(path).trimEnd().split('\n').length, 0)
    })
    const sorted = emulatorLines.toSorted((left, right) => left - right)
    expect(sorted[Math.floor((sorted.length - 1) / 2)]).toBeLessThanOrEqual(150)
  })

  test(`functions have at most ${MAX_FUNCTION_LINES} lines of code between their braces, components of the pages ${MAX_COMPONENT_LINES}, comments and blank lines not counted`, () => {
    const long = sources.flatMap((path) =>
      functionsOf(path)
        .filter(({ name, lines }) => lines > (path.endsWith('.tsx') && /^[A-Z]/.test(name) ? MAX_COMPONENT_LINES : MAX_FUNCTION_LINES))
        .map(({ name }) => `${path}: ${name}`),
    )
    expect(notListed('longFunctions', long)).toEqual([])
  })

  test(`source files have at most ${MAX_FILE_LINES} lines of code`, () => {
    const long = sources
      .map((path) => `${path}: ${codeLines(readText(path))}`)
      .filter((shown) => Number(shown.split(': ')[1]) > MAX_FILE_LINES)
    expect(long).toEqual([])
  })

  test('src/gateway/start.ts is five steps, each its own file, each called once, in order, with nothing between them that is set later', () => {
    const nodes = [...syntaxOf('src/gateway/start.ts')].map(({ node }) => node)
    const steps = new Set(importsOf('src/gateway/start.ts').flatMap(({ names, typeOnly }) => (typeOnly ? [] : names)))
    const calls = nodes.flatMap((node) => (node.type === 'CallExpression' ? (dottedName(node['callee']) ?? []) : []))
    expect(calls.filter((name) => steps.has(name)).length).toBe(5)
    expect(new Set(calls.filter((name) => steps.has(name))).size).toBe(5)
    expect(nodes.filter((node) => node.type === 'VariableDeclaration' && node['kind'] !== 'const')).toEqual([])
    expect(nodes.filter((node) => FUNCTIONS.has(node.type)).length).toBe(1)
  })

  test(`src/main.ts has at most ${MAX_MAIN_LINES} lines`, () => {
    expect(readText('src/main.ts').trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_MAIN_LINES)
  })
})
