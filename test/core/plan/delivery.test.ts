import { describe, expect, test } from 'vitest'
import { generationError } from '#contract'
import type { AttemptRecord, ImageRecord, Route } from '../../../src/core/records.ts'
import { BLANK_ATTEMPT } from '../../../src/core/blank-records.ts'
import { deliveryWarnings, orderedImages } from '../../../src/core/plan/delivery.ts'

const attempt = (id: string, task: number, imageIds: readonly string[], more: Partial<AttemptRecord> = {}): AttemptRecord => ({
  ...BLANK_ATTEMPT,
  id,
  taskId: id,
  startedAt: 0,
  task,
  imageIds,
  ...more,
})
const image = (id: string, more: Partial<ImageRecord> = {}): ImageRecord => ({
  id,
  generationId: 'gen_1',
  sha256: 'ab',
  format: 'png',
  width: 1024,
  height: 1024,
  bytes: 10,
  seed: null,
  flagged: null,
  link: null,
  ...more,
})
const route = (applied: Partial<Route['applied']> = {}): Route => ({
  provider: 'north',
  model: 'model-x',
  providerModel: 'x-1',
  applied: { n: 1, reference_images: 0, width: 1024, height: 1024, output_format: 'png', ...applied },
  warnings: [],
  tasks: [1],
  quoted: null,
  price: null,
  options: {},
})

describe('the images of a generation', () => {
  const ids = (attempts: AttemptRecord[], images: ImageRecord[]) => orderedImages({ attempts, images }).map(({ id }) => id)

  test('stand in the order of the tasks, whatever arrived first', () => {
    const attempts = [attempt('a', 0, ['first']), attempt('b', 1, ['second']), attempt('c', 2, ['third'])]
    expect(ids(attempts, [image('third'), image('first'), image('second')])).toEqual(['first', 'second', 'third'])
  })

  test('of one task stay as the provider listed them', () => {
    expect(ids([attempt('a', 0, ['p', 'q'])], [image('q'), image('p')])).toEqual(['p', 'q'])
  })

  test('of a task that was tried again keep its position', () => {
    const attempts = [attempt('a', 0, [], { retried: true }), attempt('b', 1, ['second']), attempt('c', 0, ['first'])]
    expect(ids(attempts, [image('second'), image('first')])).toEqual(['first', 'second'])
  })

  test('that no attempt names come last and are not lost', () => {
    expect(ids([attempt('a', 0, ['known'])], [image('stray'), image('known')])).toEqual(['known', 'stray'])
  })
})

describe('a delivery', () => {
  test('as it was ordered has no warning', () => {
    expect(deliveryWarnings(route(), [attempt('a', 0, ['i'])], [image('i')])).toEqual([])
  })

  test('of another size, format and number has one warning for each', () => {
    const images = [image('i', { width: 512, format: 'jpeg' }), image('j', { width: 512, format: 'jpeg' })]
    expect(deliveryWarnings(route(), [attempt('a', 0, ['i', 'j'])], images)).toMatchObject([
      { code: 'adjusted', field: 'width', requested: { width: 1024, height: 1024 }, used: { width: 512, height: 1024 } },
      { code: 'adjusted', field: 'output_format', requested: 'png', used: 'jpeg' },
      { code: 'adjusted', field: 'n', requested: 1, used: 2, reason: expect.stringContaining('more images') },
    ])
  })

  test('of fewer images says which failure kept the others back', () => {
    const error = generationError({ code: 'moderated', message: 'no', billed: false }, 'north')
    const attempts = [attempt('a', 0, ['i']), attempt('b', 1, [], { error })]
    expect(deliveryWarnings(route({ n: 2 }), attempts, [image('i')])).toMatchObject([
      { field: 'n', requested: 2, used: 1, reason: expect.stringContaining('moderated') },
    ])
    expect(deliveryWarnings(route({ n: 2 }), [attempt('a', 0, ['i'])], [image('i')])).toMatchObject([
      { field: 'n', reason: 'north delivered fewer images than were ordered.' },
    ])
  })

  test('that cannot be seen, or was not asked for, is no difference', () => {
    const link = image('i', { width: null, height: null, format: null })
    expect(deliveryWarnings(route(), [attempt('a', 0, ['i'])], [link])).toEqual([])
    const { width: _, height: __, output_format: ___, ...applied } = route().applied
    expect(deliveryWarnings({ ...route(), applied }, [attempt('a', 0, ['i'])], [image('i', { width: 5, format: 'jpeg' })])).toEqual([])
  })
})
