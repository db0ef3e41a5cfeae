import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { partKey } from '../core/comparisons/part-key.ts'
import { withoutPurchases, withoutQuestions } from '../core/generation/restored.ts'
import { configuredFolders, sandboxFolders } from '../gateway/storage-folders.ts'
import type { StorageFolders } from '../gateway/storage-folders.ts'
import { keyOfImage } from '../store/assets/object-storage.ts'
import { openImages } from '../store/assets/open-images.ts'
import { isOfSandbox, readBackup } from '../store/read-backup.ts'
import type { RestoreTarget } from '../store/read-backup.ts'
import type { BackupSummary } from '../store/backup-folder.ts'
import { openStore } from '../store/sqlite/store.ts'
import { contents, inWords } from './backup.ts'
import { configOrFail, type ConnectOptions } from './connect.ts'
import { Command } from 'commander'
import { printable } from './table.ts'
import type { Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'

interface RestoreOptions extends Pick<ConnectOptions, 'config'> {
  readonly json?: boolean
}

export const restoreVerb: Verb = (terminal, finish) =>
  new Command('restore')
    .description('copy a backup into an empty data folder (IMAGEGATE_DATA); the gateway must not run')
    .argument('<dir>', 'the folder that `imagegate backup` wrote')
    .option('--config <file>', 'configuration file (default: IMAGEGATE_CONFIG, then ./imagegate.yaml)')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nWhat was open when the backup was made is polled on, but nothing is bought again: what the backup shows as not yet bought may have been ' +
        'bought since, so it ends as outcome_unknown where the vendor cannot be asked.',
    )
    .action((folder: string, options: RestoreOptions) => finish(restore(folder, options, terminal)))

async function restore(folder: string, options: RestoreOptions, terminal: Terminal): Promise<number> {
  const config = await configOrFail(options, terminal)
  // By what it holds: vendor keys are often set for the service alone, and without them this start would be a sandbox.
  const folders = (await isOfSandbox(folder)) ? sandboxFolders(config) : configuredFolders(config)
  try {
    let open = 0
    const summary = await restoreInto(folders, folder, mostBytes(config), async (copy) => {
      open = await closePurchases(copy)
    })
    const rest = open === 0 ? '' : `\n${open} generations were open and are polled on at the next start; none is bought again`
    terminal.out(
      options.json
        ? JSON.stringify({ ...summary, directory: folders.store, open_generations: open }, null, 2)
        : `${folders.store}: ${contents(summary)}, of ${printable(summary.created_at)}${rest}`,
    )
    return 0
  } catch (error) {
    throw inWords(error)
  }
}

/** Of one image: a vendor's is bounded by the one, a caller's by the other. */
const mostBytes = ({ assets, server }: Config): number => Math.max(assets.maxImageBytes, server.bodyLimitBytes)

async function restoreInto(
  { store, assets }: StorageFolders,
  folder: string,
  maxImageBytes: number,
  prepare: RestoreTarget['prepare'],
): Promise<BackupSummary> {
  if (assets.kind === 'folder') return readBackup(folder, { store, images: assets.directory, maxImageBytes, prepare })
  const images = await openImages(assets)
  const copies = await mkdtemp(join(assets.incoming, 'restore-'))
  try {
    return await readBackup(folder, {
      store,
      images: copies,
      maxImageBytes,
      prepare,
      async keep({ sha256, format }, path) {
        const handle = await open(path, 'r')
        try {
          const { size: bytes } = await handle.stat()
          const key = keyOfImage(sha256, format)
          if (!(await images.storage.renew(key, bytes))) await images.storage.keep(key, { path, handle, bytes, sha256, format })
        } finally {
          await handle.close()
          await rm(path)
        }
      },
    })
  } finally {
    await images.close()
    await rm(copies, { recursive: true, force: true })
  }
}

/** Upgrades the restored database, and takes from its open generations what could be bought a second time. Returns how many are open. */
async function closePurchases(directory: string): Promise<number> {
  const store = await openStore({ directory })
  try {
    const open = (await store.claimOpen()).map(({ record }) => record)
    const unbegun = await store.unbegunComparisons()
    const comparisons = unbegun.map((record) =>
      withoutQuestions(
        record,
        async (provider) => (await store.idempotency(record.key ?? '', partKey(record, provider)))?.generationId ?? null,
      ),
    )
    await store.commit({
      generations: open.map((record) => withoutPurchases(record, Date.now())),
      comparisons: await Promise.all(comparisons),
    })
    return open.length
  } finally {
    await store.close()
  }
}
