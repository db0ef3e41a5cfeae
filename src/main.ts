import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import closeWithGrace from 'close-with-grace'
import { randomUUIDv7 } from 'node:crypto'
import { pino } from 'pino'
import type { FastifyBaseLogger } from 'fastify'
import { requestSchema } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import type { Config } from './config/config.ts'
import { processEnvironment } from './config/environment.ts'
import type { Environment } from './config/environment.ts'
import { loadConfig } from './config/load.ts'
import { formatProblem } from './config/problem.ts'
import type { ConfigProblem } from './config/problem.ts'
import { withEmulators } from './config/providers.ts'
import { liveConfig, watchConfig } from './config/watch.ts'
import type { Reloaded } from './config/watch.ts'
import { buildApp } from './http/app.ts'
import { createPipe } from './http/pipe.ts'
import { createHealth } from './observe/health.ts'
import { createMetrics, observeAll } from './observe/metrics.ts'
import { loadCatalogue } from './registry/catalogue.ts'
import type { Catalogue } from './registry/catalogue.ts'
import { createAccept } from './run/accept.ts'
import { createCosts } from './run/costs.ts'
import { createCompare } from './run/compare.ts'
import { createRun } from './run/generate.ts'
import { createIdempotency } from './run/idempotency.ts'
import type { Clock, Ids, Ports, Settings } from './run/ports.ts'
import { openAssets } from './store/assets/files.ts'
import { openStore } from './store/sqlite/store.ts'
import { createTransport } from './transport/index.ts'
import type { TransportConfig } from './transport/index.ts'
import { Secret } from './transport/secret.ts'
import { startEmulators } from './wiring/emulators.ts'
import { modelListing, providerListing } from './wiring/listings.ts'
import { createMarket } from './wiring/market.ts'

export interface StartOptions {
  readonly env: Environment
  readonly overrides?: {
    /** 0 takes a free port. */
    readonly port?: number
    readonly dataDirectory?: string
    /** No log but errors. */
    readonly quiet?: boolean
    /** The middle of how long an emulated task takes. */
    readonly sandboxTypicalMs?: number
  }
}

export interface Server {
  readonly url: string
  readonly sandbox: boolean
  close(): Promise<void>
}

/** The configuration was refused; the message lists every problem. */
export class StartRefused extends Error {}

const SANDBOX_TYPICAL_MS = 2_000
const CLOCK: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}
/** Ordered by time, then random: an id sorts by age and cannot be guessed. */
const orderedId = (prefix: string) => `${prefix}_${randomUUIDv7().replaceAll('-', '')}`
const IDS: Ids = {
  generation: () => orderedId('gen'),
  attempt: () => orderedId('att'),
  image: () => orderedId('img'),
  task: () => randomUUID(),
}

