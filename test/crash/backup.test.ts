import { execFile, execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { readBackup } from '../../src/store/read-backup.ts'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../..')

let vendors: Vendors
let reference: string
beforeAll(async () => {
  vendors = await startVendors({ providers: ['bfl', 'runware'], typicalMs: 500 })
  const image = await sharp({ create: { width: 256, height: 256, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  reference = `data:image/png;base64,${image.toString('base64')}`
})
afterAll(() => vendors.close())

/** The command as a user types it; its exit code, what it printed, and its errors. */
async function imagegate(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const env = { ...BARE_ENVIRONMENT, ...environment }
  const ended = await run(process.execPath, [join(ROOT, 'bin/imagegate.mjs'), ...args], { cwd: ROOT, env }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  )
  return ended
}

async function post(server: ServerProcess, prompt: string, body: object, prefer = 'respond-async') {
  const reply = await fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer },
    body: JSON.stringify({ model: 'bfl/flux-2-pro', width: 256, height: 256, prompt, ...body }),
  })
  return (await reply.json()) as Generation
}

async function read(server: ServerProcess, id: string, waitSeconds = 0): Promise<Generation> {
  const reply = await fetch(`${server.url}/v1/generations/${id}`, { headers: waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {} })
  return (await reply.json()) as Generation
}

const modeOf = (path: string): number => statSync(path).mode & 0o777

const submitsOf = (mark: string) =>
  [...vendors.fronts.values()].flatMap(({ visits }) => visits).filter(({ purpose, body }) => purpose === 'submit' && body.includes(mark))
    .length

const imageOf = async (server: ServerProcess, { images }: Generation): Promise<Buffer> => {
  const path = new URL(images[0]?.url ?? '').pathname
  return Buffer.from(await (await fetch(`${server.url}${path}`)).arrayBuffer())
}

/** One task in flight at a time, so that the second of two waits. */
function folderWithOneSlot() {
  const folder = vendors.folder()
  const path = folder.environment['IMAGEGATE_CONFIG'] ?? ''
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(' }', ', max_in_flight: 1 }'))
  return folder
}

