import { sentenceOf } from '#contract'
import type { Objection } from '#contract'
import { Refusal } from '../core/generation/accept.ts'

const MOST_CHARS = 100

/** What is wrong with a request, field by field. The detail is the first of them as a sentence: "prompt is missing". */
export function invalidRequest(objections: readonly Objection[]): Refusal {
  const errors = objections.map(({ path, message }) => ({ path: pathInWords(path), message }))
  const [first, ...rest] = errors
  const more = rest.length > 0 ? ` (and ${rest.length} more)` : ''
  return new Refusal('invalid_request', first ? `${sentenceOf(first)}${more}` : 'The request is invalid.', errors)
}

/** Dotted; the caller's own names cut to a length that is shown. */
const pathInWords = (path: readonly PropertyKey[]): string => path.map((name) => String(name).slice(0, MOST_CHARS)).join('.')
