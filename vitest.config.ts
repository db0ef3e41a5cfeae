import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** These measure turns of their own event loop: what another file left in memory would be collected in them. */
const MEASURED = ['test/money/long-ledger.test.ts', 'test/store/assets/judged-in-turns.test.ts', 'test/store/sqlite/list.test.ts']

export default defineConfig({
  test: {
    setupFiles: ['test/setup.ts'],
    globalSetup: ['test/stop-postgres.ts'],
    // The processes that tests start find their modules compiled: a start takes a third less of a busy machine.
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
          exclude: MEASURED,
          // A file of a worker finds the modules that the file before it loaded: importing them again for each took a third of the run.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'measured', include: MEASURED, isolate: true } },
    ],
  },
})
