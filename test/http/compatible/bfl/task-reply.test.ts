import { BLANK_ATTEMPT } from '../../../../src/core/blank-records.ts'
import { describe, expect, test } from 'vitest'
import { generationError } from '#contract'
import type { GenerationRecord } from '../../../../src/core/records.ts'
import { creditsOf, resultReply, submitReply, taskNotFound } from '../../../../src/http/compatible/bfl/task-reply.ts'
import { viewOf } from '../../../../src/core/present/generation.ts'
import { generationRecord, imageRecord, routeTo } from '../../../store/records.ts'
import { plainLinks } from '../../../../src/core/present/image-link.ts'

const PUBLIC = 'https://img.example.com'
const replyOf = (record: GenerationRecord) =>
  JSON.parse(JSON.stringify(resultReply(viewOf(record, plainLinks(PUBLIC))))) as Record<string, unknown>
const nothing = { result: null, progress: null, details: null, preview: null }

describe('a generation is one of BFL’s six statuses', () => {
  test('queued and running are Pending, with progress where there is some', () => {
    expect(replyOf(generationRecord('gen_1'))).toEqual({ id: 'gen_1', status: 'Pending', ...nothing })
    expect(replyOf(generationRecord('gen_1', { status: 'running' }))).toMatchObject({ status: 'Pending' })
  })

  test('succeeded is Ready, its seed a number with every digit', () => {
    const record = generationRecord('gen_1', {
      status: 'succeeded',
      images: [imageRecord('img_1', 'gen_1', { seed: '18446744073709551615' })],
      promptUsed: 'rewritten',
      startedAt: 1_500,
      completedAt: 4_000,
    })
    expect(replyOf(record)).toMatchObject({
      status: 'Ready',
      result: { sample: `${PUBLIC}/v1/images/img_1.jpg`, prompt: 'rewritten', start_time: 1.5, end_time: 4, duration: 2.5 },
    })
    expect(JSON.stringify(resultReply(viewOf(record, plainLinks(PUBLIC))))).toContain('"seed":18446744073709551615,')
  })

  test('a seed that is not known stays out, and the prompt is the caller’s own where none was rewritten', () => {
    const record = generationRecord('gen_1', { status: 'succeeded', images: [imageRecord('img_1', 'gen_1', { seed: null })] })
    const { result } = replyOf(record)
    expect(result).not.toHaveProperty('seed')
    expect(result).toMatchObject({ prompt: record.request.prompt })
  })

  test.each([
    ['request', 'Request Moderated'],
    ['output', 'Content Moderated'],
  ] as const)('moderation of the %s is %s with its reasons', (stage, status) => {
    const error = generationError({ code: 'moderated', message: 'no', billed: false, stage, reasons: ['Violence'] }, 'bfl')
    expect(replyOf(generationRecord('gen_1', { status: 'failed', error }))).toEqual({
      ...nothing,
      id: 'gen_1',
      status,
      details: { 'Moderation Reasons': ['Violence'] },
    })
  })

  test('every other end is Error and says which', () => {
    const error = generationError({ code: 'outcome_unknown', message: 'its reply was lost', billed: 'unknown' }, 'bfl')
    for (const status of ['failed', 'canceled'] as const) {
      expect(replyOf(generationRecord('gen_1', { status, error }))).toMatchObject({
        status: 'Error',
        result: null,
        details: { error: 'its reply was lost', code: 'outcome_unknown' },
      })
    }
  })

  test('an id nobody knows is Task not found', () => {
    expect(taskNotFound('gen_x')).toEqual({ id: 'gen_x', status: 'Task not found', ...nothing })
  })
})

describe('the answer to a submit', () => {
  const priced = generationRecord('gen_1', {
    routes: [{ ...routeTo('bfl'), quoted: { amount: '0.045', lines: [] } }],
    references: [{ kind: 'stored', sha256: 'ab'.repeat(32), format: 'png', pixels: { width: 1024, height: 768 } }],
  })

  test('has the quote in credits and megapixels in units of 1024 x 1024', () => {
    const reply = JSON.stringify(submitReply('gen_1', priced, PUBLIC, null))
    expect(JSON.parse(reply)).toEqual({
      id: 'gen_1',
      polling_url: `${PUBLIC}/bfl/v1/get_result?id=gen_1`,
      cost: 4.5,
      input_mp: 0.75,
      output_mp: 1.5,
    })
  })

  test('has an edit’s megapixels: what the vendor said, else those of its first image', () => {
    const edit = generationRecord('gen_1', { ...priced, routes: [{ ...routeTo('bfl'), applied: { n: 1, reference_images: 1 } }] })
    expect(submitReply('gen_1', edit, PUBLIC, null)).toMatchObject({ input_mp: 0.75, output_mp: 0.75 })
    const attempt = { ...BLANK_ATTEMPT, id: 'att_1', taskId: 'task', startedAt: 0, vendor: { input_mp: 0.7, output_mp: 1.98 } }
    const answered = { ...edit, attempts: [attempt] }
    expect(submitReply('gen_1', answered, PUBLIC, null)).toMatchObject({ input_mp: 0.7, output_mp: 1.98 })
  })

  test('with a webhook has no polling_url', () => {
    const reply = submitReply('gen_1', priced, PUBLIC, 'https://example.com/hook')
    expect(reply).toMatchObject({ id: 'gen_1', status: 'Pending', webhook_url: 'https://example.com/hook' })
    expect(reply).not.toHaveProperty('polling_url')
  })

  test('is null where a price, a size or the record itself is not known, never 0', () => {
    const unseen = generationRecord('gen_1', {
      routes: [{ ...routeTo('bfl'), applied: { n: 1, reference_images: 1 } }],
      references: [{ kind: 'url', url: 'https://example.com/a.png', pixels: null }],
    })
    for (const record of [unseen, null]) {
      expect(submitReply('gen_1', record, PUBLIC, null)).toMatchObject({ id: 'gen_1', cost: null, input_mp: null, output_mp: null })
    }
  })

  test('credits are cents to the last digit', () => {
    expect(JSON.stringify(creditsOf('1234567890.000000001'))).toBe('123456789000.0000001')
  })
})
