import { createHash } from 'node:crypto'

/** What becomes of a variable that is not set, in shells and programs: nothing, a blank, a line break, what `echo -n` adds, a word for nothing. */
const OF_UNSET_VARIABLES = ['', ' ', '\t', '\r\n', '\n', ' \n', '-n \n', '-n\n', '""', "''", 'undefined', 'null', 'undefined\n', 'null\n']
const ONE_CHARACTER = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index))

let hashes: ReadonlySet<string> | null = null

/** Whether a SHA-256 in lower-case hex is that of an empty secret, of what an unset variable becomes, or of a single character. */
export function isHashOfGuessableSecret(hash: string): boolean {
  hashes ??= new Set([...OF_UNSET_VARIABLES, ...ONE_CHARACTER, ...ONE_CHARACTER.map((text) => `${text}\n`)].map(sha256))
  return hashes.has(hash)
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
