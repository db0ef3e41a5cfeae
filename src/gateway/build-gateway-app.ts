import packageJson from '../../package.json' with { type: 'json' }
import type { GatewayNode } from '#contract'
import { iso } from '../core/instant.ts'
import { buildApp } from '../http/app.ts'
import type { App } from '../http/app.ts'
import type { Clock } from '../core/ports.ts'
import { comparisonsOfCallers } from '../http/comparisons-of-callers.ts'
import { createMeasureReference } from '../http/compatible/measure-reference.ts'
import { LIMITED } from '../http/limits/refusal.ts'
import { judgeLink } from '../core/present/image-link.ts'
import { isLoopback } from '../config/network.ts'
import { IDS } from './clock-and-ids.ts'
import type { Services } from './create-services.ts'
import { keyObjection, keyRingOf } from './gateway-keys.ts'
import { modelListing, partialImagesAt, providerListing } from './listings.ts'
import type { Load } from '../monitoring/gauges.ts'
import type { Subjects } from '../monitoring/metrics.ts'
import type { Resources } from './open-resources.ts'
import { pagesFolder } from './pages-folder.ts'

/** What was built with this version. */
const built = () => ({ version: packageJson.version, pagesFolder: pagesFolder() })

/** The application with every route, not yet listening. */
export async function buildGatewayApp(resources: Resources, services: Services, opened: AsyncDisposableStack): Promise<App> {
  const { catalogue, config, store, assets, transport, log } = resources
  const { address, monitoring, webhooks, run, accept, costs, reconcile, intake, compare } = services
  const { metrics } = monitoring
  metrics.expectLimited(LIMITED)
  metrics.readFrom({
    load: () => loadOf(resources, services),
    budgets: () => costs.budgets(),
    subjects: () => subjectsOf(resources, services),
  })
  const app = await buildApp({
    run,
    accept,
    costs,
    reconcile,
    budgetLeft: costs.budgetLeft,
    intake,
    compare: comparisonsOfCallers(compare),
    store,
    assets,
    clock: clockOfReaders(services.clock, resources.overrides.unreadMs),
    requestSchema: services.requestSchema,
    installed: services.offers.providers,
    models: modelListing(config, catalogue, run),
    partialImagesAt: partialImagesAt(config, catalogue),
    offersOf: (model) => services.offers.ofModel(model),
    providers: listedProviders(resources, services),
    keys: keyRingOf(services.keys, services.keyWatch, services.keyRate, metrics.observeLimited),
    limits: services.limits,
    gatewayKeys: services.keys,
    links: services.links,
    imagesArePublic: () => config().assets.public,
    isServedByBucket: () => config().assets.servedBy === 'bucket',
    judgeLink: (id, expires, signature) => judgeLink(services.linkSecret, id, expires, signature, services.clock.now()),
    download: transport.download,
    maxImageBytes: () => config().assets.maxImageBytes,
    keyObjection: keyObjection(config, catalogue, services.clock),
    origins: { publicUrl: address.own, corsOrigins: () => config().server.corsOrigins, isLoopback },
    metrics: metrics.text,
    observeRequest: metrics.observeRequest,
    expectRequests: metrics.expectRequests,
    notReady: () => notReady(resources),
    publicUrl: address.current,
    notify: webhooks.notify,
    hooks: webhooks.hooks,
    signedCallbacks: webhooks.signedCallbacks,
    hookSecretHeader: webhooks.hookSecretHeader,
    measureReference: createMeasureReference({ assets, download: transport.download, clock: services.clock }),
    backupDirectory: resources.folders.store,
    bodyLimitBytes: config().server.bodyLimitBytes,
    unreadMs: resources.overrides.unreadMs,
    connectionTimes: resources.overrides.connectionTimes,
    log,
    ...built(),
    sandbox: config().sandbox,
  })
  opened.defer(() => app.close())
  return app
}

/** What a reader may take nothing of for less than a minute, in a test, is measured on a clock that is as much quicker. */
const clockOfReaders = (clock: Clock, unreadMs: number | undefined): Clock =>
  unreadMs === undefined ? clock : { ...clock, after: (ms, call) => clock.after((ms * unreadMs) / 60_000, call) }

function listedProviders({ catalogue, config, transport, reloads, store }: Resources, { run, monitoring, clock }: Services) {
  const { health, breakers } = monitoring
  return providerListing({
    config,
    catalogue,
    run,
    tasksElsewhere: store.nodes?.tasksElsewhere,
    health,
    breakers,
    send: transport.send,
    clock,
    ids: IDS,
    configuration: reloads.state,
    nodes: () => nodesOf(store),
  })
}

/** The gateways on the same database; null where there is none but this. */
async function nodesOf({ nodes }: Resources['store']): Promise<readonly GatewayNode[] | null> {
  const all = await nodes?.list()
  return (
    all?.map(({ id, isThis, revision, startedAt, seenAt }) => ({
      id,
      this: isThis,
      revision,
      started_at: iso(startedAt),
      seen_at: iso(seenAt),
    })) ?? null
  )
}

/** How busy everything is, for the metrics. */
const loadOf = ({ catalogue, config }: Resources, { run, monitoring }: Services): Load => ({
  open: run.openCount,
  providers: [...catalogue.providers].map(([id, { manifest }]) => {
    const { inFlight, waiting, free } = run.slotState(id)
    const { enabled = false, maxInFlight = manifest.max_in_flight } = config().providers.get(id) ?? {}
    return { id, inFlight, waiting, free, maxInFlight, enabled, breaker: monitoring.breakers.state(id) }
  }),
})

/** What is sold and to whom, so that the metrics show it before anything happens. */
const subjectsOf = ({ catalogue, config }: Resources, { offers }: Services): Subjects => ({
  offers: catalogue.models
    .flatMap((model) => catalogue.offers(model).map(({ provider }) => ({ provider, model })))
    .filter(({ provider }) => config().providers.get(provider)?.enabled === true),
  keys: offers.keys().length === 0 ? [null] : offers.keys().map(({ name }) => name),
})

/** Why no request can be taken, or null. */
async function notReady({ config, store }: Resources): Promise<string | null> {
  if (![...config().providers.values()].some((provider) => provider.enabled)) return 'no provider is enabled'
  return store.ping().then(
    () => null,
    () => 'the database does not answer',
  )
}
