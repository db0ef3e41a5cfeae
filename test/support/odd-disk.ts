import { execFileSync } from 'node:child_process'
import fs, { existsSync, open, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/**
 * A disk for a process that is started with `--import` of this file. The file named in `ODD_DISK` says how odd it is at the moment, as JSON: `syncMs`
 * is how long it takes to say that it has something, `fails` whether it says that it failed. `busyThreads` of Node's threads are busy for ever.
 */
interface Oddness {
  readonly syncMs?: number
  readonly fails?: boolean
  readonly busyThreads?: number
}

const file = process.env['ODD_DISK'] ?? ''
const { fdatasync } = fs

function oddness(): Oddness {
  try {
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Oddness) : {}
  } catch {
    // It is being written.
    return {}
  }
}

/** Whoever opens a FIFO that nobody writes into waits. */
let isBusy = false
function keepBusy(threads: number): void {
  if (threads === 0 || isBusy) return
  isBusy = true
  execFileSync('mkfifo', [`${file}.fifo`])
  for (let nth = 0; nth < threads; nth++) open(`${file}.fifo`, 'r', () => {})
}

fs.fdatasync = ((descriptor: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  const { syncMs = 0, fails = false, busyThreads = 0 } = oddness()
  keepBusy(busyThreads)
  setTimeout(() => {
    if (fails) done(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
    else fdatasync(descriptor, done)
  }, syncMs)
}) as typeof fdatasync
syncBuiltinESMExports()
