import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** These measure turns of their own event loop: what another file left in memory would be collected in them. */
const MEASURED = ['test/money/long-ledger.test.ts', 'test/store/assets/judged-in-turns.test.ts', 'test/store/sqlite/list.test.ts']

/** A browser, several nodes, other programs' SDKs: `npm run test:fast` leaves them out. */
const OTHER_PROGRAMS = [
  'test/web/{pages,doing}.test.ts',
  'test/http/docs-page.test.ts',
  'test/http/compatible/foreign-clients.test.ts',
  'test/http/openapi/generated-clients.test.ts',
  '{test,providers}/**/{sdk,vercel,snippets}.test.ts',
  'test/{store/postgres,cluster}/**/*.test.ts',
]
const left = process.env['FAST_SUITE'] === undefined ? [] : OTHER_PROGRAMS

export default defineConfig({
  test: {
    setupFiles: ['test/setup.ts'],
    globalSetup: ['test/stop-postgres.ts'],
    // The processes that tests start from a source of their own find it compiled.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/imagegate') },
    testTimeout: 15_000,
    hookTimeout: 20_000,
    pool: 'forks',
    // Most tests wait for processes and clocks; with one worker fewer than cores, the default, a small machine would wait with them. Three on
    // two cores make those fail that measure turns of an event loop.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        extends: true,
        test: {
          name: 'tests',
          include: ['test/**/*.test.ts', 'providers/*/test/**/*.test.ts'],
          exclude: [...MEASURED, ...left],
          // A file of a worker finds the modules that the file before it loaded: importing them again for each took a third of the run.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'measured', include: MEASURED, isolate: true } },
    ],
  },
})
