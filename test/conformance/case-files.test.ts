import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MalformedCase, readCase } from '../support/case-files.ts'

const SUBMIT = { purpose: 'submit', method: 'POST', url: '/v1/m', body: {} }
const POLL = { purpose: 'poll', method: 'GET', url: '/v1/t' }
const BUSY = { status: 429, body: null }
const GOOD = {
  request: { model: 'm', prompt: 'p' },
  steps: [{ call: SUBMIT, reply: BUSY }],
  outcome: { kind: 'failed', failure: { code: 'rate_limited', message: 'busy', billed: false } },
}

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'imagegate-case-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function write(text: string): void {
  const folder = join(root, 'vendor/cases')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'story.json'), text)
}

const without = (name: keyof typeof GOOD): object => Object.fromEntries(Object.entries(GOOD).filter(([field]) => field !== name))
const endingIn = (outcome: object): object => ({ ...GOOD, outcome })

describe('a case file', () => {
  test('that has everything is read in the order of its steps', () => {
    write(JSON.stringify({ ...GOOD, steps: [...GOOD.steps, { call: POLL, reply: BUSY }] }))
    expect(readCase('vendor', 'story', root).steps.map(({ call }) => call.url)).toEqual(['/v1/m', '/v1/t'])
  })

  test('repeats the call of the step before where a step leaves its call out', () => {
    write(JSON.stringify({ ...GOOD, steps: [...GOOD.steps, { call: POLL, reply: BUSY }, { reply: BUSY }] }))
    expect(readCase('vendor', 'story', root).steps.map(({ call }) => call.url)).toEqual(['/v1/m', '/v1/t', '/v1/t'])
  })

  test('names its provider’s own options as `own`, whatever the folder’s name', () => {
    const request = { ...GOOD.request, provider_options: { own: { fast: true } } }
    write(JSON.stringify({ ...GOOD, request }))
    expect(readCase('vendor', 'story', root).request).toEqual({ ...GOOD.request, provider_options: { vendor: { fast: true } } })
  })

  test('that does not exist is refused with a sentence', () => {
    expect(() => readCase('vendor', 'story', root)).toThrow('providers/vendor/cases/story.json does not exist')
  })

  test.each([
    ['without a request', JSON.stringify(without('request')), 'request: '],
    ['without steps', JSON.stringify({ ...GOOD, steps: [] }), 'steps: '],
    ['without a first call', JSON.stringify({ ...GOOD, steps: [{ reply: BUSY }] }), 'a story begins with the submit'],
    ['without the reply to a call', JSON.stringify({ ...GOOD, steps: [{ call: SUBMIT }] }), 'steps.0.reply'],
    ['without an outcome', JSON.stringify(without('outcome')), 'outcome: '],
    ['with text that is not JSON', '{', 'is not JSON'],
    ['with a field nobody knows', JSON.stringify({ ...GOOD, delay: 1 }), 'delay'],
    ['with a failure of an unknown code', JSON.stringify(GOOD).replace('rate_limited', 'busy'), 'failure.code'],
    [
      'with an outcome that is still pending',
      JSON.stringify(endingIn({ kind: 'pending', next: POLL, afterMs: null })),
      'a story ends with done, failed or refused',
    ],
    ['with digits a double loses', JSON.stringify(GOOD).replace('"body":null', '"body":9223372036854775807'), 'as text in `raw`'],
  ])('%s is refused with a sentence', (_, text, sentence) => {
    write(text)
    expect(() => readCase('vendor', 'story', root)).toThrow(MalformedCase)
    expect(() => readCase('vendor', 'story', root)).toThrow(sentence)
  })
})
