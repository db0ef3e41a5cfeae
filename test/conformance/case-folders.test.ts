import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MalformedCase, readCase } from '../support/case-files.ts'

const GOOD: Readonly<Record<string, string>> = {
  'request.json': '{ "model": "m", "prompt": "p" }',
  '1.call.json': '{ "purpose": "submit", "method": "POST", "url": "/v1/m", "body": {} }',
  '1.reply.json': '{ "status": 429, "body": null }',
  'outcome.json': '{ "kind": "failed", "failure": { "code": "rate_limited", "message": "busy", "billed": false } }',
}

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'imagegate-case-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function write(files: Readonly<Record<string, string>>): void {
  const folder = join(root, 'providers/vendor/cases/story')
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
}

const without = (name: string) => Object.fromEntries(Object.entries(GOOD).filter(([file]) => file !== name))

describe('a case folder', () => {
  test('that has everything is read in the order of its calls', () => {
    write(GOOD)
    expect(readCase('vendor', 'story', root).steps.map(({ call }) => call.url)).toEqual(['/v1/m'])
  })

  test.each([
    ['that does not exist', {}, 'is not a folder'],
    ['without a request', without('request.json'), 'has no request.json'],
    ['without a first call', without('1.call.json'), 'has no 1.call.json'],
    ['without the reply to a call', without('1.reply.json'), 'has no 1.reply.json'],
    ['without an outcome', without('outcome.json'), 'has no outcome.json'],
    ['with a file nothing reads', { ...GOOD, '3.call.json': '{}' }, 'files that nothing reads: 3.call.json'],
    ['with text that is not JSON', { ...GOOD, 'outcome.json': '{' }, 'outcome.json is not JSON'],
    [
      'with a field nobody knows',
      { ...GOOD, '1.reply.json': '{ "status": 200, "body": 1, "delay": 1 }' },
      '1.reply.json is not what it should be',
    ],
    [
      'with a failure of an unknown code',
      { ...GOOD, 'outcome.json': GOOD['outcome.json']?.replace('rate_limited', 'busy') ?? '' },
      'failure.code',
    ],
    [
      'with an outcome that is still pending',
      { ...GOOD, 'outcome.json': '{ "kind": "pending", "next": { "purpose": "poll", "method": "GET", "url": "/x" }, "afterMs": null }' },
      'a story ends with done or failed',
    ],
    ['with digits a double loses', { ...GOOD, '1.reply.json': '{ "status": 200, "body": 9223372036854775807 }' }, 'as text in `raw`'],
  ])('%s is refused with a sentence', (_, files, sentence) => {
    if (Object.keys(files).length > 0) write(files)
    expect(() => readCase('vendor', 'story', root)).toThrow(MalformedCase)
    expect(() => readCase('vendor', 'story', root)).toThrow(sentence)
  })
})
