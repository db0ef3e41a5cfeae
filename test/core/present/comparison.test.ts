import { describe, expect, test } from 'vitest'
import { Comparison } from '#contract'
import type { ComparisonEntry, ComparisonRecord, GenerationRecord, ImageRecord } from '../../../src/core/records.ts'
import { comparisonView } from '../../../src/core/present/comparison.ts'
import { requestView } from '../../../src/core/present/generation.ts'
import { attemptRecord, generationRecord, routeTo } from '../../store/records.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'

const image = (id: string, changes: Partial<ImageRecord> = {}): ImageRecord => ({
  id,
  generationId: 'g',
  sha256: 'a'.repeat(64),
  format: 'jpeg',
  width: 1536,
  height: 1008,
  bytes: 1000,
  seed: null,
  flagged: null,
  link: null,
  ...changes,
})

/** A generation at one provider that ended with `amount` after `ms`; null is an unknown cost. */
const ended = (provider: string, amount: string | null, ms: number, changes: Partial<GenerationRecord> = {}): GenerationRecord =>
  generationRecord(`gen_${provider}`, {
    routes: [{ ...routeTo(provider), quoted: { amount: '0.03', lines: [] } }],
    status: 'succeeded',
    attempts: [
      attemptRecord(`att_${provider}`, {
        status: 'succeeded',
        settled: { amount, basis: amount === null ? 'unknown' : 'billed', lines: [] },
        endedAt: 1_000 + ms,
      }),
    ],
    images: [image(`img_${provider}`)],
    completedAt: 1_000 + ms,
    ...changes,
  })

const error = {
  code: 'moderated',
  message: 'refused',
  provider: 'b',
  provider_status: null,
  provider_code: null,
  provider_message: null,
  retryable: false,
  billed: false,
} as const
const failed = (provider: string, amount: string) =>
  ended(provider, amount, 50, { status: 'failed', images: [], error: { ...error, provider } })

function view(generations: readonly GenerationRecord[], others: readonly ComparisonEntry[] = []) {
  const begun = generations.map(({ id, routes }): ComparisonEntry => ({
    kind: 'begun',
    provider: routes[0]?.provider ?? '',
    generationId: id,
  }))
  const record: ComparisonRecord = {
    id: 'cmp_1',
    key: null,
    sandbox: true,
    createdAt: 1_000,
    request: { model: 'm', prompt: 'p', metadata: { a: 'b' } },
    references: [],
    entries: [...begun, ...others],
    unbegun: null,
  }
  return Comparison.parse(
    comparisonView(record, new Map(generations.map((generation) => [generation.id, generation])), plainLinks('http://x')),
  )
}
const column = <Key extends keyof Comparison['summary'][number]>(comparison: Comparison, key: Key) =>
  comparison.summary.map((row) => row[key])

