import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/**
 * Lines of JSON that outlive a killed process. Each line is written with one call before the reply that promises it; a line that a kill
 * cut off is skipped at the next start.
 */
export interface Journal {
  readonly lines: readonly unknown[]
  add(line: object): void
  /** Replaces everything, where the file has grown beyond `COMPACT_BYTES`. */
  compact(lines: readonly object[]): void
  close(): void
}

/** It holds prompts: this user's alone, as what a gateway keeps beside it. */
const OWN_FILE = 0o600
const OWN_FOLDER = 0o700
const COMPACT_BYTES = 4 * 1024 * 1024

/** A journal in memory only, where there is no directory. */
export const NO_JOURNAL: Journal = { lines: [], add: () => {}, compact: () => {}, close: () => {} }

export function openJournal(directory: string, name: string): Journal {
  mkdirSync(directory, { recursive: true, mode: OWN_FOLDER })
  const path = join(directory, `${name}.jsonl`)
  const written = existsSync(path) ? readFileSync(path, 'utf8') : ''
  let file = openSync(path, 'a', OWN_FILE)
  keepPrivate(path)
  if (written !== '' && !written.endsWith('\n')) writeSync(file, '\n')
  return {
    lines: written.split('\n').flatMap(parsed),
    add: (line) => void writeSync(file, `${JSON.stringify(line)}\n`),
    compact(lines) {
      if (statSync(path).size < COMPACT_BYTES) return
      writeFileSync(`${path}.new`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: OWN_FILE })
      renameSync(`${path}.new`, path)
      closeSync(file)
      file = openSync(path, 'a')
    },
    close: () => closeSync(file),
  }
}

/** One that an earlier version made was readable by others. */
function keepPrivate(path: string): void {
  try {
    chmodSync(path, OWN_FILE)
  } catch {
    // Another user's, who lets this process write: the mode is that user's to choose.
  }
}

function parsed(line: string): unknown[] {
  try {
    return [JSON.parse(line)]
  } catch {
    return []
  }
}
