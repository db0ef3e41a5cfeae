import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../../src/core/ports.ts'
import { StoreError } from '../../../src/core/ports.ts'
import { DATABASE_FILE, openDatabase } from '../../../src/store/sqlite/open.ts'
import { sqliteStore } from '../../../src/store/sqlite/store.ts'
import { generationRecord, imageRecord } from '../records.ts'

const ids = (count: number, prefix = 'gen') => Array.from({ length: count }, (_, index) => `${prefix}_${index}`)

describe('group commit', () => {
  let directory: string
  let database: DatabaseSync
  let store: Store

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'imagegate-group-'))
    database = openDatabase(directory)
    store = sqliteStore(database)
  })
  afterEach(async () => {
    await store.close()
    rmSync(directory, { recursive: true })
  })

  /** Transactions in the write-ahead log: frames that carry the database's size. https://www.sqlite.org/fileformat2.html#walformat */
  const commitsOnDisk = (): number => {
    const log = readFileSync(join(directory, `${DATABASE_FILE}-wal`))
    const frameBytes = 24 + log.readUInt32BE(8)
    let commits = 0
    for (let at = 32; at + frameBytes <= log.length; at += frameBytes) if (log.readUInt32BE(at + 4) !== 0) commits++
    return commits
  }

  const save = (id: string) => store.commit({ generations: [generationRecord(id)] })
  const listed = async () => (await store.list({ limit: 1_000 })).records.map(({ id }) => id).toSorted()

  test('writes 50 units of one turn in one transaction', async () => {
    const before = commitsOnDisk()
    await Promise.all(ids(50).map(save))
    expect(commitsOnDisk() - before).toBe(1)
    expect(await listed()).toHaveLength(50)
  })

  test('writes units of different turns in different transactions', async () => {
    const before = commitsOnDisk()
    for (const id of ids(3)) await save(id)
    expect(commitsOnDisk() - before).toBe(3)
  })

  test('has a unit on disk when its promise resolves, not before', async () => {
    const before = commitsOnDisk()
    const saved = save('gen_1').then(commitsOnDisk)
    expect(await Promise.race([saved, Promise.resolve('still waiting')])).toBe('still waiting')
    expect(commitsOnDisk()).toBe(before)
    expect(await saved).toBe(before + 1)
  })

  test('keeps a write that fails to its own unit, and takes back what that unit wrote before', async () => {
    const before = commitsOnDisk()
    const broken = store.commit({
      generations: [generationRecord('gen_broken')],
      images: [imageRecord('img_broken', 'gen_broken', { bytes: 1.5 })],
      idempotency: { scope: '', key: 'k', bodyHash: 'h', generationId: 'gen_broken', createdAt: 1 },
    })
    const others = ids(20).map(save)
    await expect(broken).rejects.toThrow(/INTEGER/)
    await Promise.all(others)
    expect(await listed()).toEqual(ids(20).toSorted())
    expect(await store.idempotency('', 'k')).toBeNull()
    expect(commitsOnDisk() - before).toBe(1)
  })

  test('rejects every unit of a turn that the disk refuses as full, and works again when there is space', async () => {
    await save('gen_before')
    const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count'])
    database.exec(`PRAGMA max_page_count = ${pages}`)
    const large = (id: string) => store.commit({ generations: [generationRecord(id, { promptUsed: 'x'.repeat(20_000) })] })
    const results = await Promise.allSettled(ids(10, 'large').map(large))
    const reasons = results.map((result) => (result.status === 'rejected' ? (result.reason as unknown) : null))
    expect(reasons.every((reason) => reason instanceof StoreError && reason.reason === 'full')).toBe(true)
    expect(String(reasons[0])).toMatch(/disk .* is full; nothing was written/)
    expect(database.isTransaction).toBe(false)
    expect(await listed()).toEqual(['gen_before'])

    database.exec('PRAGMA max_page_count = 1000000')
    await Promise.all(ids(10, 'large').map(large))
    expect(await listed()).toHaveLength(11)
  })

  test('rejects a turn whose commit itself fails, and works again afterwards', async () => {
    database.exec('CREATE TABLE fault (id INTEGER REFERENCES generations (id) DEFERRABLE INITIALLY DEFERRED)')
    database.exec(`CREATE TRIGGER sabotage AFTER INSERT ON generations BEGIN INSERT INTO fault VALUES ('nobody'); END`)
    const results = await Promise.allSettled(ids(3).map(save))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(database.isTransaction).toBe(false)
    database.exec('DROP TRIGGER sabotage')
    await save('gen_after')
    expect(await listed()).toEqual(['gen_after'])
  })

  test('rejects, and does not hang, where the database is closed underneath', async () => {
    const saved = save('gen_1')
    database.close()
    await expect(saved).rejects.toThrow(/not open|finalized/)
    database.open()
  })
})
