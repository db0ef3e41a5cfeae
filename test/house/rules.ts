/**
 * Who may import whom. The tests of this folder enforce these rows, and `npm run map` writes them into the table of
 * src/README.md, so the map cannot differ from what is enforced.
 */
export interface ImportRule {
  /** The folder or file, below the root of the checkout. The longest path that fits a file is its rule. */
  readonly path: string
  readonly purpose: string
  /** Folders or files of this project, as import paths below src/ or as `#` names. Its own folder is always allowed. */
  readonly imports: readonly string[]
  /** The same, for types alone. */
  readonly typesOf?: readonly string[]
  readonly packages: readonly string[]
  /** Modules of Node: any, none, or these. */
  readonly node: 'any' | 'none' | readonly string[]
  /** Imports files that it finds at run time: the only way from src/ to a provider. */
  readonly findsFiles?: boolean
}

/** What may be imported by all that is no wire format and no vendor's client: pure, and without a dependency of its own. */
const VOCABULARY = ['#contract', '#adapter-kit']

export const IMPORT_RULES: readonly ImportRule[] = [
  {
    path: 'src/contract',
    purpose: 'What callers and adapters see: schemas that are the types, money, failures, the adapter contract (`#contract`).',
    imports: [],
    packages: ['zod'],
    node: 'none',
  },
  {
    path: 'src/adapter-kit',
    purpose: 'What adapters share, pure: `Retry-After`, scrubbing, digits, amounts, web URLs (`#adapter-kit`).',
    imports: ['#contract'],
    packages: ['zod'],
    node: 'none',
  },
  {
    path: 'src/reading',
    purpose:
      'Reads JSON of strangers, callers and vendors, as it comes: within bounds, and with the bytes of inline images taken out of it.',
    imports: ['#contract'],
    packages: [],
    node: ['node:async_hooks', 'node:crypto', 'node:stream', 'node:timers/promises', 'node:v8'],
  },
  {
    path: 'src/core',
    purpose: 'A generation from POST to image, and every rule about money. No HTTP, no database, no vendor’s name.',
    imports: [...VOCABULARY, 'reading'],
    packages: ['cockatiel'],
    node: ['node:crypto', 'node:stream'],
  },
  {
    path: 'src/core/plan',
    purpose: 'Adapts a request to each offer, prices it and chooses. Pure, no clock.',
    imports: [...VOCABULARY, 'core/records.ts'],
    typesOf: ['core'],
    packages: [],
    node: 'none',
  },
  {
    path: 'src/catalogue',
    purpose: 'Finds `providers/*`; offers, models and prices as they are now.',
    imports: [...VOCABULARY, 'config'],
    typesOf: ['#sandbox', 'core'],
    packages: [],
    node: ['node:fs', 'node:fs/promises', 'node:path', 'node:url'],
    findsFiles: true,
  },
  {
    path: 'src/config',
    purpose: 'YAML and environment → one frozen snapshot. The only reader of `process.env`.',
    imports: [...VOCABULARY, 'transport/secret.ts', 'transport/guard.ts'],
    typesOf: ['catalogue'],
    packages: ['yaml', 'zod'],
    node: 'any',
  },
  {
    path: 'src/transport',
    purpose: 'HTTP to the outside: adds the vendor’s key, sends calls, downloads from guarded addresses. The only importer of undici.',
    imports: [...VOCABULARY, 'reading'],
    typesOf: ['core'],
    packages: ['undici', 'ipaddr.js'],
    node: 'any',
  },
  {
    path: 'src/store',
    purpose:
      'The database and the image files: `sqlite/`, `postgres/`, and in `rules/` what both mean. The only importer of `node:sqlite`, `pg` and `pg-boss`.',
    imports: [
      '#contract',
      'reading',
      'core/ports.ts',
      'core/nodes.ts',
      'core/records.ts',
      'core/blank-records.ts',
      'core/keys/key-record.ts',
    ],
    packages: ['sharp', 'pg', 'pg-boss', 'rate-limiter-flexible', '@aws-sdk/client-s3', '@aws-sdk/s3-request-presigner'],
    node: 'any',
  },
  {
    path: 'src/http',
    purpose: 'Routes: our own API in `api/`, those of other vendors in `compatible/`. Each route file states what it needs.',
    imports: [...VOCABULARY, 'core', 'reading'],
    packages: [
      'fastify',
      '@fastify/*',
      '@scalar/*',
      '@modelcontextprotocol/*',
      'fastify-type-provider-zod',
      'zod',
      'prom-client',
      'pino',
      'rate-limiter-flexible',
      'ipaddr.js',
    ],
    node: 'any',
  },
  {
    path: 'src/monitoring',
    purpose: 'Metrics, traces and the health of each provider, fed by the core.',
    imports: VOCABULARY,
    typesOf: ['core'],
    packages: ['prom-client', '@opentelemetry/api'],
    node: 'none',
  },
  {
    path: 'src/sandbox',
    purpose: 'What the emulators of the vendors share: stories, drawn images, tasks (`#sandbox`).',
    imports: VOCABULARY,
    packages: ['sharp', 'fastify', 'zod'],
    node: 'any',
  },
  {
    path: 'src/client',
    purpose: 'A typed client of our own API; the command line uses it.',
    // The pages hold all that it imports, and the contract brings zod.
    imports: ['contract/url.ts'],
    typesOf: ['#contract'],
    packages: [],
    node: 'none',
  },
  {
    path: 'src/web',
    purpose: 'The pages, built by Vite for the browser. They ask the public API through `client/` alone.',
    imports: ['client', 'contract/amounts.ts'],
    typesOf: ['#contract'],
    packages: ['preact', '@tanstack/preact-query'],
    node: 'none',
  },
]

