/** A text whose characters each remember the stretch of the original that they were read from. */
export interface SpelledText {
  readonly text: string
  readonly starts: Int32Array
  readonly ends: Int32Array
}

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  ast: '*',
  colon: ':',
  comma: ',',
  commat: '@',
  dollar: '$',
  equals: '=',
  excl: '!',
  gt: '>',
  hyphen: '-',
  dash: '-',
  lowbar: '_',
  lpar: '(',
  lt: '<',
  newline: '\n',
  num: '#',
  percnt: '%',
  period: '.',
  plus: '+',
  quest: '?',
  quot: '"',
  rpar: ')',
  semi: ';',
  sol: '/',
  tab: '\t',
  tilde: '~',
}

/** Every way to spell a character otherwise: in JSON and JavaScript, in a URL, in HTML by number or by name; and a line break in HTML. */
const ESCAPE =
  /\\u00([0-9a-f]{2})|\\u\{0{0,6}([0-9a-f]{2})\}|\\x([0-9a-f]{2})|\\([^ux])|%([0-9a-f]{2})|&#0{0,6}(\d{2,3});?|&#x0{0,6}([0-9a-f]{2});?|&([a-z]{2,7});|<w?br ?\/?>/gi

function meaningOf(match: RegExpExecArray): string {
  const [, json, braced, script, escaped, url, decimal, hex, name] = match
  const code = json ?? braced ?? script ?? url ?? hex
  if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
  if (decimal !== undefined) return String.fromCharCode(Number(decimal))
  if (escaped !== undefined) return 'nrtbf'.includes(escaped) ? '\n' : escaped
  return name === undefined ? '\n' : (NAMED[name.toLowerCase()] ?? match[0])
}

/** Escapes of escapes of escapes are read too. */
const MOST_ROUNDS = 5

/** Reads all escapes in a text, those that were escaped again included. Its characters are bytes. */
export function readEscapes(text: string): SpelledText {
  let read: SpelledText = { text, starts: countedFrom(0, text.length), ends: countedFrom(1, text.length) }
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const next = readOnce(read)
    if (next.text === read.text) break
    read = next
  }
  return read
}

/** Filled one by one: `from` with a function takes ten times as long, and this is done for every slice of a reply. */
function countedFrom(first: number, length: number): Int32Array {
  const counted = new Int32Array(length)
  for (let at = 0; at < length; at++) counted[at] = first + at
  return counted
}

function readOnce({ text, starts, ends }: SpelledText): SpelledText {
  const pieces: string[] = []
  const newStarts = new Int32Array(text.length)
  const newEnds = new Int32Array(text.length)
  let length = 0
  let from = 0
  const keep = (until: number): void => {
    pieces.push(text.slice(from, until))
    newStarts.set(starts.subarray(from, until), length)
    newEnds.set(ends.subarray(from, until), length)
    length += until - from
    from = until
  }
  for (const match of text.matchAll(ESCAPE)) {
    keep(match.index)
    const meaning = meaningOf(match)
    from += match[0].length
    pieces.push(meaning)
    // Where it is unknown, it stays as it is, at its full length.
    for (let part = 0; part < meaning.length; part++) {
      newStarts[length] = starts[match.index] ?? 0
      newEnds[length] = ends[from - 1] ?? 0
      length++
    }
  }
  keep(text.length)
  return { text: pieces.join(''), starts: newStarts.subarray(0, length), ends: newEnds.subarray(0, length) }
}

/** Only the characters whose code is 1 in `isKept`: what a text that is split over lines is without its breaks, quotes and commas. */
export function onlyThose({ text, starts, ends }: SpelledText, isKept: Uint8Array): SpelledText {
  const codes = Buffer.alloc(text.length)
  const keptStarts = new Int32Array(text.length)
  const keptEnds = new Int32Array(text.length)
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (isKept[code] !== 1) continue
    codes[length] = code
    keptStarts[length] = starts[at] ?? 0
    keptEnds[length] = ends[at] ?? 0
    length += 1
  }
  return { text: codes.toString('latin1', 0, length), starts: keptStarts.subarray(0, length), ends: keptEnds.subarray(0, length) }
}
