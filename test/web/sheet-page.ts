import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { Page } from 'playwright-core'
import { build } from 'vite'
import { ROOT } from '../support/source-tree.ts'

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }
/** Nobody answers there; every request is answered by this file. */
export const SHEET_URL = 'http://sheet.test/'

/** What the sheet asks its gateway for: one image was bought, on 30 October. */
const BOUGHT = { object: 'list', data: [{ id: 'gen_1', created_at: '2026-10-30T12:00:00.000Z' }], has_more: false, next_cursor: null }

/** Builds the sheet of states, and gives what answers for it in a page, at `SHEET_URL`. */
export async function builtSheet() {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-sheet-'))
  await build({
    configFile: false,
    root: join(ROOT, 'src/web/sheet'),
    publicDir: join(ROOT, 'src/web/public'),
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: { outDir: folder, emptyOutDir: true, target: 'es2022', modulePreload: { polyfill: false } },
  })
  return {
    serve: (page: Page) =>
      page.route(`${SHEET_URL}**`, (route) => {
        const { pathname } = new URL(route.request().url())
        if (pathname === '/v1/generations') return route.fulfill({ json: BOUGHT })
        // The gateway is away: what asks whether it is back gets no answer.
        if (extname(pathname) === '' && pathname !== '/') return route.abort()
        const file = pathname === '/' ? '/index.html' : pathname
        return route.fulfill({ body: readFileSync(join(folder, file)), contentType: TYPES[extname(file)] ?? 'application/octet-stream' })
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
