import { sentenceOf } from '#contract'
import type { Objection } from '#contract'
import { Refusal } from '../core/generation/accept.ts'

const MOST_CHARS = 100

/**
 * What is wrong with a request, field by field. The detail is the first of them as a sentence: "prompt is missing"; beside it, the misspelt field
 * that may be the one that is missed.
 */
export function invalidRequest(objections: readonly Objection[]): Refusal {
  const errors = objections.map(({ path, message }) => ({ path: pathInWords(path), message }))
  const [first] = objections
  const named = [first, misspelt(objections)].filter((one) => one !== undefined)
  const sentences = named.map(({ path, message }) => sentenceOf({ path: pathInWords(path), message }))
  const left = objections.length - named.length
  const more = left > 0 ? ` (and ${left} more)` : ''
  return new Refusal('invalid_request', first ? `${sentences.join('; ')}${more}` : 'The request is invalid.', errors)
}

/** Where a field is missing: the unknown one that reads like it, else the first unknown one beside it. */
export function misspelt([first, ...others]: readonly Objection[]): Objection | undefined {
  if (first?.kind !== 'missing') return undefined
  const { path } = first
  const unknown = others.filter((one) => one.kind === 'unknown' && pathInWords(one.path.slice(0, -1)) === pathInWords(path.slice(0, -1)))
  return unknown.find(({ message }) => message.includes(`"${String(path.at(-1))}"`)) ?? unknown[0]
}

/** Dotted; the caller's own names cut to a length that is shown. */
const pathInWords = (path: readonly PropertyKey[]): string => path.map((name) => String(name).slice(0, MOST_CHARS)).join('.')
