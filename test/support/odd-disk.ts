import fs, { existsSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/**
 * A disk for a process that is started with `--import` of this file. The file named in `ODD_DISK` says how odd it is at the moment, as JSON: `syncMs`
 * is how long it takes to say that it has something, `fails` whether it says that it failed.
 */
const file = process.env['ODD_DISK'] ?? ''
const { fdatasync } = fs

function oddness(): { readonly syncMs?: number; readonly fails?: boolean } {
  try {
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { readonly syncMs?: number; readonly fails?: boolean }) : {}
  } catch {
    // It is being written.
    return {}
  }
}

fs.fdatasync = ((descriptor: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  const { syncMs = 0, fails = false } = oddness()
  setTimeout(() => {
    if (fails) done(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
    else fdatasync(descriptor, done)
  }, syncMs)
}) as typeof fdatasync
syncBuiltinESMExports()
