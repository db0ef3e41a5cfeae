import { expect, test } from 'vitest'
import { BLANK_ATTEMPT, BLANK_IMAGE } from '../../src/core/blank-records.ts'
import { planOf, snapshotOf } from '../../src/store/rules/generation-row.ts'
import { generationOf } from '../../src/store/rules/rows.ts'
import { generationRecord } from './records.ts'

test('a row holds what a blank record has not, and is read as the record that was written, its second try of a task too', () => {
  const attempt = (id: string, fields: object) => ({ ...BLANK_ATTEMPT, id, taskId: `task of ${id}`, startedAt: 5, ...fields })
  const record = generationRecord('gen_1', {
    status: 'running',
    attempts: [attempt('att_1', { status: 'failed', retried: true, endedAt: 7 }), attempt('att_2', { tries: 2, images: 3 })],
  })
  const { state } = snapshotOf(record)
  expect(generationOf({ plan: planOf(record), state })).toEqual(record)
  const kept = JSON.parse(state) as Record<string, unknown>
  expect(kept['attempts']).toEqual([
    { task: 0, id: 'att_1', taskId: 'task of att_1', startedAt: 5, status: 'failed', retried: true, endedAt: 7 },
    { task: 0, id: 'att_2', taskId: 'task of att_2', startedAt: 5, tries: 2, images: 3 },
  ])
  for (const field of ['images', 'warnings', 'error', 'promptUsed', 'completedAt']) expect(kept).not.toHaveProperty(field)
})

test('a row of images and changes names their generation once and no value that is null, and is read as the record that was written', () => {
  const kept = { sha256: 'a'.repeat(64), format: 'png', width: 8, height: 8, bytes: 90, seed: '7', flagged: false } as const
  const record = generationRecord('gen_1', {
    status: 'succeeded',
    images: [
      { ...BLANK_IMAGE, ...kept, id: 'img_1', generationId: 'gen_1' },
      { ...BLANK_IMAGE, id: 'img_2', generationId: 'gen_1', link: { url: 'https://images.example/2', expiresAt: null } },
    ],
    timeline: [
      { seq: 1, type: 'queued', at: 5, provider: null, progress: null },
      { seq: 2, type: 'progress', at: 6, provider: 'runware', progress: 0.5 },
    ],
  })
  const { state } = snapshotOf(record)
  expect(generationOf({ plan: planOf(record), state })).toEqual(record)
  expect(JSON.parse(state)).toMatchObject({
    images: [
      { ...kept, id: 'img_1' },
      { id: 'img_2', link: { url: 'https://images.example/2', expiresAt: null } },
    ],
    timeline: [
      { seq: 1, type: 'queued', at: 5 },
      { seq: 2, type: 'progress', at: 6, provider: 'runware', progress: 0.5 },
    ],
  })
  expect(state.slice(1)).not.toContain('gen_1')
})
