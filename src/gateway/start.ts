import { pino } from 'pino'
import type { FastifyBaseLogger } from 'fastify'
import { requestSchema } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import packageJson from '../../package.json' with { type: 'json' }
import type { Config } from '../config/config.ts'
import type { Environment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problem.ts'
import { withEmulators } from '../config/providers.ts'
import { liveConfig, watchConfig } from '../config/watch.ts'
import { buildApp } from '../http/app.ts'
import { createIntake } from '../http/intake.ts'
import { createBreakers } from '../core/scheduling/circuit-breaker.ts'
import { createHealth } from '../monitoring/health.ts'
import { createMetrics, observeAll } from '../monitoring/metrics.ts'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import { createAccept } from '../core/generation/accept.ts'
import { createCosts } from '../core/billing/cost-report.ts'
import { createCompare } from '../core/comparisons/compare.ts'
import { drainable } from '../core/generation/drain.ts'
import { createRun } from '../core/generation/run.ts'
import { createIdempotency } from '../core/generation/idempotency.ts'
import type { Ports } from '../core/ports.ts'
import { openAssets } from '../store/assets/files.ts'
import { startRetention } from '../store/assets/retention.ts'
import { openStore } from '../store/sqlite/store.ts'
import { createTransport } from '../transport/index.ts'
import { Secret } from '../transport/secret.ts'
import { CLOCK, IDS, orderedId } from './clock-and-ids.ts'
import { startEmulators } from './emulators.ts'
import { modelListing, providerListing } from './listings.ts'
import { keyNamesOf, settingsOf, transportConfig } from './from-config.ts'
import { createOffers } from '../catalogue/offers.ts'
import { assetsDirectory, storeDirectory } from './places.ts'
import { createProbe } from './probe.ts'
import { reportReload, tell } from './report-config.ts'
import { shutDown, within } from './shutdown.ts'
import { createWebhooks } from './webhooks.ts'

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
    /** Stands between the run and what it uses: where tests break things. */
    readonly wrapPorts?: (ports: Ports) => Ports
    /** Waits between the tries of a webhook. */
    readonly webhookDelaysMs?: readonly number[]
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
const TRANSPORT_CLOSE_MS = 5_000
const NOTIFY_STOP_MS = 2_000

/** Wires everything together and listens. Everything a room needs comes to it as an argument from here. */
export async function startGateway(options: StartOptions): Promise<Server> {
  const opened = new AsyncDisposableStack()
  try {
    return await assemble(options, opened)
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
}

/** What is opened on the way is closed by `opened`, the last first. */
async function assemble({ env, overrides = {} }: StartOptions, opened: AsyncDisposableStack): Promise<Server> {
  const catalogue = await loadCatalogue()
  const environment = {
    ...env,
    ...(overrides.dataDirectory ? { IMAGEGATE_DATA: overrides.dataDirectory } : {}),
    ...(overrides.port !== undefined ? { PORT: String(overrides.port) } : {}),
  }
  const loaded = await loadConfig({ env: environment, catalogue })
  if (loaded.kind === 'refused') throw new StartRefused(loaded.problems.map(formatProblem).join('\n'))
  const log = pino(
    { level: overrides.quiet ? 'error' : loaded.config.logLevel },
    pino.destination({ dest: overrides.quiet ? 2 : 1, sync: false }),
  ) as FastifyBaseLogger
  tell(log, loaded.warnings)

  const emulators = loaded.config.sandbox
    ? await startEmulators(catalogue, { typicalMs: overrides.sandboxTypicalMs ?? SANDBOX_TYPICAL_MS })
    : null
  if (emulators) opened.defer(() => emulators.close())
  const filledIn = (config: Config) => (emulators ? withEmulators(config, emulators.urls, new Secret(SANDBOX_KEY)) : config)
  const places = placesOf(loaded.config)
  const store = await openStore({ directory: places.store })
  opened.defer(() => store.close())
  const assets = await openAssets({ directory: places.assets })
  const transport = createTransport(transportConfig(filledIn(loaded.config), catalogue, log))
  opened.defer(async () => void (await within(CLOCK, transport.close(), TRANSPORT_CLOSE_MS)))

  const live = liveConfig(
    filledIn(loaded.config),
    async () => {
      const result = await loadConfig({ env: environment, catalogue })
      return result.kind === 'config' ? { ...result, config: filledIn(result.config) } : result
    },
    (reloaded) => {
      reportReload(log, reloaded)
      if (reloaded.kind !== 'swapped') return
      transport.update(transportConfig(reloaded.config, catalogue, log))
      breakers.reset()
    },
  )
  const config = live.current

  const health = createHealth()
  const probe = createProbe({ catalogue, send: transport.send, ids: IDS })
  const breakers = createBreakers({ clock: CLOCK, log, settings: () => config().breaker, probe })
  opened.defer(() => breakers.reset())
  const metrics = createMetrics(() => ({
    open: run.openCount,
    providers: [...catalogue.providers.keys()].map((id) => ({
      id,
      inFlight: run.inFlight(id),
      waiting: run.waiting(id),
      breaker: breakers.state(id),
    })),
  }))
  let publicUrl = config().server.publicUrl ?? ''
  const { notify, hooks, hookSecretHeader } = await createWebhooks({
    config,
    catalogue,
    store,
    clock: CLOCK,
    post: transport.post,
    publicUrl: () => publicUrl,
    delaysMs: overrides.webhookDelaysMs,
    log,
  })
  opened.defer(async () => void (await within(CLOCK, notify.stop(), NOTIFY_STOP_MS)))
  const { wrapPorts = (ports: Ports) => ports } = overrides
  const drain = drainable({
    clock: CLOCK,
    ids: IDS,
    send(provider, call, timeoutMs) {
      if (call.purpose === 'submit') breakers.submitting(provider)
      return transport.send(provider, call, timeoutMs)
    },
    download: transport.download,
    store,
    assets,
    settings: settingsOf(config, catalogue),
    observer: observeAll([metrics.observer, health.observer, breakers.observer]),
    log,
    hooks,
    deliveriesDue: notify.wake,
  })
  const ports = wrapPorts(drain.ports)
  const run = createRun(ports)
  const options = Object.fromEntries([...catalogue.providers].map(([id, provider]) => [id, provider.adapter.options]))
  const offers = createOffers(config, catalogue, run, breakers)
  const costs = createCosts({ store, offers, clock: CLOCK })
  const accept = createAccept({ ports, offers, roll: Math.random, urlObjection: transport.objection })
  const schema = requestSchema(options)
  const idempotency = createIdempotency(store, () => CLOCK.now())
  const intake = createIntake({ requestSchema: schema, accept, run, idempotency })
  const compare = createCompare({
    ports,
    accept,
    run,
    idempotency,
    newId: () => orderedId('cmp'),
    beginGeneration: intake.begin,
    publicUrl: () => publicUrl,
  })
  const app = await buildApp({
    run,
    accept,
    costs,
    budgetLeft: costs.budgetLeft,
    intake,
    compare,
    store,
    assets,
    clock: CLOCK,
    requestSchema: schema,
    models: modelListing(config, catalogue, run),
    providers: providerListing({ config, catalogue, run, health, breakers, send: transport.send, clock: CLOCK, ids: IDS }),
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
    notify,
    hooks,
    hookSecretHeader,
    post: transport.post,
    bodyLimitBytes: config().server.bodyLimitBytes,
    log,
    version: packageJson.version,
    sandbox: config().sandbox,
  })

  opened.defer(() => app.close())

  const { host, port } = config().server
  // Known before anything can ask for it; with port 0 the real one is known only once it listens.
  const url = await app.listen({
    host,
    port,
    listenTextResolver: (address) =>
      `imagegate listens on ${address}${config().sandbox ? ' (sandbox: no vendor key is set, every vendor is emulated)' : ''}`,
  })
  publicUrl ||= url
  notify.wake()
  const resumed = await run.resume()
  if (resumed > 0) log.info({ generations: resumed }, 'open generations continue')
  await compare.resume()
  const stopWatching = config().path === null ? () => {} : watchConfig(config().path ?? '', () => void live.reload())
  opened.defer(stopWatching)
  const onHangUp = () => void live.reload()
  process.on('SIGHUP', onHangUp)
  opened.defer(() => void process.off('SIGHUP', onHangUp))
  opened.defer(startRetention({ directory: places.assets, store, clock: CLOCK, log, limits: () => config().assets }))

  return {
    url,
    sandbox: config().sandbox,
    async close() {
      await shutDown({ app, run, drain, clock: CLOCK })
      await opened.disposeAsync()
    },
  }
}

function placesOf(config: Config): { readonly store: string; readonly assets: string } {
  try {
    return { store: storeDirectory(config.storeUrl), assets: assetsDirectory(config.assets.url) }
  } catch (error) {
    throw new StartRefused(error instanceof Error ? error.message : 'unknown place')
  }
}