describe('imagegate backup and restore', () => {
  test(
    'a backup of a running gateway is whole, and what it shows as not bought is never bought a second time',
    { timeout: 120_000 },
    async () => {
      const folder = folderWithOneSlot()
      const server = await startProcess(folder.environment)
      const done = await post(server, 'finished before', { reference_images: [reference] }, 'wait=60')
      expect(done.status).toBe('succeeded')
      const costs: unknown = await (await fetch(`${server.url}/v1/costs`)).json()
      let goOn = () => {}
      const held = new Promise<void>((resolve) => (goOn = resolve))
      vendors.front('bfl').beforeReply = ({ purpose }) => (purpose === 'poll' ? held : undefined)
      // It may answer a submit with the images.
      vendors.front('runware').beforeReply = () => held
      const pending = await post(server, 'bought before', {})
      await expect.poll(async () => (await read(server, pending.id)).attempts[0]?.status, { timeout: 10_000 }).toBe('pending')
      const queued = await post(server, 'bought after', {})
      const queuedAtRunware = [
        await post(server, 'r one', { model: 'runware/flux-2-pro' }),
        await post(server, 'r two', { model: 'runware/flux-2-pro' }),
      ]
      const backup = join(folder.dataDirectory, '..', 'backup')
      const made = await imagegate(['backup', backup, '--url', server.url, '--json'], folder.environment)
      expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: '' })
      expect(JSON.parse(made.stdout)).toMatchObject({ generations: 5, images: 2, images_missing: 0 })
      // It holds secrets: nobody else on the machine reads it.
      expect([modeOf(backup), modeOf(join(backup, 'imagegate.db'))]).toEqual([0o700, 0o600])
      goOn()
      expect((await read(server, queued.id, 30)).status).toBe('succeeded')
      for (const { id } of queuedAtRunware) expect((await read(server, id, 30)).status).toBe('succeeded')
      await server.kill('SIGKILL')

      const restored = join(folder.dataDirectory, '..', 'restored')
      const elsewhere = { ...folder.environment, IMAGEGATE_DATA: restored }
      const back = await imagegate(['restore', backup], elsewhere)
      expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: '' })
      expect(back.stdout).toContain('5 generations and 2 images')
      expect(back.stdout).toContain('4 generations were open')
      expect([modeOf(restored), modeOf(join(restored, 'imagegate.db'))]).toEqual([0o700, 0o600])
      const again = await imagegate(['restore', backup], elsewhere)
      expect(again.code).toBe(1)
      expect(again.stderr).toContain('exists: a backup is restored into a folder without a database')

      const second = await startProcess(elsewhere)
      const same = await read(second, done.id)
      expect({ ...same, images: null, request: null }).toEqual({ ...done, images: null, request: null })
      expect((await imageOf(second, same)).equals(await storedFile(done, folder.dataDirectory))).toBe(true)
      expect((await read(second, pending.id, 30)).status).toBe('succeeded')
      const unknown = await read(second, queued.id, 30)
      expect(unknown).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown', billed: 'unknown' } })
      for (const { id } of queuedAtRunware) expect((await read(second, id, 30)).status).toBe('succeeded')
      expect(['finished before', 'bought before', 'bought after', 'r one', 'r two'].map(submitsOf)).toEqual([1, 1, 1, 1, 1])
      expect(costs).toMatchObject({ total: { spend: done.cost.amount } })
      await second.kill('SIGTERM')
      folder.remove()
    },
  )

  test(
    'a backup of a data folder that no gateway uses leaves its schema as it is, and is renewed in place',
    { timeout: 120_000 },
    async () => {
      const folder = vendors.folder()
      const server = await startProcess(folder.environment)
      await post(server, 'offline', {}, 'wait=60')
      await server.kill('SIGTERM')
      const backup = join(folder.dataDirectory, '..', 'backup')
      const environment = { ...folder.environment, PORT: '0' }
      for (const _round of [1, 2]) {
        const left = leftBehind(backup)
        const made = await imagegate(['backup', backup], environment)
        expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: '' })
        expect(made.stdout).toContain('1 generations and 1 images')
        expect([existsSync(left.long), existsSync(left.now)]).toEqual([false, true])
        rmSync(left.now, { recursive: true })
      }
      expect((await imagegate(['backup', join(backup, 'backup.json')], environment)).code).toBe(1)
      const empty = await imagegate(['backup', backup], { ...environment, IMAGEGATE_DATA: join(backup, 'nothing') })
      expect(empty).toMatchObject({ code: 1 })
      expect(empty.stderr).toContain('there is no database in')
      await restoresNothingElse(backup, environment)
      folder.remove()
    },
  )

  test(
    'a backup into a data folder is refused, whether its gateway runs or not: the database of the gateway stays the one it writes into',
    { timeout: 120_000 },
    async () => {
      const folder = vendors.folder()
      const environment = { ...folder.environment, PORT: '0' }
      const path = join(folder.dataDirectory, 'imagegate.db')
      const server = await startProcess(folder.environment)
      await post(server, 'kept', {}, 'wait=60')
      const { ino } = statSync(path)
      // A summary beside it, as an earlier version would have left one, makes no backup of it.
      for (const summary of [null, '{}']) {
        if (summary !== null) writeFileSync(join(folder.dataDirectory, 'backup.json'), summary)
        const running = await imagegate(['backup', folder.dataDirectory, '--url', server.url], environment)
        expect([running.code, running.stderr.trim().split('\n').length, statSync(path).ino]).toEqual([1, 1, ino])
        expect(running.stderr).toContain('is the data folder of a gateway')
      }
      await server.kill('SIGTERM')
      for (const summary of ['{}', null]) {
        if (summary === null) rmSync(join(folder.dataDirectory, 'backup.json'))
        const stopped = await imagegate(['backup', folder.dataDirectory], environment)
        expect([stopped.code, statSync(path).ino]).toEqual([1, ino])
        expect(stopped.stderr).toContain('is the data folder of a gateway')
      }
      expect(readdirSync(folder.dataDirectory).filter((name) => /backup|partial/.test(name))).toEqual([])
      folder.remove()
    },
  )

  test('a folder that is no whole backup is refused in one sentence', { timeout: 60_000 }, async () => {
    const folder = vendors.folder()
    const broken = join(folder.dataDirectory, '..', 'broken')
    mkdirSync(broken)
    const noSummary = await imagegate(['restore', broken], folder.environment)
    expect(noSummary.code).toBe(1)
    expect(noSummary.stderr).toContain('is no whole backup')
    expect(noSummary.stderr.trim().split('\n')).toHaveLength(1)
    const summary = {
      version: '0.0.1',
      schema: 9,
      created_at: '2026-11-28T00:00:00.000Z',
      generations: 0,
      images: 0,
      image_bytes: 0,
      images_missing: 0,
    }
    writeFileSync(join(broken, 'backup.json'), JSON.stringify(summary))
    writeFileSync(join(broken, 'imagegate.db'), 'not a database, and long enough to be read as one'.repeat(100))
    const damaged = await imagegate(['restore', broken], folder.environment)
    expect(damaged.code).toBe(1)
    expect(damaged.stderr).toContain('is not a whole imagegate database')
    rmSync(broken, { recursive: true })
    folder.remove()
  })
})

