import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keptSecret } from '../../src/store/secret-files.ts'
import { StoreError } from '../../src/store/store-error.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imagegate-secret-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a secret of the data folder', () => {
  test('is made once, kept for this user alone, and read from then on', async () => {
    expect(await keptSecret(folder, 'a.secret', () => 'first')).toBe('first')
    expect(await keptSecret(folder, 'a.secret', () => 'second')).toBe('first')
    expect((await stat(join(folder, 'a.secret'))).mode & 0o077).toBe(0)
    expect(await readdir(folder)).toEqual(['a.secret'])
  })

  test('may be put there by the operator', async () => {
    await writeFile(join(folder, 'a.secret'), ' mine \n')
    expect(await keptSecret(folder, 'a.secret', () => 'other')).toBe('mine')
  })

  test('is made anew where the file is empty', async () => {
    await writeFile(join(folder, 'a.secret'), '\n')
    expect(await keptSecret(folder, 'a.secret', () => 'fresh')).toBe('fresh')
    expect(await readFile(join(folder, 'a.secret'), 'utf8')).toBe('fresh\n')
  })

  test('is the same for all who ask at once', async () => {
    let count = 0
    const answers = await Promise.all(Array.from({ length: 10 }, () => keptSecret(folder, 'a.secret', () => `number ${count++}`)))
    expect(new Set(answers).size).toBe(1)
  })

  test('is made in a folder that is not there yet', async () => {
    expect(await keptSecret(join(folder, 'new', 'data'), 'a.secret', () => 'x')).toBe('x')
  })

  test('that cannot be read is an error that names the file and not the secret', async () => {
    await writeFile(join(folder, 'file'), 'x')
    const error = await keptSecret(join(folder, 'file'), 'a.secret', () => 'hidden').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StoreError)
    expect(String(error)).toContain('a.secret')
    expect(String(error)).not.toContain('hidden')
  })
})
