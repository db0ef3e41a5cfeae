import { defineConfig } from 'vitest/config'

/** The suite's provider-dependent part, for `copied-folder.test.ts`. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', '.copied-provider-*/*/test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
})
