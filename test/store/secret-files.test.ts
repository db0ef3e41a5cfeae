import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { copySecret, secretInFile } from '../../src/store/secret-files.ts'
import { StoreError } from '../../src/core/ports.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imagegate-secret-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a secret of the data folder', () => {
  test('is read as an earlier version or the operator put it there, and an empty file is none', async () => {
    expect(await secretInFile(folder, 'a.secret')).toBeNull()
    await writeFile(join(folder, 'a.secret'), ' mine \n')
    expect(await secretInFile(folder, 'a.secret')).toBe('mine')
    await writeFile(join(folder, 'a.secret'), '\n')
    expect(await secretInFile(folder, 'a.secret')).toBeNull()
  })

  test('is copied for this user alone, in place of what was there, into a folder that may be new', async () => {
    const data = join(folder, 'new', 'data')
    await copySecret(data, 'a.secret', 'first')
    await copySecret(data, 'a.secret', 'second')
    expect(await readFile(join(data, 'a.secret'), 'utf8')).toBe('second\n')
    expect((await stat(join(data, 'a.secret'))).mode & 0o077).toBe(0)
    expect(await readdir(data)).toEqual(['a.secret'])
  })

  test('that cannot be read or written is an error that names the file and not the secret', async () => {
    await writeFile(join(folder, 'file'), 'x')
    const error = await copySecret(join(folder, 'file'), 'a.secret', 'hidden').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StoreError)
    expect(String(error)).toContain('a.secret')
    expect(String(error)).not.toContain('hidden')
  })
})
