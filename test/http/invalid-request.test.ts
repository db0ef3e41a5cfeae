import { expect, test } from 'vitest'
import { invalidRequest } from '../../src/http/invalid-request.ts'

test('a request with a misspelt field is answered with what was meant, whatever else it lacks', () => {
  const refusal = invalidRequest([
    { kind: 'missing', path: ['prompt'], message: 'is missing' },
    { kind: 'unknown', path: ['promt'], message: 'is unknown; did you mean prompt?' },
  ])
  expect(refusal.message).toBe('promt is unknown; did you mean prompt? (and 1 more)')
})
