import type { Compare } from '../core/comparisons/compare.ts'
import { whileKeyCounts } from './request-context.ts'

/** Comparisons as callers ask for them, through whatever API: what waits for one ends with the key that asks. */
export const comparisonsOfCallers = (compare: Compare): Compare => ({
  ...compare,
  answer: (begun, waitMs) => (waitMs > 0 ? whileKeyCounts(compare.answer(begun, waitMs)) : compare.answer(begun, waitMs)),
})
