import fs, { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../../src/core/ports.ts'
import { DATABASE_FILE, openDatabase } from '../../../src/store/sqlite/open.ts'
import { openStore, sqliteStore } from '../../../src/store/sqlite/store.ts'
import { generationRecord } from '../records.ts'

const LOG_FILE = `${DATABASE_FILE}-wal`
const { fdatasync } = fs
type Synced = (error: NodeJS.ErrnoException | null) => void

/** Stands before the disk: `sync` gets the name of the file, and the way to the disk. */
function standBefore(sync: (file: string, goOn: () => void, done: Synced) => void): void {
  fs.fdatasync = ((descriptor: number, done: Synced) => {
    const file = basename(readlinkSync(`/proc/self/fd/${descriptor}`))
    sync(file, () => fdatasync(descriptor, done), done)
  }) as typeof fdatasync
  syncBuiltinESMExports()
}

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'imagegate-log-'))
})
afterEach(() => {
  fs.fdatasync = fdatasync
  syncBuiltinESMExports()
  rmSync(directory, { recursive: true })
})

/** Of some 100 kB, so that the log becomes long soon. */
const large = (id: string) => generationRecord(id, { promptUsed: id.repeat(15_000) })

describe('a unit of work', () => {
  let store: Store
  let syncs: (() => void)[]
  beforeEach(async () => {
    store = await openStore({ directory })
    syncs = []
    standBefore((_, goOn) => syncs.push(goOn))
  })
  afterEach(async () => {
    standBefore((_, goOn) => goOn())
    for (const goOn of syncs) goOn()
    await store.close()
  })

  test('is acknowledged once the disk has it, and the event loop goes on meanwhile', async () => {
    let isAcknowledged = false
    const saved = store.commit({ generations: [generationRecord('gen_1')] }).then(() => (isAcknowledged = true))
    await expect.poll(() => syncs.length).toBe(1)
    for (let turn = 0; turn < 20; turn++) await sleep(1)
    expect(isAcknowledged).toBe(false)
    syncs.pop()?.()
    await saved
  })

  test('is read by nobody before the disk has it', async () => {
    const saved = store.commit({ generations: [generationRecord('gen_1')] })
    await expect.poll(() => syncs.length).toBe(1)
    let seen = 0
    const reads = [
      store.generation('gen_1'),
      store.list({ limit: 10 }),
      store.list({ limit: 10, key: 'k' }),
      store.list({ limit: 1, search: 'light' }),
    ]
    for (const read of reads) void read.then(() => seen++)
    await sleep(20)
    expect(seen).toBe(0)
    syncs.pop()?.()
    await saved
    const [one, all] = await Promise.all(reads)
    expect([one, all]).toMatchObject([{ id: 'gen_1' }, { records: [{ id: 'gen_1' }] }])
  })

  test('shares one wait for the disk with all that came while it answered another', async () => {
    const save = (id: string) => store.commit({ generations: [generationRecord(id)] })
    const first = save('gen_first')
    await expect.poll(() => syncs.length).toBe(1)
    const others = Array.from({ length: 50 }, (_, nth) => save(`gen_${nth}`))
    await sleep(20)
    expect(syncs.length).toBe(1)
    syncs.pop()?.()
    await first
    await expect.poll(() => syncs.length).toBe(1)
    syncs.pop()?.()
    await Promise.all(others)
    expect(syncs.length).toBe(0)
  })
})

