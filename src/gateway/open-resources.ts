import { join } from 'node:path'
import { SANDBOX_KEY } from '#sandbox'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Config } from '../config/config.ts'
import { formatProblem } from '../config/problem.ts'
import { exposed } from '../config/protection.ts'
import { withEmulators } from '../config/providers.ts'
import { liveConfig } from '../config/watch.ts'
import type { LiveConfig } from '../config/watch.ts'
import type { GatewayKeys } from '../core/keys/gateway-keys.ts'
import type { Ages, Assets, Clock, Log, Store } from '../core/ports.ts'
import { currentKey } from '../http/request-context.ts'
import { openImages } from '../store/assets/open-images.ts'
import type { Images } from '../store/assets/open-images.ts'
import { liveCatalogue } from '../catalogue/live-catalogue.ts'
import { adoptSandbox } from '../store/adopt-sandbox.ts'
import { openStoreAt } from '../store/open-store.ts'
import { createTransport } from '../transport/index.ts'
import type { Transport } from '../transport/index.ts'
import { Secret } from '../transport/secret.ts'
import { agesOf } from '../core/ages.ts'
import { CLOCK, clockOf } from './clock-and-ids.ts'
import { startEmulators } from './emulators.ts'
import { transportConfig } from './from-config.ts'
import { openGatewayKeys } from './gateway-keys.ts'
import { countImagesInHeapLimit } from '../reading/heap-limits.ts'
import type { Configuration } from './read-configuration.ts'
import { createReloadReport } from './report-reload.ts'
import type { ReloadReport } from './report-reload.ts'
import { within } from './shutdown.ts'
import { StartRefused } from './start-refused.ts'
import { configuredFolders, storageOf } from './storage-folders.ts'
import type { StorageFolders } from './storage-folders.ts'

export interface Resources extends Configuration {
  /** With the providers of the configuration in force. */
  readonly catalogue: Catalogue
  /** The configuration in force, and the way to the next one. */
  readonly live: LiveConfig
  readonly reloads: ReloadReport
  readonly config: () => Config
  readonly keys: GatewayKeys
  readonly store: Store
  /** The wall time of all gateways that use the store. */
  readonly clock: Clock
  readonly ages: Ages
  readonly assets: Assets
  /** Where the images lie, for retention. */
  readonly imageStorage: Images['storage']
  readonly transport: Transport
  readonly folders: StorageFolders
}

const SANDBOX_TYPICAL_MS = 2_000
const TRANSPORT_CLOSE_MS = 5_000

/**
 * Starts the emulators of a sandbox and opens the database, the image folder and the connections to vendors. What is opened is closed by
 * `opened`, the last first.
 * @throws StartRefused where the configuration names what cannot be opened, or another process uses the data folder
 */
export async function openResources(configuration: Configuration, opened: AsyncDisposableStack): Promise<Resources> {
  const { catalogue: installed, started, readAgain, log } = configuration
  const { folders, store: location } = refusedInWords(() => storageOf(started))
  const complete = await emulatedProviders(configuration, opened)
  if (started.sandbox) await adoptSandbox(folders, earlierFolders(started))
  const store = await openStoreAt(location, started.sandbox ? 'play' : 'real', { onLost: endAtOnce(log), whoseRequest: currentKey })
  opened.defer(() => store.close())
  await store.nodes?.begin()
  const clock = clockOf(store)
  for (const { from, to } of await store.nameKeys(started.keys))
    log.info({ from, to }, 'a gateway key was renamed; what it owns followed it')
  const keys = await openGatewayKeys({ config: () => live.current(), store, clock, log })
  const isAnyKeyLive = (config: Config): boolean => keys.isAnyLive(config.keys)
  const exposure = exposed(started, isAnyKeyLive)
  if (exposure) throw new StartRefused(formatProblem(exposure))
  countImagesInHeapLimit()
  const images = await openImages(folders.assets)
  opened.defer(() => images.close())
  const transport = refusedInWords(() => createTransport(transportConfig(complete(started), installed, log)))
  opened.defer(async () => void (await within(CLOCK, transport.close(), TRANSPORT_CLOSE_MS)))
  const reloads = createReloadReport(log, complete(started), clock.now)
  const live = liveConfig({
    started: complete(started),
    files: configuration.files,
    async load() {
      const result = await readAgain()
      return result.kind === 'config' ? { ...result, config: complete(result.config) } : result
    },
    prepare: (next) => transport.prepare(transportConfig(next, installed, log)),
    isAnyKeyLive,
    report: reloads.report,
  })
  // A key that came with a reload can be renamed at the next start.
  live.onSwapped(
    ({ keys }) => void store.nameKeys(keys).catch((error: unknown) => log.error({ err: error }, 'the names of the keys could not be kept')),
  )
  const catalogue = liveCatalogue(installed, live.current)
  return {
    ...configuration,
    catalogue,
    live,
    reloads,
    config: live.current,
    keys,
    store,
    clock,
    ages: agesOf(clock),
    assets: images.assets,
    imageStorage: images.storage,
    transport,
    folders,
  }
}

/**
 * What the disk failed to keep may be there after the next start or not. Nobody is answered meanwhile: a refusal would be wrong where it is there, an
 * acceptance where it is not. A start goes on with what is there, as after a power cut.
 */
const endAtOnce =
  (log: Pick<Log, 'error'>) =>
  (error: unknown): void => {
    log.error(
      { error: error instanceof Error ? error.message : String(error) },
      'the database may not be on disk: the gateway ends; start it again',
    )
    process.exit(1)
  }

/** Where an earlier version kept a sandbox's rows; null where that is not on this machine's disk, which a sandbox does not mind. */
function earlierFolders(config: Config): StorageFolders | null {
  try {
    return configuredFolders(config)
  } catch {
    return null
  }
}

/** Completes a configuration with the addresses of the emulators, which run where no provider has a key. */
async function emulatedProviders(
  { catalogue, started, overrides }: Configuration,
  opened: AsyncDisposableStack,
): Promise<(config: Config) => Config> {
  if (!started.sandbox) return (config) => config
  const emulators = await startEmulators(catalogue, {
    typicalMs: overrides.sandboxTypicalMs ?? SANDBOX_TYPICAL_MS,
    directory: join(started.dataDirectory, 'emulators'),
  })
  opened.defer(() => emulators.close())
  return (config) => withEmulators(config, emulators.urls, new Secret(SANDBOX_KEY))
}

/** What a configuration asks for and cannot be had is the operator's to correct: words, no stack. */
function refusedInWords<Result>(open: () => Result): Result {
  try {
    return open()
  } catch (error) {
    throw new StartRefused(error instanceof Error ? error.message : String(error))
  }
}
