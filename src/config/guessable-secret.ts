import { hash } from 'node:crypto'

/** What becomes of a variable that is not set, in shells and programs: nothing, a blank, a line break, what `echo -n` adds, a word for nothing. */
const OF_UNSET_VARIABLES = ['', ' ', '\t', '\r\n', '\n', ' \n', '-n \n', '-n\n', '""', "''", 'undefined', 'null', 'undefined\n', 'null\n']
const CHARACTERS = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index))
const MOST_DIGITS = 4

/**
 * Those of these SHA-256 in lower-case hex that are of an empty secret, of what an unset variable becomes, or of a very short one: one or two
 * characters, or up to four digits. It takes some 15 ms.
 */
export function hashesOfGuessableSecrets(hashes: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set<string>()
  for (const secret of hashes.size === 0 ? [] : guessableSecrets()) {
    const sha256 = hash('sha256', secret)
    if (hashes.has(sha256)) found.add(sha256)
  }
  return found
}

function* guessableSecrets(): Generator<string> {
  yield* OF_UNSET_VARIABLES
  for (const first of CHARACTERS) {
    yield* [first, `${first}\n`]
    for (const second of CHARACTERS) yield first + second
  }
  for (let digits = 3; digits <= MOST_DIGITS; digits += 1)
    for (let number = 0; number < 10 ** digits; number += 1) yield String(number).padStart(digits, '0')
}
