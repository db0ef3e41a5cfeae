import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import http from 'node:http'
import { basename, join, relative, resolve } from 'node:path'
import { buildOf, namesIn } from '../bin/program.mjs'

/**
 * Builds the program into a few files, dependencies included: loading 1,700 modules one by one was two thirds of a start. Runs after `npm ci`,
 * before `npm test` and for the npm package. `bin/program.mjs` decides whether a checkout runs it. Without the tools of development
 * (`--omit=dev`) nothing is built, and the sources run.
 */
const ROOT = resolve(import.meta.dirname, '..')
const BUILT = join(ROOT, 'dist/built')
/** Builds that stay on disk: a gateway that runs loads parts of its build later. */
const KEPT = 3

/** What is loaded by a path, or found at run time. */
const PROGRAMS = ['src/main', 'src/cli/imagegate', 'src/client/index', 'src/gateway/start', 'src/http/docs-script']

/** Stays in node_modules: native code, the text of a page, and the large libraries that a single node never loads. */
const EXTERNAL = [
  'sharp',
  '@scalar/fastify-api-reference',
  'pg',
  'pg-boss',
  'flydrive',
  '@aws-sdk/client-s3',
  '@aws-sdk/s3-request-presigner',
]

/** Builds for this checkout, in a folder of its own, where what is built is not of these sources already. */
export async function buildForCheckout(): Promise<'built' | 'left out'> {
  if (buildOf(ROOT)?.change === null) return 'built'
  mkdirSync(BUILT, { recursive: true })
  const folder = mkdtempSync(join(BUILT, 'program-'))
  // The gateway may run as another user than the one who built it.
  chmodSync(folder, 0o755)
  const inputs = await buildProgram(folder)
  if (inputs === null) {
    rmSync(folder, { recursive: true })
    return 'left out'
  }
  const folders = ['providers', ...providerIds().map((id) => `providers/${id}`)].map((path) => [path, namesIn(join(ROOT, path))])
  const record = join(folder, 'current.json')
  writeFileSync(record, JSON.stringify({ folder: basename(folder), files: inputs.map(stateOf), folders }))
  renameSync(record, join(BUILT, 'current.json'))
  for (const old of oldestFirst().slice(0, -KEPT)) rmSync(old, { recursive: true, force: true })
  return 'built'
}

/** Builds into `folder`; returns the files that went into it, or null where Vite is not installed. */
export async function buildProgram(folder: string): Promise<readonly string[] | null> {
  const vite = await import('vite').catch(() => null)
  if (vite === null) return null
  const ids = providerIds()
  const code = ids.flatMap((id) => ['adapter', 'emulator'].map((name) => `providers/${id}/${name}`))
  const programs = [...PROGRAMS, ...code].filter((name) => existsSync(join(ROOT, `${name}.ts`)))
  const result = await vite.build({
    configFile: false,
    root: ROOT,
    publicDir: false,
    plugins: [httpWithoutFetch],
    logLevel: 'warn',
    ssr: { noExternal: true, external: EXTERNAL },
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: false,
      target: 'esnext',
      minify: false,
      reportCompressedSize: false,
      license: { fileName: 'third-party-licenses.md' },
      rolldownOptions: {
        input: Object.fromEntries(programs.map((name) => [name, join(ROOT, `${name}.ts`)])),
        output: { entryFileNames: '[name].js', chunkFileNames: 'src/parts/[name]-[hash].js', comments: false },
      },
    },
  })
  for (const id of ids) {
    mkdirSync(join(folder, 'providers', id), { recursive: true })
    copyFileSync(join(ROOT, 'providers', id, 'manifest.json'), join(folder, 'providers', id, 'manifest.json'))
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  return [import.meta.filename, ...ids.map((id) => join(ROOT, 'providers', id, 'manifest.json')), ...modulesOf(result)]
}

/** An import of `node:http` reads all its exports, and these three load the whole of Node's own `fetch`: 6 % of the CPU of a start. */
const OF_FETCH = new Set(['WebSocket', 'CloseEvent', 'MessageEvent'])
const httpWithoutFetch = {
  name: 'http-without-fetch',
  enforce: 'pre' as const,
  resolveId: (id: string) => (id === 'node:http' || id === 'http' ? '\0http' : null),
  load(id: string) {
    if (id !== '\0http') return null
    const names = Object.keys(http).filter((name) => !OF_FETCH.has(name))
    return `const http = process.getBuiltinModule('node:http')\nexport default http\nexport const { ${names.join(', ')} } = http\n`
  },
}

/** The files that a build was made of; others have a name that no file has. */
const modulesOf = (result: object): readonly string[] =>
  'output' in result && Array.isArray(result.output)
    ? result.output.flatMap((part: { readonly modules?: object }) => Object.keys(part.modules ?? {})).filter((path) => existsSync(path))
    : []

const stateOf = (path: string): readonly [path: string, bytes: number, modifiedMs: number] => {
  const { size, mtimeMs } = statSync(path)
  return [relative(ROOT, path), size, mtimeMs]
}

const providerIds = (): readonly string[] =>
  readdirSync(join(ROOT, 'providers')).filter((id) => existsSync(join(ROOT, 'providers', id, 'manifest.json')))

const oldestFirst = (): readonly string[] =>
  readdirSync(BUILT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(BUILT, entry.name))
    .toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)

if (import.meta.main) await buildForCheckout()