describe('a log that has become long', () => {
  test('is copied to the database, and nothing is committed until the disk has the copy', async () => {
    const database = openDatabase(directory)
    const store = sqliteStore(database)
    const order: string[] = []
    const held: (() => void)[] = []
    standBefore((file, goOn) => {
      order.push(file)
      if (file === DATABASE_FILE && held.length === 0) held.push(goOn)
      else goOn()
    })
    const ids: string[] = []
    const save = () => store.commit({ generations: [large(`gen_${ids.push('')}`)] })
    while (held.length === 0) await save()
    const late = save()
    const before = readFileSync(join(directory, LOG_FILE))
    await sleep(50)
    expect(readFileSync(join(directory, LOG_FILE)).equals(before)).toBe(true)
    held[0]?.()
    await late

    const lengths: number[] = []
    while (ids.length < 300) {
      await save()
      lengths.push(statSync(join(directory, LOG_FILE)).size)
    }
    const copies = order.flatMap((file, at) => (file === DATABASE_FILE ? [at] : []))
    expect(copies.length).toBeGreaterThanOrEqual(2)
    // A commit is one wait for the log: between a copy and the commit behind it there is nothing else.
    expect(copies.map((at) => [order[at - 1], order[at + 1]])).toEqual(copies.map(() => [LOG_FILE, LOG_FILE]))
    // It begins anew instead of growing: 2,048 pages and what one transaction may have beyond them.
    expect(Math.max(...lengths)).toBeLessThan(9 * 1_048_576)
    expect((await store.list({ limit: 1_000 })).records).toHaveLength(300)
    await store.close()
  })

  test('that a full disk does not take is copied once there is space, and ends nothing meanwhile', async () => {
    const database = openDatabase(directory)
    const lost: unknown[] = []
    const store = sqliteStore(database, (error) => lost.push(error))
    let isFull = true
    let tries = 0
    const exec = database.exec.bind(database)
    database.exec = (sql) => {
      if (sql.includes('wal_checkpoint(PASSIVE)')) tries++
      if (isFull && sql.includes('wal_checkpoint(PASSIVE)')) throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
      exec(sql)
    }
    const ids: string[] = []
    const save = () => store.commit({ generations: [large(`gen_${ids.push('')}`)] })
    const logBytes = () => statSync(join(directory, LOG_FILE)).size
    while (logBytes() < 20 * 1_048_576) await save()
    // Once for each 8 MB, not at each commit.
    expect([tries, lost]).toEqual([2, []])
    isFull = false
    const databaseBytes = () => statSync(join(directory, DATABASE_FILE)).size
    const before = databaseBytes()
    while (databaseBytes() === before) await save()
    expect([tries, lost]).toEqual([3, []])
    expect(databaseBytes()).toBeGreaterThan(before + 8 * 1_048_576)
    expect((await store.list({ limit: 1_000 })).records).toHaveLength(ids.length)
    await store.close()
  })

  test('loses nothing that was answered in a power cut at any moment, whichever unsynced writes the disk has', async () => {
    const synced = join(directory, 'synced')
    mkdirSync(synced)
    const keep = (file: string) => copyFileSync(join(directory, 'data', file), join(synced, file))
    const store = await openStore({ directory: join(directory, 'data') })
    for (const file of [DATABASE_FILE, LOG_FILE]) keep(file)
    standBefore((file, goOn) => {
      keep(file)
      goOn()
    })
    const answered: string[] = []
    let cuts = 0
    for (let nth = 0; nth < 150; nth++) {
      const group = [`gen_${nth}_a`, `gen_${nth}_b`]
      const saved = Promise.all(group.map((id) => store.commit({ generations: [large(id)] })))
      if (nth % 25 === 24)
        for (const lost of [[], [DATABASE_FILE], [LOG_FILE], [DATABASE_FILE, LOG_FILE]]) expectAfterCut(lost, answered, ++cuts)
      await saved
      answered.push(...group)
      if (nth % 25 === 9)
        for (const lost of [[], [DATABASE_FILE], [LOG_FILE], [DATABASE_FILE, LOG_FILE]]) expectAfterCut(lost, answered, ++cuts)
    }
    await store.close()
    expect(cuts).toBe(48)
  }, 60_000)

  /** @param lost the files whose unsynced writes the disk has not */
  function expectAfterCut(lost: readonly string[], answered: readonly string[], nth: number): void {
    const disk = join(directory, `disk-${nth}`)
    mkdirSync(disk)
    for (const file of [DATABASE_FILE, LOG_FILE])
      copyFileSync(join(directory, lost.includes(file) ? 'synced' : 'data', file), join(disk, file))
    using database = new DatabaseSync(join(disk, DATABASE_FILE))
    expect(database.prepare('PRAGMA quick_check').get()).toEqual({ quick_check: 'ok' })
    const there = new Set(
      database
        .prepare('SELECT id FROM generations')
        .all()
        .map(({ id }) => id),
    )
    expect(answered.filter((id) => !there.has(id))).toEqual([])
    rmSync(disk, { recursive: true })
  }
})
