import { existsSync, mkdtempSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * Builds the pages, src/web, into dist/web, from where the gateway serves them. Runs after `npm ci` and before packing. Where the tools of
 * development are left out (`--omit=dev`) nothing is built and nothing fails: the gateway then says at `/` how to build them.
 */
const ROOT = resolve(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')

export async function buildPages(): Promise<'built' | 'left out'> {
  // As they are for everybody: a test runner or a shell may have set it to what makes them larger and names their source files.
  process.env['NODE_ENV'] = 'production'
  const vite = existsSync(join(ROOT, 'src/web/index.html')) ? await import('vite').catch(() => null) : null
  if (vite === null) return 'left out'
  mkdirSync(DIST, { recursive: true })
  const beside = mkdtempSync(join(DIST, '.pages-'))
  await vite.build({
    configFile: false,
    root: join(ROOT, 'src/web'),
    publicDir: join(ROOT, 'src/web/public'),
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: join(beside, 'new'),
      emptyOutDir: true,
      target: 'es2022',
      // A data: URI in a stylesheet would ask for a wider policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  })
  replace(join(DIST, 'web'), join(beside, 'new'), join(beside, 'old'))
  rmSync(beside, { recursive: true })
  return 'built'
}

/** By two renames, so that a gateway that starts meanwhile finds the old pages or the new ones. */
function replace(path: string, by: string, away: string): void {
  if (existsSync(path)) renameSync(path, away)
  renameSync(by, path)
}

if (import.meta.main) {
  const outcome = await buildPages()
  const left =
    'the pages were not built: Vite is not installed here. `npm ci` (without --omit=dev) builds them, or `npm run pages` afterwards'
  process.stderr.write(outcome === 'built' ? '' : `${left}\n`)
}
