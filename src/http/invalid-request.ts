import type { z } from 'zod'
import { Refusal } from '../core/generation/accept.ts'

const MOST_ERRORS = 50
const MOST_KEYS = 20
const MOST_CHARS = 100

/** What is wrong with a request, field by field; an unknown field is named itself, not its parent. */
export function invalidRequest(issues: readonly z.core.$ZodIssue[]): Refusal {
  const errors = issues.slice(0, MOST_ERRORS).flatMap((issue) => {
    const path = issue.path.join('.')
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }]
    return issue.keys.slice(0, MOST_KEYS).map((key) => {
      const name = key.slice(0, MOST_CHARS)
      return { path: path ? `${path}.${name}` : name, message: 'unknown field; remove it or correct its spelling' }
    })
  })
  const [first, ...rest] = errors
  const more = rest.length > 0 ? ` (and ${rest.length} more)` : ''
  return new Refusal('invalid_request', first ? `${first.path || 'body'}: ${first.message}${more}` : 'The request is invalid.', errors)
}
