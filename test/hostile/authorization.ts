import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { Named } from '../support/openapi-judge.ts'
import { KEY } from './target.ts'

/** A request with whatever stands in its `Authorization`, as bytes. */
export interface Shown {
  readonly named: Named
  readonly bytes: Buffer
  /** No HTTP/1.1, or longer than is read: the connection ends with the answer. */
  readonly isBroken: boolean
  /** Whether the key came, in a spelling that RFC 6750 allows. */
  readonly isRight: boolean
}

/** Several of one word make it likelier. */
const SCHEMES =
  'Bearer|Bearer|Bearer|Bearer|bearer|BEARER|BeArEr|Basic|Digest|Token|Key|Bearer Bearer|Bearer:|"Bearer"|Béarer|B earer|Bearer,||='
const scheme = fc.constantFrom(...SCHEMES.split('|'))
const between = fc.constantFrom(' ', ' ', ' ', '  ', '\t', ' \t ', '', ':', ',', '     ', ' ,')
const hash = createHash('sha256').update(KEY).digest('hex')
const nearlyRight = [
  KEY,
  KEY,
  KEY,
  KEY.slice(0, -1),
  `${KEY}x`,
  KEY.toUpperCase(),
  `"${KEY}"`,
  `${KEY},${KEY}`,
  `${KEY} ${KEY}`,
  hash,
  `%20${KEY}`,
]
const token = fc.oneof(
  fc.constantFrom(...nearlyRight, `${KEY}%00`, Buffer.from(`x:${KEY}`).toString('base64')),
  fc.constantFrom('', '-', '*', 'null', 'undefined', '../../x', '%00'),
  fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text.toWellFormed()).toString('latin1')),
  fc.string({ unit: fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
  fc.nat(4).map((size) => 'k'.repeat([1_000, 8_000, 20_000, 40_000, 100_000][size] ?? 0)),
)
const value = fc.tuple(scheme, between, token).map((parts) => parts.join(''))
const lines = fc.oneof({ weight: 9, arbitrary: value.map((one) => [one]) }, { weight: 1, arbitrary: fc.array(value, { maxLength: 3 }) })

/** What HTTP/1.1 takes as a header's value, and what its reader holds. */
const isReadable = (text: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
const LONGEST = 30_000
/** How many requests stand on one connection. */
const AT_ONCE = 50

/** Requests to routes that ask for a key, of every API, with odd `Authorization` headers: none, several, huge, unicode, control characters. */
export function authorizations(operations: readonly Named[], count: number, seed: number): readonly Shown[] {
  // Answers without a length cannot be read one behind the other.
  const asked = operations.filter(
    ({ path, operation }) => operation.security?.length !== 0 && !/events$|backup|\/images\/\{|edits/.test(path),
  )
  const made = fc.record({ named: fc.constantFrom(...asked), lines, end: fc.constantFrom('', '', '', ' ', '\t') })
  return fc.sample(made, { seed, numRuns: count }).map(({ named, lines: shown, end }) => {
    const size = shown.join('').length
    const isBroken = !shown.every(isReadable) || size > LONGEST
    const path = named.path.replaceAll(/\{[^}]+\}/g, 'x')
    const head = [
      `${named.method} ${path} HTTP/1.1`,
      'host: 127.0.0.1',
      ...shown.map((line) => `authorization: ${line}${end}`),
      ...(named.method === 'POST' ? ['content-type: application/json', 'content-length: 0'] : []),
    ]
    return {
      named,
      bytes: Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'),
      isBroken,
      isRight: !isBroken && /^Bearer +(\S+)$/i.exec((shown[0] ?? '').trim())?.[1] === KEY,
    }
  })
}

/** In pieces that one connection bears. What cannot be read ends a connection with everything on it that is not answered yet, so it stands alone. */
export function connectionsOf(shown: readonly Shown[]): readonly (readonly Shown[])[] {
  const whole = shown.filter(({ isBroken }) => !isBroken)
  const pieces = Array.from({ length: Math.ceil(whole.length / AT_ONCE) }, (_, at) => whole.slice(at * AT_ONCE, (at + 1) * AT_ONCE))
  return [...pieces, ...shown.filter(({ isBroken }) => isBroken).map((one) => [one])]
}