/** What somebody could have changed in a backup, and what restoring it then says. */
const CHANGES: Readonly<Record<string, { readonly change: (backup: string) => void; readonly says: RegExp }>> = {
  'a database that is a link': {
    change: (backup) => linked(join(backup, 'imagegate.db'), join(backup, 'elsewhere')),
    says: /imagegate\.db is a link or no file: a backup holds its files themselves/,
  },
  'an image that is a link': {
    change: (backup) => linked(onlyImageIn(backup), join(backup, 'elsewhere')),
    says: /is a link or no file/,
  },
  'an image that has no end': {
    change: (backup) => truncateSync(onlyImageIn(backup), 3_000_000_000),
    says: /has 3000000000 bytes, more than the 67108864 that are taken; if it is one of yours, raise assets\.max_image_bytes/,
  },
  'a database that has no end': {
    change: (backup) => truncateSync(join(backup, 'imagegate.db'), 3_000_000_000),
    says: /is not a whole imagegate database \(it has 3000000000 bytes, and pages for \d+\)/,
  },
  'images in a folder that is a link': {
    change: (backup) => linked(join(backup, 'images'), join(backup, 'elsewhere')),
    says: /is a link or no file/,
  },
  'a database that nobody writes into': {
    change(backup) {
      rmSync(join(backup, 'imagegate.db'))
      execFileSync('mkfifo', [join(backup, 'imagegate.db')])
    },
    says: /imagegate\.db is a link or no file/,
  },
  'a summary that never ends': {
    change(backup) {
      rmSync(join(backup, 'backup.json'))
      symlinkSync('/dev/zero', join(backup, 'backup.json'))
    },
    says: /backup\.json is a link or no file/,
  },
  'a summary that is no JSON': {
    change: (backup) => writeFileSync(join(backup, 'backup.json'), '{"version":"0.1'),
    says: /backup\.json is not what `imagegate backup` writes/,
  },
  'a summary of something else': {
    change: (backup) => writeFileSync(join(backup, 'backup.json'), '{"version":{},"images":"\u001b[2J"}'),
    says: /backup\.json is not what `imagegate backup` writes/,
  },
  'an image whose name leads elsewhere': {
    change: inDatabase(`UPDATE images SET sha256 = '../../../../${'a'.repeat(52)}'`),
    says: /imagegate\.db is not a whole imagegate database \(an image is named by its SHA-256/,
  },
  'a generation that is no JSON': {
    change: inDatabase(`UPDATE generations SET state = '{"status":'`),
    says: /is not a whole imagegate database \(a generation in it is not JSON\)/,
  },
  'a plan that is no JSON': {
    change: inDatabase("UPDATE generation_plans SET plan = ''"),
    says: /is not a whole imagegate database \(a generation in it is not JSON\)/,
  },
  'an open generation that says nothing': {
    change: inDatabase("UPDATE generations SET open = 1, state = '{}'"),
    says: /is not a whole imagegate database/,
  },
  'a schema without a number': {
    change: inDatabase('PRAGMA user_version = 0'),
    says: /is not a whole imagegate database \(its schema has the number 0\)/,
  },
  'a schema of a number below all': {
    change: inDatabase('PRAGMA user_version = -1'),
    says: /is not a whole imagegate database \(its schema has the number -1\)/,
  },
  'a table less': {
    change: inDatabase('DROP TABLE prompt_search'),
    says: /is not a whole imagegate database \(it has no table prompt_search\)/,
  },
  'a table that is a view without an end': {
    change: inDatabase(
      'DROP TABLE images; CREATE VIEW images AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n',
    ),
    says: /is not a whole imagegate database \(it has no table images\)/,
  },
  'a trigger of somebody else': {
    change: inDatabase('CREATE TRIGGER foreign_one AFTER UPDATE ON generations BEGIN DELETE FROM ledger; END'),
    says: /is not a whole imagegate database \(its trigger foreign_one is not ours\)/,
  },
}

function inDatabase(sql: string): (backup: string) => void {
  return (backup) => {
    const database = new DatabaseSync(join(backup, 'imagegate.db'))
    database.exec(sql)
    database.close()
  }
}

function linked(path: string, elsewhere: string): void {
  renameSync(path, elsewhere)
  symlinkSync(elsewhere, path)
}

const onlyImageIn = (backup: string): string => {
  const [image = ''] = filesIn(join(backup, 'images'))
  return image
}
const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((one) => (one.isFile() ? [join(one.parentPath, one.name)] : []))
const contentOf = (folder: string): object => Object.fromEntries(filesIn(folder).map((path) => [path, readFileSync(path, 'base64')]))

/** A journal of another state of the database, which SQLite plays back where it finds it beside the file. */
function foreignJournal(backup: string): Buffer {
  const other = mkdtempSync(join(backup, '..', 'other-'))
  const path = join(other, 'imagegate.db')
  copyFileSync(join(backup, 'imagegate.db'), path)
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = DELETE; DELETE FROM images; PRAGMA cache_size = 1; BEGIN; CREATE TABLE spilled (x)')
  for (let row = 0; row < 50; row += 1) database.exec('INSERT INTO spilled VALUES (randomblob(4000))')
  const journal = readFileSync(`${path}-journal`)
  database.close()
  rmSync(other, { recursive: true })
  return journal
}

/** Copies of processes that were killed: one of two days ago, and one that may still be written. */
function leftBehind(backup: string): { readonly long: string; readonly now: string } {
  const [long, now] = [join(backup, '.backup-long'), join(backup, '.backup-now')]
  for (const path of [long, now]) {
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'imagegate.db'), 'a copy')
  }
  const twoDaysAgo = Date.now() / 1_000 - 2 * 86_400
  utimesSync(long, twoDaysAgo, twoDaysAgo)
  return { long, now }
}

