import { describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { specialText } from '../../src/web/generations/special.ts'
import { storyOf } from '../../src/web/generations/story.ts'
import { partText } from '../../src/web/parts/billed-text.ts'

const TITLES = { bfl: 'Black Forest Labs', runware: 'Runware', vtrix: 'Vtrix' } as const
const titles = (id: string | null): string => TITLES[id as keyof typeof TITLES] ?? ''
const AT = '2026-11-28T10:00:00.000Z'

const error = (said: object) => ({
  code: 'provider_unavailable',
  message: 'It failed',
  provider: 'bfl',
  provider_status: null,
  provider_code: null,
  provider_message: null,
  retryable: false,
  billed: 'unknown',
  ...said,
})
const attempt = (provider: string, said: object | null = null) => ({
  provider,
  status: said === null ? 'succeeded' : 'failed',
  provider_task_id: null,
  error: said === null ? null : error(said),
  cost: { amount: null, quoted: '0.03' },
  started_at: AT,
})
interface Facts {
  readonly asked?: number
  readonly made?: number
  readonly amount?: string | null
  readonly quoted?: string | null
  readonly attempts?: readonly object[]
}
const generation = ({ asked = 1, made = asked, amount = null, quoted = '0.12', attempts = [attempt('bfl')] }: Facts): Generation =>
  ({
    status: 'succeeded',
    created_at: AT,
    completed_at: AT,
    request: { n: asked },
    images: Array.from({ length: made }, () => ({ bytes: 412_000, format: 'jpeg', width: 1536, height: 1024 })),
    cost: { amount, quoted },
    error: null,
    attempts,
    routing: { strategy: 'price', considered: [] },
  }) as unknown as Generation

describe('a part of the images', () => {
  test.each([
    [3, { amount: '0.09' }, { code: 'moderated', stage: 'output' }, '1 of 4 was refused after it was made. Billed for 3.'],
    [2, { amount: '0.06' }, { code: 'moderated', stage: 'output' }, '2 of 4 were refused after they were made. Billed for 2.'],
    [3, { amount: '0.12' }, { code: 'moderated', stage: 'request' }, '1 of 4 was refused before it was made. Billed $0.1200.'],
    [2, {}, { code: 'provider_unavailable' }, '2 of 4 failed. Billed? Unknown, at most $0.1200.'],
    [2, { amount: '0.0855', quoted: null }, null, '2 of 4 were not delivered. Billed $0.0855.'],
  ])('is said to be so: %i of 4 with %j and %j', (made, cost, why, said) => {
    expect(partText(generation({ asked: 4, made, ...cost, attempts: [attempt('bfl', why)] }))).toBe(said)
  })
})

describe('a generation', () => {
  const busy = { code: 'rate_limited' }
  test.each([
    [{ attempts: [attempt('bfl')] }, ''],
    [{ attempts: [attempt('bfl', busy), attempt('runware')] }, 'Second try: Black Forest Labs was busy.'],
    [{ attempts: [attempt('bfl', busy), attempt('vtrix', {}), attempt('runware')] }, 'Third try: Black Forest Labs was busy.'],
    // Of several images each has an attempt of its own, beside the others.
    [
      { asked: 3, attempts: [attempt('bfl', {}), ...Array.from({ length: 3 }, () => attempt('runware'))] },
      'Second try: Black Forest Labs failed.',
    ],
    [{ asked: 3, attempts: [attempt('bfl', busy), ...Array.from({ length: 3 }, () => attempt('bfl'))] }, ''],
  ])('says what is special about it: %j', (facts, said) => {
    expect(specialText(generation(facts), titles)).toBe(said)
  })
})

describe('the story of an attempt', () => {
  const textOf = (said: object) => storyOf(generation({ attempts: [attempt('bfl', said)] }), titles)[1]?.text
  test('quotes the provider once, each sentence with one full stop', () => {
    expect(textOf({ provider_status: 429, provider_message: 'Too many active tasks', message: 'BFL has too many (HTTP 429)' })).toBe(
      'Submitted, answered 429 “Too many active tasks”. BFL has too many (HTTP 429).',
    )
    expect(textOf({ provider_status: 200, provider_message: 'The inference failed.', message: 'Runware: The inference failed.' })).toBe(
      'Submitted, answered 200. Runware: The inference failed.',
    )
  })

  test('does not say of what never reached the provider that it was submitted', () => {
    expect(textOf({ billed: false, message: 'BFL could not be reached' })).toBe('BFL could not be reached.')
  })

  test('says how large all images are together', () => {
    const fetched = (made: number) => storyOf(generation({ asked: made }), titles)[2]?.text
    expect(fetched(1)).toBe('412 kB, checked to be a JPEG of 1536 × 1024.')
    expect(fetched(3)).toBe('1.2 MB in all, each checked to be a JPEG of 1536 × 1024.')
  })
})
