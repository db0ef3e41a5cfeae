import { readText } from '../support/source-tree.ts'
import { ADAPTER_RULE, COMPOSERS, EMULATOR_RULE, IMPORT_RULES, type ImportRule } from './rules.ts'

const BEGIN = '<!-- written by `npm run map` from test/house/rules.ts -->'
const END = '<!-- end -->'

const shownImports = ({ imports, typesOf = [], packages, node }: ImportRule): string => {
  const parts = [...imports, ...packages].map((name) => `\`${name}\``)
  const types = typesOf.map((name) => `\`${name}\``).join(', ')
  const nodes = node === 'any' ? ['Node'] : node === 'none' ? [] : node.map((name) => `\`${name}\``)
  return [...parts, ...(types === '' ? [] : [`types of ${types}`]), ...nodes].join(', ') || 'nothing'
}

const rows = (): readonly string[] => [
  ...[...IMPORT_RULES, ADAPTER_RULE, EMULATOR_RULE].map(
    (rule) => `| \`${shownPath(rule.path)}\` | ${rule.purpose} | ${shownImports(rule)} |`,
  ),
  ...COMPOSERS.map(({ path, purpose }) => `| \`${shownPath(path)}\` | ${purpose} | anything |`),
]

const shownPath = (path: string): string => {
  const inside = path.replace(/^src\//, '')
  return inside.endsWith('.ts') || inside.includes('<id>') ? inside : `${inside}/`
}

const table = (): string => ['| folder | what it is | may import, beside its own files |', '|---|---|---|', ...rows()].join('\n')

/** src/README.md with the import table as the rules have it now. */
export function wantedMap(): string {
  const text = readText('src/README.md')
  const [before, rest] = split(text, BEGIN)
  const [, after] = split(rest, END)
  return `${before}${BEGIN}\n${table()}\n${END}${after}`
}

function split(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark)
  if (at < 0) throw new Error(`src/README.md has no line "${mark}"`)
  return [text.slice(0, at), text.slice(at + mark.length)]
}
