import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copyDatabase } from '../../../src/store/sqlite/copy-database.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-copy-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('A copy that begins while a transaction is open waits for its end, and has what it wrote.', async () => {
  const database = new DatabaseSync(join(folder, 'database.sqlite3'))
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE written (word TEXT) STRICT; BEGIN IMMEDIATE')
  database.exec("INSERT INTO written VALUES ('bought')")
  const copying = copyDatabase(database, join(folder, 'copy'))
  await sleep(60)
  database.exec('COMMIT')
  await copying

  const copy = new DatabaseSync(join(folder, 'copy'), { readOnly: true })
  expect(copy.prepare('SELECT word FROM written').all()).toEqual([{ word: 'bought' }])
  copy.close()
  database.close()
})

test('A copy into a folder that is not there fails at once.', async () => {
  const database = new DatabaseSync(join(folder, 'database.sqlite3'))
  await expect(copyDatabase(database, join(folder, 'none', 'copy'))).rejects.toThrow('ENOENT')
  database.close()
})