/** Wires everything together and listens. Everything a room needs comes to it as an argument from here. */
export async function startServer({ env, overrides = {} }: StartOptions): Promise<Server> {
  const catalogue = await loadCatalogue()
  const environment = {
    ...env,
    ...(overrides.dataDirectory ? { IMAGEGATE_DATA: overrides.dataDirectory } : {}),
    ...(overrides.port !== undefined ? { PORT: String(overrides.port) } : {}),
  }
  const loaded = await loadConfig({ env: environment, catalogue })
  if (loaded.kind === 'refused') throw new StartRefused(loaded.problems.map(formatProblem).join('\n'))
  const log = pino({ level: overrides.quiet ? 'error' : loaded.config.logLevel }, pino.destination({ sync: false })) as FastifyBaseLogger
  tell(log, loaded.warnings)

  const emulators = loaded.config.sandbox
    ? await startEmulators(catalogue, { typicalMs: overrides.sandboxTypicalMs ?? SANDBOX_TYPICAL_MS })
    : null
  const filledIn = (config: Config) => (emulators ? withEmulators(config, emulators.urls, new Secret(SANDBOX_KEY)) : config)
  const store = await openStore({ directory: loaded.config.dataDirectory })
  const assets = await openAssets({ directory: loaded.config.assets.url.replace(/^file:/, '') })
  const transport = createTransport(transportConfig(filledIn(loaded.config), catalogue, log))

  const live = liveConfig(
    filledIn(loaded.config),
    async () => {
      const result = await loadConfig({ env: environment, catalogue })
      return result.kind === 'config' ? { ...result, config: filledIn(result.config) } : result
    },
    (reloaded) => {
      reportReload(log, reloaded)
      if (reloaded.kind === 'swapped') transport.update(transportConfig(reloaded.config, catalogue, log))
    },
  )
  const config = live.current

  const health = createHealth()
  const metrics = createMetrics(() => ({
    open: run.openCount,
    providers: [...catalogue.providers.keys()].map((id) => ({ id, inFlight: run.inFlight(id), waiting: run.waiting(id) })),
  }))
  const ports: Ports = {
    clock: CLOCK,
    ids: IDS,
    send: transport.send,
    download: transport.download,
    store,
    assets,
    settings: settingsOf(config, catalogue),
    observer: observeAll([metrics.observer, health.observer]),
    log,
  }
  const run = createRun(ports)
  const options = Object.fromEntries([...catalogue.providers].map(([id, provider]) => [id, provider.adapter.options]))
  let publicUrl = config().server.publicUrl ?? ''
  const market = createMarket(config, catalogue, run)
  const accept = createAccept({ ports, market, roll: Math.random })
  const schema = requestSchema(options)
  const idempotency = createIdempotency(store, () => CLOCK.now())
  const pipe = createPipe({ requestSchema: schema, accept, run, idempotency })
  const compare = createCompare({
    accept,
    run,
    store,
    idempotency,
    now: () => CLOCK.now(),
    newId: () => orderedId('cmp'),
    beginGeneration: pipe.begin,
    publicUrl: () => publicUrl,
    log,
  })
  const app = await buildApp({
    run,
    accept,
    costs: createCosts({ store, market, clock: CLOCK }),
    pipe,
    compare,
    store,
    assets,
    clock: CLOCK,
    requestSchema: schema,
    models: modelListing(config, catalogue, run),
    providers: providerListing({ config, catalogue, run, health, send: transport.send, clock: CLOCK, ids: IDS }),
    keyNames: keyNamesOf(config),
    metrics: metrics.text,
    observeRequest: metrics.observeRequest,
    notReady: async () => {
      if (![...config().providers.values()].some((provider) => provider.enabled)) return 'no provider is enabled'
      return store.ping().then(
        () => null,
        () => 'the database does not answer',
      )
    },
    publicUrl: () => publicUrl,
    post: transport.post,
    bodyLimitBytes: config().server.bodyLimitBytes,
    log,
    version: await packageVersion(),
  })

  const { host, port } = config().server
  // Known before anything can ask for it; with port 0 the real one is known only once it listens.
  const url = await app.listen({
    host,
    port,
    listenTextResolver: (address) =>
      `imagegate listens on ${address}${config().sandbox ? ' (sandbox: no vendor key is set, every vendor is emulated)' : ''}`,
  })
  publicUrl ||= url
  const resumed = await run.resume()
  if (resumed > 0) log.info({ generations: resumed }, 'open generations continue')
  await compare.resume()
  const stopWatching = config().path === null ? () => {} : watchConfig(config().path ?? '', () => void live.reload())
  const onHangUp = () => void live.reload()
  process.on('SIGHUP', onHangUp)

  return {
    url,
    sandbox: config().sandbox,
    async close() {
      stopWatching()
      process.off('SIGHUP', onHangUp)
      await app.close()
      await transport.close()
      await store.close()
      await emulators?.close()
    },
  }
}

function transportConfig(config: Config, catalogue: Catalogue, log: FastifyBaseLogger): TransportConfig {
  const providers = [...catalogue.providers.values()].flatMap(({ id, manifest }) => {
    const settings = config.providers.get(id)
    return settings?.apiKey ? [{ id, manifest, baseUrl: settings.baseUrl, apiKey: settings.apiKey }] : []
  })
  return { providers, allow: config.network.allow, log }
}

const settingsOf = (config: () => Config, catalogue: Catalogue): Settings => ({
  get sandbox() {
    return config().sandbox
  },
  get keepImages() {
    return config().assets.keep
  },
  get maxImageBytes() {
    return config().assets.maxImageBytes
  },
  provider(id) {
    const provider = catalogue.providers.get(id)
    return provider ? { ...provider, maxInFlight: config().providers.get(id)?.maxInFlight ?? provider.manifest.max_in_flight } : null
  },
})

/** Rebuilt only when the configuration was swapped. */
function keyNamesOf(config: () => Config): () => ReadonlyMap<string, string> {
  let from: Config['keys'] | null = null
  let names: ReadonlyMap<string, string> = new Map()
  return () => {
    const { keys } = config()
    if (keys !== from) {
      from = keys
      names = new Map(keys.map((key) => [key.keyHash, key.name]))
    }
    return names
  }
}

const tell = (log: FastifyBaseLogger, problems: readonly ConfigProblem[]) => problems.forEach((problem) => log.warn(formatProblem(problem)))

function reportReload(log: FastifyBaseLogger, reloaded: Reloaded): void {
  switch (reloaded.kind) {
    case 'refused':
      log.error({ problems: reloaded.problems.map(formatProblem) }, 'the changed configuration is refused; the old one stays in force')
      return
    case 'swapped':
      tell(log, reloaded.warnings)
      log.info(
        reloaded.needRestart.length > 0 ? { waits_for_restart: reloaded.needRestart } : {},
        'the changed configuration is in force',
      )
  }
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

if (import.meta.main) {
  try {
    const server = await startServer({ env: processEnvironment() })
    closeWithGrace({ delay: 30_000 }, async () => server.close())
  } catch (error) {
    if (!(error instanceof StartRefused)) throw error
    process.stderr.write(`imagegate cannot start:\n${error.message}\n`)
    process.exitCode = 1
  }
}
