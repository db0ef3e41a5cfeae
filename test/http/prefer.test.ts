import { expect, test } from 'vitest'
import { waitOf } from '../../src/http/prefer.ts'

test.each<[string | undefined, number, string | null]>([
  [undefined, 55_000, null],
  ['', 55_000, null],
  ['wait=8', 8_000, 'wait=8'],
  ['Wait = "8"', 8_000, 'wait=8'],
  ['wait=601', 600_000, 'wait=600'],
  ['respond-async', 0, 'respond-async'],
  ['respond-async, wait=8', 8_000, 'respond-async, wait=8'],
  ['wait=8, respond-async', 8_000, 'respond-async, wait=8'],
  ['wait=8, wait=9', 8_000, 'wait=8'],
  ['wait=-1', 55_000, null],
  ['wait=soon, handling=lenient', 55_000, null],
])('Prefer: %s waits %i ms and is answered with %s', (prefer, waitMs, applied) => {
  expect(waitOf(prefer)).toEqual({ waitMs, applied })
})
