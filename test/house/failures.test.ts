import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FAILURES } from '#contract'
import { wantedErrors } from './error-tables.ts'
import { readText, ROOT } from '../support/source-tree.ts'

const rows = Object.entries(FAILURES)

/** SPEC §3, word for word. */
const CLOSED_LIST = (
  'invalid_request model_not_found no_eligible_offer unauthorized provider_unauthorized insufficient_credit budget_exceeded ' +
  'rate_limited moderated provider_rejected provider_unavailable provider_timeout bad_reply result_expired outcome_unknown canceled internal'
).split(' ')

describe('the table of failures', () => {
  test('holds exactly the closed list of codes', () => {
    expect(rows.map(([code]) => code).sort()).toEqual(CLOSED_LIST.sort())
  })

  test.each(rows)('%s has an HTTP error status and says in a sentence what to do', (_, row) => {
    expect(row.http).toBeGreaterThanOrEqual(400)
    expect(row.http).toBeLessThan(600)
    expect(row.remedy).toMatch(/^[A-Z].{10,}\.$/)
  })

  test('no failure that may have been paid for invites a second purchase', () => {
    for (const code of ['outcome_unknown', 'provider_timeout', 'bad_reply', 'result_expired', 'moderated'] as const) {
      expect(FAILURES[code], code).toMatchObject({ retryable: false, fallback: false })
    }
  })

  test('docs/errors.md has the tables of these codes (`npm run map` writes them)', () => {
    expect(readText('docs/errors.md')).toBe(wantedErrors())
  })

  test('docs/errors.md has a heading or a row for every code, with its HTTP status', () => {
    expect(existsSync(join(ROOT, 'docs/errors.md')), 'docs/errors.md is not written yet').toBe(true)
    const lines = readText('docs/errors.md').split('\n')
    const missing = rows.filter(([code, row]) => !lines.some((line) => line.includes(`\`${code}\``) && line.includes(String(row.http))))
    expect(missing.map(([code, row]) => `${code} (${row.http})`)).toEqual([])
  })
})