/** A provider's folder has two kinds of files; what its tests import is not judged. */
export const ADAPTER_RULE: ImportRule = {
  path: 'providers/<id>',
  purpose: 'One vendor, pure: `translate` an order into a call, `interpret` a reply.',
  imports: VOCABULARY,
  packages: ['zod'],
  node: 'none',
}

export const EMULATOR_RULE: ImportRule = {
  path: 'providers/<id>/emulator*.ts',
  purpose: 'The vendor’s API for the sandbox and the tests. Never imported by the adapter.',
  imports: [...VOCABULARY, '#sandbox'],
  packages: ['zod', 'fastify'],
  node: 'any',
}

/** These put everything together: they may import anything, and nothing imports them but each other. */
export const COMPOSERS: readonly { readonly path: string; readonly purpose: string }[] = [
  { path: 'src/main.ts', purpose: 'The process: environment → `startGateway` → close on signals.' },
  {
    path: 'src/gateway',
    purpose: 'Starts and stops a gateway: read configuration, open resources, create services, build the app, listen and resume.',
  },
  { path: 'src/cli', purpose: 'The `imagegate` command, one file a verb.' },
]

/** What a `#` name stands for (package.json, `imports`). */
export const NAMED_FOLDERS: Readonly<Record<string, string>> = {
  '#contract': 'contract',
  '#adapter-kit': 'adapter-kit',
  '#sandbox': 'sandbox',
}

/** A module that one folder alone may import, wherever else a rule might allow it. */
export const ONLY_IMPORTER: Readonly<Record<string, string>> = {
  undici: 'src/transport',
  'node:sqlite': 'src/store',
  pg: 'src/store',
  'pg-boss': 'src/store',
  '@aws-sdk/client-s3': 'src/store',
  '@aws-sdk/s3-request-presigner': 'src/store',
}

/** Folders below src/ that speak a vendor's wire format or to people; everywhere else no vendor is named. */
export const MAY_NAME_VENDORS = ['src/http/compatible/', 'src/web/', 'src/cli/', 'src/client/']

export const MAX_FILE_LINES = 250
export const MAX_FUNCTION_LINES = 60
/** A component of the pages (`.tsx`, a capital first) is mostly markup, which the formatter spreads over many lines. */
export const MAX_COMPONENT_LINES = 110
export const MAX_MAIN_LINES = 25
