import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/**
 * These measure: turns of their own event loop (what another file left in memory would be collected in them), waits at a gateway, or how long
 * after a start something happens. They run after the others, with no more workers than cores.
 */
const MEASURED = [
  'test/money/long-ledger.test.ts',
  'test/store/assets/judged-in-turns.test.ts',
  'test/store/sqlite/{list,open}.test.ts',
  'test/hostile/{neighbours,slow-readers,idle-sockets,connections,callbacks,not-yours,limits-from-outside,inline-replies,long-runs,long-account,common-words,small-pieces,together,waiting-together,long-lists,packed-metadata,many-chunks,many-frames,many-polls,copied-images,requests-ahead}.test.ts',
  'test/crash/crash.test.ts',
]

/** The longest files: begun last, each would have the other workers wait for it. */
const BEGUN_FIRST = [
  'crash/crash',
  'hostile/neighbours',
  'cluster/faults',
  'web/choosing',
  'package/installed',
  'hostile/held-images',
  'conformance/emulator',
  'crash/postgres',
  // What has a browser keeps several processes busy: beside one more of them its waits would be over before a page is drawn.
  'web/doing',
  'house/provider-copy',
  'cli/verify',
  'crash/backup',
  'web/accessible',
  'crash/clocks',
  'http/docs-examples',
  'hostile/silent-bucket',
]
const ordered = ({ moduleId }: TestSpecification): number => {
  const at = BEGUN_FIRST.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`))
  return at === -1 ? BEGUN_FIRST.length : at
}
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((one, other) => ordered(one) - ordered(other))
  }
}

/** A browser, several nodes, other programs' SDKs: `npm run test:fast` leaves them out, and the same promises on PostgreSQL, which several nodes need. */
const OTHER_PROGRAMS = [
  'test/web/!(formats|sentences|tokens|votes).test.ts',
  'test/http/docs-{page,examples}.test.ts',
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
    // On a machine that is slow for an hour the same takes three times as long. What is waited for comes late there: Vitest's own second is too short.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 60_000 } },
    // Of the tests in one file that run at the same time, most of them pages of one browser.
    maxConcurrency: 3,
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'tests',
          include: ['test/**/*.test.ts', 'providers/*/test/**/*.test.ts'],
          exclude: [...MEASURED, ...left],
          // Most tests wait for processes and clocks: with one worker more than cores a quarter of their time was left.
          maxWorkers: availableParallelism() + 2,
          sequence: { groupOrder: 0 },
          // A file of a worker finds the modules that the file before it loaded: importing them again for each took a third of the run.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'measured',
          include: MEASURED,
          isolate: true,
          // A measure that is too long: another program of the machine can be what stopped a process, and what the gateway does, it does again.
          retry: { count: 2, condition: /^expected [\d.]+ to be less than/ },
          maxWorkers: Math.max(2, availableParallelism() - 1),
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
