import { describe, expect, test } from 'vitest'
import { plainLinks } from '../../../src/core/present/image-link.ts'
import { viewOf } from '../../../src/core/present/generation.ts'
import type { AttemptRecord } from '../../../src/core/records.ts'
import { attemptRecord, generationRecord } from '../../store/records.ts'

const error = { code: 'canceled', message: 'canceled', billed: 'unknown' } as unknown as NonNullable<AttemptRecord['error']>

describe('the error of a generation that was canceled', () => {
  test.each([
    { amount: '0.03', billed: true },
    { amount: '0', billed: false },
    { amount: null, billed: 'unknown' },
  ])('says $billed of its bill once it cost $amount', ({ amount, billed }) => {
    const settled: AttemptRecord['settled'] = { amount, basis: amount === null ? 'unknown' : 'billed', lines: [] }
    const attempt = attemptRecord('att_1', { status: 'canceled', error, settled, submittedAt: 1_000, endedAt: 2_000 })
    const view = viewOf(generationRecord('gen_1', { status: 'canceled', attempts: [attempt], error }), plainLinks('http://here'))
    expect([view.cost.amount, view.error?.billed, view.attempts[0]?.error?.billed]).toEqual([amount, billed, billed])
  })
})
