import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { StoreError } from '../../../src/core/ports.ts'
import { MIGRATIONS, migrate, schemaVersion } from '../../../src/store/sqlite/migrations.ts'
import { DATABASE_FILE, openDatabase } from '../../../src/store/sqlite/open.ts'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { generationRecord } from '../records.ts'

let directory: string
let child: ChildProcessByStdio<null, Readable, Readable> | null = null

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'imagegate-open-'))
})
afterEach(() => {
  child?.kill('SIGKILL')
  child = null
  rmSync(directory, { recursive: true })
})

/** A real process that opens the store and saves generations as quickly as it can; it prints each id when it is acknowledged. */
function startWriter() {
  const script = join(import.meta.dirname, 'writer-process.ts')
  child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](), exited: once(child, 'exit') }
}

/** What the last step of the schema removes. */
const BEFORE_LAST_STEP = 'CREATE TRIGGER ledger_line_late AFTER INSERT ON ledger BEGIN SELECT 1; END'

describe('opening the database', () => {
  test('writes ahead, and waits for the disk at each commit', () => {
    const database = openDatabase(join(directory, 'new', 'folder'))
    const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
    expect([pragma('journal_mode'), pragma('synchronous'), pragma('foreign_keys'), pragma('locking_mode')]).toEqual([
      'wal',
      2,
      1,
      'exclusive',
    ])
    database.close()
  })

  test('refuses a data folder that another process uses, and opens it at once when that process was killed', async () => {
    const writer = startWriter()
    await writer.lines.next()
    await expect(openStore({ directory })).rejects.toThrow(/another imagegate process is using the data folder .*IMAGEGATE_DATA/)
    writer.child.kill('SIGKILL')
    await writer.exited
    const startedAt = performance.now()
    const store = await openStore({ directory })
    expect(performance.now() - startedAt).toBeLessThan(500)
    await store.close()
  })

  test('refuses a second store in the same process, and still keeps other processes out afterwards', async () => {
    const store = await openStore({ directory })
    await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'in_use' })
    const writer = startWriter()
    const [complaint, [code]] = await Promise.all([text(writer.child.stderr), writer.exited])
    expect([code, complaint]).toEqual([1, expect.stringContaining('another imagegate process')])
    await store.commit({ generations: [generationRecord('gen_1')] })
    await store.close()
  })

  test('has every acknowledged unit after the process was killed in the middle of writing, three times over', async () => {
    const acknowledged: string[] = []
    for (const acknowledgements of [40, 170, 300]) {
      const writer = startWriter()
      for (let count = 0; count < acknowledgements; count++) {
        const line = await writer.lines.next()
        acknowledged.push(String(line.value))
      }
      writer.child.kill('SIGKILL')
      for (;;) {
        const line = await writer.lines.next()
        if (line.done === true) break
        acknowledged.push(line.value)
      }
      const store = await openStore({ directory })
      const missing: string[] = []
      for (const id of acknowledged) if ((await store.generation(id)) === null) missing.push(id)
      expect(missing).toEqual([])
      await store.close()
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(510)
  })

  test('refuses a file that is no database and leaves it as it is', () => {
    writeFileSync(join(directory, DATABASE_FILE), 'these are my notes, do not touch '.repeat(100))
    expect(() => openDatabase(directory)).toThrow(expect.objectContaining({ name: 'StoreError', reason: 'damaged' }))
  })

  test('says what to do where the data folder cannot be made', () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    chmodSync(file, 0o600)
    expect(() => openDatabase(join(file, 'data'))).toThrow(/the data folder .* cannot be used .*IMAGEGATE_DATA/)
  })
})

/** What a statement has changed so far, where SQLite keeps that in a file. */
const temporaryFiles = (): readonly string[] =>
  readdirSync('/proc/self/fd')
    .flatMap((descriptor) => {
      try {
        return [readlinkSync(`/proc/self/fd/${descriptor}`, { encoding: 'utf8' })]
      } catch {
        // The one that read the folder.
        return []
      }
    })
    .filter((path) => path.includes('etilqs_'))

