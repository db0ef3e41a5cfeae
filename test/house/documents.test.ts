import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesBelow, readText, ROOT } from '../support/source-tree.ts'

const documents = filesBelow(['.'], (path) => path.endsWith('.md'))
const packageJson = JSON.parse(readText('package.json')) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly [section: string]: unknown
}

/** The text of fenced code blocks in a shell language. */
const shellBlocks = (markdown: string): readonly string[] =>
  [...markdown.matchAll(/^```(?:sh|bash|shell|console)\n([\s\S]*?)^```/gm)].map(([, block = '']) => block)

const withoutCode = (markdown: string): string => markdown.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '')

interface Link {
  readonly from: string
  readonly path: string
  readonly anchor: string | null
}

/** Links to files of this checkout: `[text](path#anchor)`, images and `[label]: path` alike. */
function relativeLinks(from: string): readonly Link[] {
  const text = withoutCode(readText(from))
  const targets = [...text.matchAll(/\]\(\s*<?([^)>\s]+)>?[^)]*\)/g), ...text.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?\s*$/gm)]
  return targets.flatMap(([, target = '']) => {
    if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) return []
    const [path = '', anchor] = target.split('#')
    return [{ from, path: path === '' ? from : posix.normalize(posix.join(posix.dirname(from), decodeURI(path))), anchor: anchor ?? null }]
  })
}

/** Heading anchors as GitHub makes them. */
const anchorsOf = (path: string): ReadonlySet<string> =>
  new Set(
    [...readText(path).matchAll(/^#{1,6}\s+(.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  )

const shown = ({ from, path, anchor }: Link) => `${from} → ${path}${anchor === null ? '' : `#${anchor}`}`

describe('documents', () => {
  const links = documents.flatMap((path) => relativeLinks(path))

  test('every relative link leads to a file', () => {
    expect(links.filter(({ path }) => !existsSync(join(ROOT, path))).map(shown)).toEqual([])
  })

  test('every link to a heading leads to one', () => {
    const toHeadings = links.filter(({ path, anchor }) => anchor !== null && path.endsWith('.md') && existsSync(join(ROOT, path)))
    expect(toHeadings.filter(({ path, anchor }) => anchor !== null && !anchorsOf(path).has(anchor)).map(shown)).toEqual([])
  })

  test.each([
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    'LICENSE',
    'imagegate.example.yaml',
    'src/README.md',
    'providers/README.md',
  ])('%s is there and says something', (path) => {
    expect(existsSync(join(ROOT, path)), `${path} is not written yet`).toBe(true)
    expect(readText(path).trim().length).toBeGreaterThan(100)
  })

  test('every test that a table of promises marks with ● is there and starts a process', () => {
    const marked = ['docs/security.md', 'test/README.md'].flatMap((document) =>
      [...readText(document).matchAll(/● `([^`]+\.test\.ts)`/g)].map(([, path = '']) => path),
    )
    const starts =
      /\b(?:start(?:Odd)?Process|startOverridden|startUnder|startStored|startWithReceiver|gatewayWith|gatewayOfTwoKeys|gatewayOnOwnPostgres|launchProcess|startTarget|startWithClient|startCluster|spawn(?:Sync)?|execFile(?:Sync)?)\(/
    expect(marked.length).toBeGreaterThan(80)
    expect(marked.filter((path) => !existsSync(join(ROOT, path)) || !starts.test(readText(path)))).toEqual([])
  })

  test('every npm command of a document exists in package.json', () => {
    const BUILT_IN = new Set(['ci', 'install', 'i', 'exec', 'start', 'test', 'version', 'help', 'audit'])
    const unknown = documents.flatMap((path) =>
      shellBlocks(readText(path)).flatMap((block) =>
        [...block.matchAll(/\bnpm (run )?(?:--?[a-z-]+ )*([a-z][a-z0-9:-]*)/g)].flatMap(([command, run, name = '']) => {
          const script = run !== undefined || name === 'start' || name === 'test'
          const known = script ? name in packageJson.scripts : BUILT_IN.has(name)
          return known ? [] : [`${path}: ${command}`]
        }),
      ),
    )
    expect(unknown).toEqual([])
  })

  test('every test that a document names is there', () => {
    const named = documents.flatMap((path) =>
      [...readText(path).matchAll(/`((?:test|providers)\/[\w./-]+\.test\.ts)`/g)].map(([, test = '']) => test),
    )
    expect(named.length).toBeGreaterThan(100)
    expect([...new Set(named)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  test('test/web/README.md names every test of the pages, and code that is there', () => {
    const map = readText('test/web/README.md')
    const tests = filesBelow(['test/web'], (path) => path.endsWith('.test.ts'))
    expect(tests.filter((path) => !map.includes(`\`${path}\``))).toEqual([])
    const code = [...map.matchAll(/`((?:[a-z]+\/)[\w./-]*)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => !/^(?:test|docs)\//.test(path))
    expect(code.length).toBeGreaterThan(30)
    expect(code.filter((path) => !existsSync(join(ROOT, path.startsWith('src/') ? path : `src/web/${path}`)))).toEqual([])
  })

  test('src/README.md names files and folders that are there', () => {
    const rows = readText('src/README.md').match(/^\|.*\|$/gm) ?? []
    const cells = rows.map((row) => row.split('|').at(-2) ?? '')
    const paths = cells.flatMap((cell) => [...cell.matchAll(/`((?:\.\.\/|[a-z-]+\/)[\w./-]*)`/g)].map(([, path = '']) => path))
    expect(paths.length).toBeGreaterThan(10)
    expect(paths.filter((path) => !existsSync(join(ROOT, 'src', path)))).toEqual([])
  })

  test('README gives one command that runs the demo and one that runs the tests', () => {
    expect(existsSync(join(ROOT, 'README.md')), 'README.md is not written yet').toBe(true)
    const lines = shellBlocks(readText('README.md')).flatMap((block) => block.split('\n'))
    expect(lines.some((line) => /npm (ci|install).*npm run demo/.test(line))).toBe(true)
    expect(lines.some((line) => /npm (ci|install).*npm (run )?test/.test(line))).toBe(true)
  })
})

describe('package.json', () => {
  const sections = ['dependencies', 'optionalDependencies', 'devDependencies'] as const
  const versions = sections.flatMap((section) => Object.entries((packageJson[section] ?? {}) as Record<string, string>))

  test('pins every dependency to one exact version', () => {
    expect(versions.length).toBeGreaterThan(0)
    expect(versions.filter(([, version]) => !/^(npm:[a-z-]+@)?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))).toEqual([])
  })

  test('agrees with the lock file', () => {
    const lock = JSON.parse(readText('package-lock.json')) as { readonly packages: Readonly<Record<string, Record<string, unknown>>> }
    const root = lock.packages[''] ?? {}
    for (const section of sections) expect(root[section], section).toEqual(packageJson[section])
  })

  test('every file a script runs is there', () => {
    const files = Object.values(packageJson.scripts).flatMap((script) => script.match(/\bnode (?:--[\w=-]+ )*([\w./-]+\.ts)/)?.[1] ?? [])
    expect(files.length).toBeGreaterThan(0)
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
  })
})
