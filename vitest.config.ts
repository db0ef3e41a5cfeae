import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'providers/*/test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    // The processes that tests start find their modules compiled: a start takes a third less of a busy machine.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/imagegate') },
    testTimeout: 15_000,
    hookTimeout: 20_000,
    pool: 'forks',
    // A file of a worker finds the modules that the file before it loaded: importing them again for each file took a third of the run.
    isolate: false,
    // Most tests wait for processes and clocks; with one worker fewer than cores, the default, a small machine would wait with them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
})