/** One statement of a transaction that changes some hundred kilobytes, and could fail at each row. */
function changeMuch(database: DatabaseSync): void {
  database.exec('CREATE TABLE many (n INTEGER UNIQUE)')
  database.exec('INSERT INTO many WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n LIMIT 20000) SELECT n FROM n')
  database.exec('BEGIN; UPDATE many SET n = -n; COMMIT')
  database.exec('DROP TABLE many')
}

describe.runIf(existsSync('/proc/self/fd'))('a statement that changes much', () => {
  test('leaves no temporary file, to which all later ones would be written; what the steps of an upgrade left is closed', () => {
    const before = temporaryFiles()
    const close = vi.spyOn(DatabaseSync.prototype, 'close')
    onTestFinished(() => close.mockRestore())
    const opened = ['new', 'known', 'old'].map((kind) => {
      const database = openDatabase(directory)
      const closed = close.mock.calls.length
      changeMuch(database)
      const left = temporaryFiles()
      // The next one has a step to go.
      if (kind === 'known') database.exec(`${BEFORE_LAST_STEP}; PRAGMA user_version = ${MIGRATIONS.length - 1}`)
      database.close()
      close.mockClear()
      return { kind, closed, left }
    })
    expect(opened).toEqual([
      { kind: 'new', closed: 0, left: before },
      { kind: 'known', closed: 0, left: before },
      { kind: 'old', closed: 1, left: before },
    ])
  })
})

describe('migrations', () => {
  test('bring an empty database to the newest schema, and do nothing the second time', () => {
    openDatabase(directory).close()
    const database = openDatabase(directory)
    expect(schemaVersion(database)).toBe(MIGRATIONS.length)
    database.close()
  })

  test('run only the steps the database has not had, in order', () => {
    const database = new DatabaseSync(':memory:')
    const first = 'CREATE TABLE steps (n INTEGER); INSERT INTO steps VALUES (1)'
    migrate(database, [first])
    migrate(database, [first, 'INSERT INTO steps VALUES (2)', 'INSERT INTO steps VALUES (3)'])
    expect(
      database
        .prepare('SELECT n FROM steps')
        .all()
        .map(({ n }) => n),
    ).toEqual([1, 2, 3])
    expect(schemaVersion(database)).toBe(3)
  })

  test('leave nothing of a step that fails, and keep the steps before it', () => {
    const database = new DatabaseSync(':memory:')
    const steps = ['CREATE TABLE kept (n INTEGER)', 'CREATE TABLE undone (n INTEGER); INSERT INTO nowhere VALUES (1)']
    expect(() => migrate(database, steps)).toThrow(/nowhere/)
    expect(database.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'kept' }])
    expect([schemaVersion(database), database.isTransaction]).toEqual([1, false])
  })

  test('say of a full disk how far they have come, and go on from there', () => {
    const database = new DatabaseSync(':memory:')
    const steps = ['CREATE TABLE kept (n INTEGER)', 'CREATE TABLE also (n INTEGER)', 'CREATE TABLE large (n INTEGER)']
    migrate(database, steps.slice(0, 1))
    database.exec('PRAGMA max_page_count = 3')
    expect(() => migrate(database, steps)).toThrow(/disk .* is full; its upgrade stands at step 2 of 3, and nothing is lost/)
    database.exec('PRAGMA max_page_count = 100')
    expect(migrate(database, steps)).toBe(1)
  })

  test('refuse a database that a newer version has written, say both versions, and change nothing', () => {
    const database = openDatabase(directory)
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`)
    database.close()
    const attempt = () => openDatabase(directory)
    expect(attempt).toThrow(StoreError)
    expect(attempt).toThrow(new RegExp(`schema ${MIGRATIONS.length + 1} .* knows ${MIGRATIONS.length}; run the newer version`))
  })
})
