import { describe, expect, test } from 'vitest'
import { inseparable, signTest, talliesOf, type Vote } from '../../src/web/compare/votes.ts'

const votes = (chosen: string | null, times: number, shown = ['a', 'b']): Vote[] =>
  Array.from({ length: times }, () => ({ model: 'm', shown, chosen }))

describe('blind votes', () => {
  test('a two-sided sign test gives the exact probability', () => {
    expect(signTest(0, 5)).toBeCloseTo(0.0625, 12)
    expect(signTest(6, 0)).toBeCloseTo(0.03125, 12)
    expect(signTest(9, 7)).toBeCloseTo(0.80361938476562, 10)
    expect(signTest(3, 3)).toBe(1)
    expect(signTest(700, 900)).toBeLessThan(0.001)
  })

  test('two providers are kept apart only where chance would give such a split less than once in twenty', () => {
    const few = [...votes('a', 9), ...votes('b', 7)]
    expect(talliesOf(few)).toEqual([
      { provider: 'a', chosen: 9, shown: 16 },
      { provider: 'b', chosen: 7, shown: 16 },
    ])
    expect(inseparable(few, talliesOf(few))).toEqual([['a', 'b']])
    const many = [...votes('a', 14), ...votes('b', 2), ...votes(null, 5)]
    expect(inseparable(many, talliesOf(many))).toEqual([])
  })
})
