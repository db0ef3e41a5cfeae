import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import { declareAccess } from './access.ts'
import { MEND, PREPARE, START } from './docs-in-browser.ts'
import { pathOf } from './known-routes.ts'
import { pageHeaders } from './page-policy.ts'

/** The header and the colours of the pages, the latter for the names that the reference has for them. */
const STYLE = `:root {
  --scalar-custom-header-height: 48px;
  --scalar-font: system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif;
  --scalar-font-code: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  --scalar-radius: 4px;
}
body { margin: 0; font: 400 14px/20px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
.pages-header {
  position: sticky; top: 0; z-index: 10; box-sizing: border-box; display: flex; align-items: stretch; height: 48px; padding: 0 24px;
  background: var(--scalar-background-1); border-bottom: 1px solid var(--scalar-border-color); overflow-x: auto;
}
.pages-header a { display: flex; align-items: center; color: var(--scalar-color-2); text-decoration: none; white-space: nowrap; }
.pages-header a:hover { color: var(--scalar-color-1); }
.pages-header a:focus-visible { outline: 2px solid var(--scalar-color-accent); outline-offset: -2px; }
.pages-header .mark { gap: 8px; margin-right: 36px; font-size: 15px; font-weight: 600; color: var(--scalar-color-1); }
.pages-header .mark svg { width: 16px; height: 20px; fill: none; stroke: currentColor; stroke-width: 1.6; }
.pages-header div { display: flex; gap: 28px; }
.no-script { padding: 24px; }
/* Where the name and the kind of authentication do not fit beside one another, one stands below the other. */
#app div:has(> button [data-testid='auth-indicator']) { flex-wrap: wrap; }
#app div:has(> button [data-testid='auth-indicator']) > button { flex: 1 0 auto; }
@media (max-width: 639px) {
  .pages-header { padding: 0 16px; }
  .pages-header .mark { margin-right: 12px; }
  .pages-header .mark span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .pages-header div { gap: 12px; }
  #app div:has(> button [data-testid='auth-indicator']) > div { padding: 0 4px 8px 8px; }
}
.light-mode {
  --scalar-background-1: #fff; --scalar-background-2: #f4f4f4; --scalar-background-3: #e8e8e8; --scalar-background-accent: #eaf0fd;
  --scalar-color-1: #171717; --scalar-color-2: #4f4f4f; --scalar-color-3: #646464; --scalar-color-accent: #1d4fc4;
  --scalar-border-color: #e2e2e2; --scalar-color-green: #17713c; --scalar-color-red: #b42318; --scalar-color-yellow: #855200;
  --scalar-color-orange: #855200; --scalar-color-blue: #1d4fc4; --scalar-color-purple: #6d3bb8;
  --scalar-button-1: #171717; --scalar-button-1-color: #fff; --scalar-button-1-hover: #4f4f4f;
}
.dark-mode {
  --scalar-background-1: #121212; --scalar-background-2: #1a1a1a; --scalar-background-3: #262626; --scalar-background-accent: #1b2544;
  --scalar-color-1: #f0f0f0; --scalar-color-2: #bdbdbd; --scalar-color-3: #9c9c9c; --scalar-color-accent: #8fb2ff;
  --scalar-border-color: #2d2d2d; --scalar-color-green: #66cb90; --scalar-color-red: #ff8b80; --scalar-color-yellow: #e8b45e;
  --scalar-color-orange: #e8b45e; --scalar-color-blue: #8fb2ff; --scalar-color-purple: #c5a8ff;
  --scalar-button-1: #f0f0f0; --scalar-button-1-color: #121212; --scalar-button-1-hover: #bdbdbd;
}
`

const page = (nonce: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>imagegate API</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta property="csp-nonce" content="${nonce}" />
    <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="style.css" />
    <script src="js/prepare.js"></script>
  </head>
  <body>
    <nav class="pages-header" aria-label="Pages">
      <a class="mark" href="/"><svg viewBox="0 0 16 20" aria-hidden="true"><path d="M1 4h14v12H1zM8 0v20"/></svg><span>imagegate</span></a>
      <div>
        <a href="/">Compare</a><a href="/generations">Generations</a><a href="/costs">Costs</a><a href="/providers">Providers</a>
      </div>
    </nav>
    <div id="app"></div>
    <noscript><p class="no-script">This page needs JavaScript. What it shows is <a href="/openapi.json">/openapi.json</a>.</p></noscript>
    <script src="js/scalar.js"></script>
    <script src="js/start.js"></script>
    <script src="js/mend.js"></script>
  </body>
</html>
`

/** `/docs`: the OpenAPI document as a page to read and to try, from this origin alone. */
export async function docsPage(app: FastifyInstance): Promise<void> {
  await app.register(async (docs) => {
    declareAccess(docs, 'open')
    const schema = { hide: true }
    const script = 'text/javascript; charset=utf-8'
    docs.get('/docs/', { schema }, async (request, reply) => {
      // The page names its files from its own folder.
      if (pathOf(request) !== '/docs/') return reply.redirect('/docs/', 301)
      const nonce = randomBytes(16).toString('base64')
      return (
        reply
          // The reference makes styles while it runs, and gives them the nonce of the page.
          .headers({ 'content-type': 'text/html; charset=utf-8', ...pageHeaders(`'nonce-${nonce}'`), 'cache-control': 'no-store' })
          .serializer(String)
          .send(page(nonce))
      )
    })
    docs.get('/docs/js/scalar.js', { schema }, async (_request, reply) => reply.type(script).send(await referenceScript()))
    docs.get('/docs/js/prepare.js', { schema }, async (_request, reply) => reply.type(script).send(PREPARE))
    docs.get('/docs/js/start.js', { schema }, async (_request, reply) => reply.type(script).send(START))
    docs.get('/docs/js/mend.js', { schema }, async (_request, reply) => reply.type(script).send(MEND))
    docs.get('/docs/style.css', { schema }, async (_request, reply) => reply.type('text/css; charset=utf-8').send(STYLE))
  })
}

let known: Promise<Buffer> | null = null

/** The script of the reference, read once, by the first page that is opened. */
function referenceScript(): Promise<Buffer> {
  known ??= readReferenceScript().catch((error: unknown) => {
    known = null
    throw error
  })
  return known
}

/** Named from the folder above, because a built gateway has this code in another folder beside `http`. */
const PROGRAM = new URL(`../http/docs-script.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

async function readReferenceScript(): Promise<Buffer> {
  const thread = new Worker(PROGRAM)
  try {
    const [bytes] = (await once(thread, 'message')) as [Uint8Array]
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  } finally {
    await thread.terminate()
  }
}
