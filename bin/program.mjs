import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import module from 'node:module'
import { join, resolve } from 'node:path'

// Threads for what Node does beside the event loop, before the first of them is needed. Of its usual four, large images can take three and a name
// whose servers are silent one, for seconds: the disk, which each commit waits for, would wait behind them.
process.env.UV_THREADPOOL_SIZE ??= '8'

// Where Node.js is asked to use the proxy of the environment, it does so for this machine as well: a command, the demo and the key that a command
// shows would go to the proxy instead of the gateway.
const { env } = process
if (env.NODE_USE_ENV_PROXY === '1' || [...process.execArgv, env.NODE_OPTIONS ?? ''].join(' ').includes('--use-env-proxy')) {
  const named = env.no_proxy || env.NO_PROXY || ''
  const here = 'localhost,127.0.0.1,::1,[::1]'
  // Loaded only here: importing it loads Node's own `fetch` with it, at each start.
  const http = process.getBuiltinModule?.('node:http')
  if (named !== '*') http?.setGlobalProxyFromEnv?.({ ...env, no_proxy: named === '' ? here : `${named},${here}` })
}

const CHECKOUT = resolve(import.meta.dirname ?? '.', '..')

/**
 * The file of a program, named as its source below the root without its ending, such as `src/main`. The npm package has the built one alone.
 * A checkout has both: the built one starts in a third of the time, and is taken only where each file that went into it is as it was.
 */
export function programFile(name, root = CHECKOUT) {
  const folder = existsSync(join(root, 'src')) ? builtOfThese(root) : join(root, 'dist')
  if (folder === null) return join(root, `${name}.ts`)
  // Beside the code, with the same owner: who may write there may change the code as well. Where nobody may, there is no cache.
  module.enableCompileCache?.(join(folder, '.compiled'))
  return join(folder, `${name}.js`)
}

/** The folder of the build that is of these very sources; null where there is none. Whoever sits at a terminal reads why the sources run. */
function builtOfThese(root) {
  const build = buildOf(root)
  if (build === null) return null
  if (build.change === null) return build.folder
  if (process.stderr.isTTY)
    process.stderr.write(`${build.change} is not as it was built: the sources run, which start slower (\`npm run build:program\`)\n`)
  return null
}

/** The build of a checkout, and the first path that is not as it was when it was made. Null where none was made. */
export function buildOf(root) {
  const record = join(root, 'dist/built/current.json')
  if (!existsSync(record)) return null
  const { folder, files, folders } = JSON.parse(readFileSync(record, 'utf8'))
  return { folder: join(root, 'dist/built', folder), change: changed(root, files, folders) }
}

function changed(root, files, folders) {
  for (const [path, bytes, modifiedMs] of files) {
    const now = statSync(`${root}/${path}`, { throwIfNoEntry: false })
    if (now?.size !== bytes || now.mtimeMs !== modifiedMs) return path
  }
  for (const [path, names] of folders) if (namesIn(`${root}/${path}`) !== names) return path
  return null
}

export const namesIn = (folder) => (existsSync(folder) ? readdirSync(folder).toSorted().join('/') : '')
