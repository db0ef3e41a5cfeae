import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Warning } from '#contract'
import { generationHeaders, warningsHeader } from '../../../../src/http/compatible/generation-headers.ts'
import { viewOf } from '../../../../src/core/present/generation.ts'
import { generationRecord } from '../../../store/records.ts'
import { plainLinks } from '../../../../src/core/present/image-link.ts'

const warning = (requested: string, reason = 'because'): Warning => ({ code: 'adjusted', field: 'prompt', requested, used: null, reason })

test('a cost that is not known is an empty header with the basis unknown, never 0', () => {
  const generation = { ...viewOf(generationRecord('gen_1'), plainLinks('http://gate.test')), provider: null }
  const unknown = generationHeaders({ ...generation, cost: { ...generation.cost, amount: null, basis: 'unknown' } })
  expect(unknown).toEqual({
    'x-request-id': 'gen_1',
    'x-imagegate-generation-id': 'gen_1',
    'x-imagegate-provider': '',
    'x-imagegate-cost-usd': '',
    'x-imagegate-cost-basis': 'unknown',
  })
  const computed = generationHeaders({ ...generation, provider: 'bfl', cost: { ...generation.cost, amount: '0.03', basis: 'computed' } })
  expect(computed).toMatchObject({
    'x-imagegate-provider': 'bfl',
    'x-imagegate-cost-usd': '0.03',
    'x-imagegate-cost-basis': 'computed',
  })
})

test('any warning is a header Node will send, and reads back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const header = warningsHeader([warning(text)]) ?? ''
      expect(header).toMatch(/^[\x20-\x7e]+$/)
      expect(() => new Headers({ 'x-imagegate-warnings': header })).not.toThrow()
      expect(JSON.parse(header)).toEqual([warning(text)])
    }),
  )
})

test('no warnings, no header', () => {
  expect(warningsHeader([])).toBeNull()
})

test('many and long warnings stay within what clients take: long ones lose their text, the rest is left out', () => {
  const header = warningsHeader([warning('short'), warning('x'.repeat(20_000)), ...Array.from({ length: 300 }, () => warning('y'))]) ?? ''
  expect(header.length).toBeLessThanOrEqual(4_000)
  const shown = JSON.parse(header) as Partial<Warning>[]
  expect(shown[0]).toEqual(warning('short'))
  expect(shown[1]).toEqual({ code: 'adjusted', field: 'prompt' })
  expect(shown.length).toBeGreaterThan(10)
})
