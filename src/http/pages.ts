import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HttpProblem } from './http-problem.ts'
import { pageHeaders } from './page-policy.ts'

export interface PageDependencies {
  /** The folder of the built pages; null where they are not built. */
  readonly pagesFolder: string | null
}

/** Where the shell is served; which page it shows is decided in the browser. */
export const PAGES = ['/', '/generations', '/generations/:id', '/costs', '/providers'] as const

/** The shell holds nothing of anybody: it is open, and asks the API with the key it is given. */
const HEADERS = { ...pageHeaders(), 'cross-origin-opener-policy': 'same-origin' }

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

interface ServedFile {
  readonly bytes: Buffer
  readonly zipped: Buffer
  readonly type: string
}

/** The pages at their paths, and the files they are made of. A few hundred kilobytes, so they are read once and kept. */
export async function pages(app: FastifyInstance, { pagesFolder }: PageDependencies): Promise<void> {
  const files = pagesFolder === null ? new Map<string, ServedFile>() : await readFiles(pagesFolder)
  const schema = { hide: true }
  const config = { access: 'open' } as const
  const shell = files.get('index.html')
  for (const path of PAGES)
    app.get(path, { schema, config }, async (request, reply) =>
      shell === undefined ? notBuilt(reply) : send(request, reply, shell, 'no-cache'),
    )
  for (const name of ['theme.js', 'favicon.svg'])
    app.get(`/${name}`, { schema, config }, async (request, reply) => send(request, reply, found(files, name), 'no-cache'))
  app.get('/favicon.ico', { schema, config }, async (_request, reply) => reply.redirect('/favicon.svg', 308))
  app.get<{ Params: { name: string } }>('/assets/:name', { schema, config }, async (request, reply) =>
    // Its name has the hash of its bytes in it.
    send(request, reply, found(files, `assets/${request.params.name}`), 'public, max-age=31536000, immutable'),
  )
}

async function readFiles(folder: string): Promise<Map<string, ServedFile>> {
  const files = new Map<string, ServedFile>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const type = TYPES[extname(entry.name)]
    if (!entry.isFile() || type === undefined) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = await readFile(path)
    const name = path.slice(folder.length + 1).replaceAll('\\', '/')
    files.set(name, { bytes, zipped: await promisify(gzip)(bytes), type })
  }
  return files
}

function found(files: ReadonlyMap<string, ServedFile>, name: string): ServedFile {
  const file = files.get(name)
  if (file === undefined)
    throw new HttpProblem({ code: 'not_found', detail: `The pages have no file ${JSON.stringify(name.slice(0, 100))}.` })
  return file
}

function send(request: FastifyRequest, reply: FastifyReply, { bytes, zipped, type }: ServedFile, cacheControl: string): FastifyReply {
  const takesGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
  reply.headers({ ...HEADERS, 'cache-control': cacheControl, 'content-type': type, vary: 'accept-encoding' })
  return takesGzip ? reply.header('content-encoding', 'gzip').send(zipped) : reply.send(bytes)
}

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>imagegate</title><meta name="viewport" content="width=device-width">
<h1>imagegate is running</h1>
<p>Its pages are not built in this folder. Run <code>npm ci</code>, or <code>npm run pages</code> where its packages are installed, and start it again.</p>
<p>The API works without them: <a href="/docs">/docs</a>.</p></html>
`

function notBuilt(reply: FastifyReply): FastifyReply {
  return reply.headers({ ...HEADERS, 'cache-control': 'no-store', 'content-type': 'text/html; charset=utf-8' }).send(NOT_BUILT)
}
