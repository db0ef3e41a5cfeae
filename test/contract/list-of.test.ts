import { expect, test } from 'vitest'
import { z } from 'zod'
import { judge, listOf } from '#contract'

test('a list that is too long is refused before any of its values is judged, and one that is not is judged value by value', () => {
  let judged = 0
  const item = z.string().refine((text) => {
    judged += 1
    return text === 'right'
  }, 'must be right')
  const said = (list: unknown): unknown => {
    const outcome = judge(z.strictObject({ list: listOf(item, 1, 3).optional() }), { list })
    return outcome.kind === 'right' ? outcome.value : outcome.objections.map(({ path, message }) => `${path.join('.')} ${message}`)
  }
  expect([said(Array.from({ length: 4_900 }, () => 'wrong')), judged]).toEqual([['list must have at most 3 entries'], 0])
  expect([said(['right', 'wrong']), judged]).toEqual([['list.1 must be right'], 2])
  expect(said(['right'])).toEqual({ list: ['right'] })
  expect([said([]), said(7), said(undefined)]).toEqual([['list is an empty list'], ['list must be a list, not 7'], { list: undefined }])
})