describe('the summary of a comparison', () => {
  test('sets what each cost against the cheapest, in whole percent', () => {
    const comparison = view([ended('a', '0.045', 10), ended('b', '0.03', 20), ended('c', '0.0301', 30)])
    expect(column(comparison, 'vs_cheapest')).toEqual(['+50%', '+0%', '+0%'])
    expect(column(comparison, 'amount')).toEqual(['0.045', '0.03', '0.0301'])
    expect(column(comparison, 'total_ms')).toEqual([10, 20, 30])
  })

  test('never takes a failure that cost nothing for the cheapest', () => {
    const comparison = view([ended('a', '0.045', 10), failed('b', '0')])
    expect(comparison.summary).toMatchObject([
      { vs_cheapest: '+0%' },
      {
        status: 'failed',
        amount: '0',
        vs_cheapest: null,
        error_code: 'moderated',
        reasons: ['refused'],
        images: 0,
        bytes: null,
        width: null,
      },
    ])
    expect(comparison.status).toBe('succeeded')
  })

  test('leaves an unknown cost unknown and compares the others without it', () => {
    const comparison = view([ended('a', null, 10), ended('b', '0.06', 20), ended('c', '0.09', 20)])
    expect(column(comparison, 'amount')).toEqual([null, '0.06', '0.09'])
    expect(column(comparison, 'vs_cheapest')).toEqual([null, '+0%', '+50%'])
  })

  test('compares for the same number of images: one of three is not cheaper than three', () => {
    const three = [image('1'), image('2', { bytes: 500 }), image('3')]
    const comparison = view([ended('a', '0.09', 10, { images: three }), ended('b', '0.06', 20)])
    expect(column(comparison, 'vs_cheapest')).toEqual(['+0%', '+100%'])
    expect([column(comparison, 'images'), column(comparison, 'bytes')]).toEqual([
      [3, 1],
      [2500, 1000],
    ])
  })

  test('compares only images near the one requested: a far one has no percentage and is never the cheapest', () => {
    const at = (provider: string, amount: string, fidelity: 'exact' | 'near' | 'far') =>
      ended(provider, amount, 10, { routes: [{ ...routeTo(provider), fidelity }] })
    const comparison = view([at('far', '0.01', 'far'), at('near', '0.03', 'near'), at('exact', '0.045', 'exact')])
    expect(column(comparison, 'fidelity')).toEqual(['far', 'near', 'exact'])
    expect(column(comparison, 'vs_cheapest')).toEqual([null, '+0%', '+50%'])
  })

  test('compares no image with one that was delivered in another size', () => {
    const small = [image('1', { width: 768, height: 1024 })]
    const comparison = view([ended('a', '0.03', 10), ended('b', '0.06', 20, { images: small })])
    expect(column(comparison, 'vs_cheapest')).toEqual(['+0%', null])
    expect(column(comparison, 'width')).toEqual([1536, 768])
  })

  test('leaves out an image that is not as it was ordered, however cheap, and compares the others', () => {
    const small = [image('1', { width: 768, height: 1024 })]
    const comparison = view([ended('a', '0.01', 10, { images: small }), ended('b', '0.03', 20), ended('c', '0.06', 20)])
    expect(column(comparison, 'vs_cheapest')).toEqual([null, '+0%', '+100%'])
  })

  test('says where vendor defaults that acted differ', () => {
    const by = (provider: string, guidance: number) =>
      ended(provider, '0.03', 10, { routes: [{ ...routeTo(provider), defaults: { guidance } }] })
    const said = ['guidance: not asked, and a uses 5, b uses 2.5.']
    expect(column(view([by('a', 5), by('b', 2.5)]), 'assumptions')).toEqual([said, said])
    expect(column(view([by('a', 5), by('b', 5)]), 'assumptions')).toEqual([[], []])
  })

  test('says nothing of bytes where an image was passed on unfetched', () => {
    const comparison = view([ended('a', '0.09', 10, { images: [image('1'), image('2', { bytes: null })] })])
    expect(column(comparison, 'bytes')).toEqual([null])
  })

  test('of something free gives no percentage', () => {
    expect(column(view([ended('a', '0', 10), ended('b', '0.01', 20)]), 'vs_cheapest')).toEqual([null, null])
  })

  test('keeps the order of the entries and the reason of each that was not asked', () => {
    const comparison = view(
      [ended('a', '0.03', 10)],
      [
        { kind: 'ineligible', provider: 'b', reasons: ['n: too many'] },
        { kind: 'refused', provider: 'c', code: 'budget_exceeded', reasons: ['nothing is left'] },
      ],
    )
    expect(comparison.summary).toMatchObject([
      { provider: 'a', status: 'succeeded' },
      { provider: 'b', status: 'ineligible', error_code: 'no_eligible_offer', reasons: ['n: too many'], generation_id: null },
      { provider: 'c', status: 'failed', error_code: 'budget_exceeded', reasons: ['nothing is left'], generation_id: null },
    ])
  })
})

describe('the state of a comparison', () => {
  test('is running while one generation is, and has no end', () => {
    const comparison = view([ended('a', '0.03', 10), ended('b', null, 0, { status: 'running', completedAt: null, images: [] })])
    expect([comparison.status, comparison.completed_at]).toEqual(['running', null])
  })

  test('is running while a provider has not been asked', () => {
    expect(view([ended('a', '0.03', 10)], [{ kind: 'planned', provider: 'b' }])).toMatchObject({
      status: 'running',
      summary: [{}, { status: 'queued' }],
    })
  })

  test('ends when the last generation did', () => {
    expect(view([ended('a', '0.03', 10), ended('b', '0.03', 999)]).completed_at).toBe(new Date(1_999).toISOString())
  })

  test('has failed where nobody delivered, and ended where it began where nobody was asked', () => {
    const comparison = view([], [{ kind: 'refused', provider: 'c', code: 'budget_exceeded', reasons: [] }])
    expect([comparison.status, comparison.completed_at]).toEqual(['failed', new Date(1_000).toISOString()])
  })

  test('shows the request without its metadata, as a generation does', () => {
    expect(view([ended('a', '0.03', 10)]).request).toEqual({ model: 'm', prompt: 'p' })
  })
})

test('requestView shows a reference behind a link without its query, and its size where it is known', () => {
  const url = 'https://cdn.example/a.png?signature=secret'
  const view = (pixels: { width: number; height: number } | null) =>
    requestView({ request: { model: 'm', prompt: 'p' }, references: [{ kind: 'url', url, pixels }] })['reference_images']
  expect(view({ width: 768, height: 1536 })).toEqual([{ url: 'https://cdn.example/a.png', width: 768, height: 1536 }])
  expect(view(null)).toEqual([{ url: 'https://cdn.example/a.png' }])
})
