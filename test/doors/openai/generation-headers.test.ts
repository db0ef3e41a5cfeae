import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Warning } from '#contract'
import { warningsHeader } from '../../../src/http/doors/generation-headers.ts'

const warning = (requested: string, reason = 'because'): Warning => ({ code: 'adjusted', field: 'prompt', requested, used: null, reason })

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
  const told = JSON.parse(header) as Partial<Warning>[]
  expect(told[0]).toEqual(warning('short'))
  expect(told[1]).toEqual({ code: 'adjusted', field: 'prompt' })
  expect(told.length).toBeGreaterThan(10)
})