/** A gateway that is started while images are still copied makes a database; it stays. */
async function replacesNoDatabase(backup: string): Promise<void> {
  const store = `${backup}-meanwhile`
  const database = join(store, 'imagegate.db')
  const prepare = async () => writeFileSync(database, 'of a gateway')
  const restored = readBackup(backup, { store, images: join(store, 'images'), maxImageBytes: 1_000_000, prepare })
  await expect(restored).rejects.toThrow(`${database} exists`)
  expect([readFileSync(database, 'utf8'), readdirSync(store).filter((name) => name.startsWith('.restore'))]).toEqual(['of a gateway', []])
}

/** Of a backup that was changed nothing is restored, in a sentence; and what only lies beside its files is not read. */
async function restoresNothingElse(backup: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const restore = (from: string) => imagegate(['restore', from], { ...environment, IMAGEGATE_DATA: `${from}-restored` })
  const changed = await Promise.all(
    Object.entries(CHANGES).map(async ([what, { change, says }]) => {
      const copy = `${backup} with ${what}`
      cpSync(backup, copy, { recursive: true })
      change(copy)
      return { what, says, ...(await restore(copy)), isRestored: existsSync(`${copy}-restored/imagegate.db`) }
    }),
  )
  for (const { what, says, code, stderr, isRestored } of changed) {
    expect([what, code, isRestored]).toEqual([what, 1, false])
    expect(stderr, what).toMatch(says)
    expect(stderr.trim(), what).not.toMatch(/\p{Cc}/u)
  }
  await replacesNoDatabase(backup)
  for (const end of ['-journal', '-wal', '-shm']) writeFileSync(join(backup, `imagegate.db${end}`), foreignJournal(backup))
  const before = contentOf(backup)
  // A restore that was killed left it.
  mkdirSync(join(`${backup}-restored`, '.restore-killed'), { recursive: true })
  const { code, stdout } = await restore(backup)
  expect([code, stdout]).toEqual([0, expect.stringContaining('1 generations and 1 images')])
  expect(contentOf(backup)).toEqual(before)
  expect(readdirSync(`${backup}-restored`).filter((name) => /^imagegate\.db|^\.restore/.test(name))).toEqual(['imagegate.db'])
}

/** The stored file of a generation's first image. */
async function storedFile({ images }: Generation, dataDirectory: string): Promise<Buffer> {
  const { sha256, format } = images[0] ?? { sha256: '', format: 'jpeg' }
  const extension = format === 'jpeg' ? 'jpg' : format
  return readFileSync(join(dataDirectory, 'images', String(sha256).slice(0, 2), String(sha256).slice(2, 4), `${sha256}.${extension}`))
}
