import { join } from 'node:path'

const { PATH = '', NODE_COMPILE_CACHE, TEST_DAYS_LATER } = process.env
const shifted = { TEST_DAYS_LATER, NODE_OPTIONS: `--require ${join(import.meta.dirname, 'shifted-clock.cjs')}` }

/**
 * What a process has that the environment of the test is kept from: where programs are, the compiled sources, with which a start needs a
 * quarter less of the processor, and the calendar of the run.
 */
export const BARE_ENVIRONMENT = Object.fromEntries(
  Object.entries({ PATH, NODE_COMPILE_CACHE, ...(TEST_DAYS_LATER === undefined ? {} : shifted) }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  ),
) as Readonly<Record<string, string>>
