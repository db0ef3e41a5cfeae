import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { parseAst } from 'vitest/node'

/** The checkout's root, and every path in this file relative to it, with forward slashes. */
export const ROOT = join(import.meta.dirname, '../..')

const NEVER_ENTERED = new Set(['node_modules', '.git', 'data', 'demo-images', 'coverage', 'dist'])

/** Every file below the given folders of the checkout, sorted; hidden folders and generated ones left out. */
export function filesBelow(folders: readonly string[], accept: (path: string) => boolean = () => true): readonly string[] {
  const found: string[] = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (!NEVER_ENTERED.has(entry.name) && !entry.name.startsWith('.')) walk(path)
      } else if (entry.isFile()) {
        const shown = relative(ROOT, path).split(sep).join('/')
        if (accept(shown)) found.push(shown)
      }
    }
  }
  for (const folder of folders) walk(join(ROOT, folder))
  return found.sort()
}

/** Every folder that holds one of the files. */
export const foldersOf = (files: readonly string[]): readonly string[] => [...new Set(files.flatMap((file) => parents(file)))].sort()

const parents = (file: string): string[] => {
  const folder = posix.dirname(file)
  return folder === '.' ? [] : [folder, ...parents(folder)]
}

export const isTypeScript = (path: string): boolean => /\.tsx?$/.test(path)

/** What runs, as against a provider's own tests, which live in its folder. */
export const isSource = (path: string): boolean => isTypeScript(path) && !/^providers\/[^/]+\/test\//.test(path)

export const readText = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** A node of the syntax tree, as ESTree names its parts. */
export interface Syntax {
  readonly type: string
  readonly start: number
  readonly [part: string]: unknown
}

const isSyntax = (value: unknown): value is Syntax => typeof value === 'object' && value !== null && 'type' in value && 'start' in value

/** Every node of a TypeScript file with its ancestors, nearest last. */
export function* syntaxOf(path: string): Generator<{ readonly node: Syntax; readonly ancestors: readonly Syntax[] }> {
  yield* walkSyntax(parseAst(readText(path), { lang: path.endsWith('x') ? 'tsx' : 'ts' }, path) as unknown as Syntax, [])
}

function* walkSyntax(node: Syntax, ancestors: readonly Syntax[]): Generator<{ node: Syntax; ancestors: readonly Syntax[] }> {
  yield { node, ancestors }
  const path = [...ancestors, node]
  for (const part of Object.values(node)) {
    for (const child of Array.isArray(part) ? part : [part]) if (isSyntax(child)) yield* walkSyntax(child, path)
  }
}

const WRAPPERS = new Set(['ChainExpression', 'ParenthesizedExpression', 'TSNonNullExpression', 'TSAsExpression', 'TSSatisfiesExpression'])

/** What an optional chain, brackets or a cast hold inside. */
const unwrapped = (node: unknown): unknown => (isSyntax(node) && WRAPPERS.has(node.type) ? unwrapped(node['expression']) : node)

/** `a.b.c` for a plain chain of names, else null. */
export function dottedName(wrapped: unknown): string | null {
  const node = unwrapped(wrapped)
  if (!isSyntax(node)) return null
  if (node.type === 'Identifier') return String(node['name'])
  if (node.type !== 'MemberExpression' || node['computed'] === true) return null
  const object = dottedName(node['object'])
  return object === null ? null : `${object}.${dottedName(node['property'])}`
}

/** `path:line`, for a message a person can click. */
export const whereIs = (path: string, node: Syntax): string => `${path}:${readText(path).slice(0, node.start).split('\n').length}`

/** The specifier of a dynamic import whose text is made at run time. */
export const COMPUTED = '(computed)'

export interface Import {
  readonly path: string
  readonly line: string
  /** As written: `zod`, `#contract`, `./wire.ts`. */
  readonly specifier: string
  /** A relative import's file in the checkout, else null. */
  readonly target: string | null
  readonly typeOnly: boolean
  readonly names: readonly string[]
}

/** Every import, re-export and dynamic import of a file. */
export function importsOf(path: string): readonly Import[] {
  const imports: Import[] = []
  for (const { node } of syntaxOf(path)) {
    const source = IMPORTING.has(node.type) ? node['source'] : undefined
    if (!isSyntax(source)) continue
    const specifier = typeof source['value'] === 'string' ? source['value'] : COMPUTED
    imports.push({
      path,
      line: whereIs(path, node),
      specifier,
      target: specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), specifier)) : null,
      typeOnly: isTypeOnly(node),
      names: specifiersOf(node).flatMap((part) => dottedName(part['imported'] ?? part['local']) ?? []),
    })
  }
  return imports
}

const IMPORTING = new Set(['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType'])

const specifiersOf = (node: Syntax): readonly Syntax[] =>
  Array.isArray(node['specifiers']) ? node['specifiers'].filter((part): part is Syntax => isSyntax(part)) : []

function isTypeOnly(node: Syntax): boolean {
  if (node.type === 'TSImportType' || node['importKind'] === 'type' || node['exportKind'] === 'type') return true
  const specifiers = specifiersOf(node)
  return specifiers.length > 0 && specifiers.every((part) => part['importKind'] === 'type' || part['exportKind'] === 'type')
}
