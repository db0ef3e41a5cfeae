import { createWriteStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import packageJson from '../../package.json' with { type: 'json' }
import { ClientError, connection } from '../client/connection.ts'
import type { Config } from '../config/config.ts'
import { configuredFolders, storageFolders } from '../gateway/storage-folders.ts'
import { openImages } from '../store/assets/open-images.ts'
import { writeBackup } from '../store/backup-folder.ts'
import type { BackupSource, BackupSummary } from '../store/backup-folder.ts'
import { copyDatabase } from '../store/sqlite/copy-database.ts'
import { DATABASE_FILE, openDatabase } from '../store/sqlite/open.ts'
import { StoreError } from '../core/ports.ts'
import { findGateway, type ConnectOptions } from './connect.ts'
import { gatewayCommand } from './options.ts'
import { VerbFailed, type Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'

export const backupVerb: Verb = (terminal, finish) =>
  gatewayCommand('backup', 'copy the database and the images into a folder, while the gateway goes on')
    .argument('<dir>', 'the folder; an earlier backup in it is renewed, and only new images are copied')
    .addHelpText(
      'after',
      '\nA running gateway that has keys asks for one of scope admin (--key or IMAGEGATE_KEY). `imagegate restore` reads the folder.',
    )
    .action((folder: string, options: ConnectOptions & { json?: boolean }) => finish(backup(folder, options, terminal)))

async function backup(folder: string, options: ConnectOptions & { json?: boolean }, terminal: Terminal): Promise<number> {
  const { source, close, from } = await findSource(options, terminal)
  const progress = (done: number, all: number) => {
    if (terminal.isInteractive && !options.json) terminal.draw(`\r${done} of ${all} images`)
  }
  try {
    const summary = await writeBackup(folder, source, { version: packageJson.version, now: new Date(), progress })
    if (terminal.isInteractive && !options.json && summary.images > 0) terminal.draw('\r')
    terminal.out(options.json ? JSON.stringify({ folder, ...summary }, null, 2) : `${folder}: ${contents(summary)}, from ${from}`)
    return 0
  } catch (error) {
    throw inWords(error)
  } finally {
    await close()
  }
}

/** What is in a backup, in one phrase. */
export const contents = ({ generations, images, image_bytes, images_missing, schema }: BackupSummary): string =>
  `${generations} generations and ${images} images (${Math.ceil(image_bytes / 1_000_000)} MB), schema ${schema}` +
  (images_missing > 0 ? `; ${images_missing} images were removed earlier and are not in it` : '')

/** What the disk or the store refused, in a sentence. */
export function inWords(error: unknown): unknown {
  if (error instanceof StoreError) return new VerbFailed(error.message)
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return error
  const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT'
  return new VerbFailed(isFull ? `the disk is full (${error.message}); free some space and run it again` : error.message)
}

interface FoundSource {
  readonly source: BackupSource
  /** For the report. */
  readonly from: string
  close(): void | Promise<void>
}

/** A gateway that runs is asked; elsewhere the data folder is read, with its schema left as it is. */
async function findSource(options: ConnectOptions, terminal: Terminal): Promise<FoundSource> {
  const found = await findGateway(options, terminal, 'copy the data folder of a stopped one')
  if (found.kind === 'stopped') return dataFolder(found.config)
  return { source: runningGateway(found.url, found.key), from: found.url, close() {} }
}

function runningGateway(url: string, key: string | undefined): BackupSource {
  const gateway = connection({ url, key })
  const fetched = async (path: string): Promise<Readable> => Readable.fromWeb(await gateway.stream(path, { accept: '*/*' }))
  return {
    async database(path) {
      await pipeline(await fetched('/v1/backup/database'), createWriteStream(path, { flags: 'wx' }))
    },
    image: ({ sha256, format }) =>
      fetched(`/v1/backup/images/${sha256}/${format}`).catch((error: unknown) => {
        if (error instanceof ClientError && error.status === 404) return null
        throw error
      }),
  }
}

async function dataFolder(config: Config): Promise<FoundSource> {
  // Vendor keys are often set for the service alone, so without them the database of real providers still comes first.
  const candidates = [configuredFolders(config), ...(config.sandbox ? [storageFolders(config)] : [])]
  const folders = candidates.find(({ store }) => existsSync(join(store, DATABASE_FILE)))
  if (folders === undefined) {
    const searched = candidates.map(({ store }) => store).join(' and ')
    throw new VerbFailed(
      `there is no database in ${searched}, and no gateway answers; name the one to back up with --url or IMAGEGATE_DATA`,
    )
  }
  try {
    const database = openDatabase(folders.store, { upgrade: false })
    const { assets, close } = await openImages(folders.assets)
    return {
      source: { database: (path) => copyDatabase(database, path), image: ({ sha256, format }) => assets.open(sha256, format) },
      from: folders.store,
      async close() {
        database.close()
        await close()
      },
    }
  } catch (error) {
    throw inWords(error)
  }
}
