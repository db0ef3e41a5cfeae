import { requestSchema } from '#contract'
import { unplayedStories } from '#sandbox'
import { createOffers } from '../catalogue/offers.ts'
import type { Config } from '../config/config.ts'
import { isLoopback } from '../config/network.ts'
import { resolveModel } from '../config/offers.ts'
import type { Offers } from '../core/offers.ts'
import { createCosts } from '../core/billing/cost-report.ts'
import type { Costs } from '../core/billing/cost-report.ts'
import { createReconcile } from '../core/billing/reconcile.ts'
import type { Reconcile } from '../core/billing/reconcile.ts'
import { createCompare } from '../core/comparisons/compare.ts'
import type { Compare } from '../core/comparisons/compare.ts'
import { createAccept } from '../core/generation/accept.ts'
import type { Accept, AcceptDependencies } from '../core/generation/accept.ts'
import { createIdempotency } from '../core/generation/idempotency.ts'
import { createRun } from '../core/generation/run.ts'
import type { Run } from '../core/generation/run.ts'
import { PATIENCE } from '../core/generation/open-generation.ts'
import type { GatewayKeys } from '../core/keys/gateway-keys.ts'
import { providersFor } from '../core/keys/may-use.ts'
import { policyInForce } from '../core/keys/policy-in-force.ts'
import { createKeyWatch } from '../core/keys/key-watch.ts'
import type { KeyWatch } from '../core/keys/key-watch.ts'
import type { Clock, CountPurchases, Ports, Store } from '../core/ports.ts'
import { imageLinks } from '../core/present/image-link.ts'
import type { ImageLinks } from '../core/present/image-link.ts'
import { newNodeSecret } from '../core/webhooks/signature.ts'
import { breather } from '../reading/turn-share.ts'
import { createGenerationLimit } from '../http/limits/generations.ts'
import { createCountPurchases } from '../http/limits/purchases.ts'
import { createRateLimit } from '../http/limits/rate.ts'
import type { RateLimit } from '../http/limits/rate.ts'
import type { ObserveLimited } from '../http/limits/refusal.ts'
import { createLimits } from '../http/limits/limits.ts'
import type { Limits } from '../http/limits/limits.ts'
import { createIntake } from '../http/intake.ts'
import type { Intake } from '../http/intake.ts'
import type { RequestSchema } from '../http/request-schema.ts'
import { CLOCK } from './clock-and-ids.ts'
import { orderedId } from '../core/new-id.ts'
import { composePorts } from './compose-ports.ts'
import { createMonitoring } from './monitoring.ts'
import type { Monitoring } from './monitoring.ts'
import { limitsWithin, mostOpenFiles } from './open-files.ts'
import type { Resources } from './open-resources.ts'
import { createPublicAddress } from './public-address.ts'
import type { PublicAddress } from './public-address.ts'
import { within } from './shutdown.ts'
import { createWebhooks } from './webhooks.ts'
import type { Webhooks } from './webhooks.ts'

export interface Services {
  readonly address: PublicAddress
  readonly keys: GatewayKeys
  /** How many requests of each key came in a minute. */
  readonly keyRate: RateLimit
  readonly keyWatch: KeyWatch
  readonly links: ImageLinks
  /** Signs links. */
  readonly linkSecret: string
  readonly monitoring: Monitoring
  readonly webhooks: Webhooks
  readonly run: Run
  readonly requestSchema: RequestSchema
  readonly accept: Accept
  readonly offers: Offers
  readonly costs: Costs
  readonly reconcile: Reconcile
  readonly intake: Intake
  readonly compare: Compare
  readonly limits: Limits
  /** That of the ports: what is asked for is judged by the same time as what is bought. */
  readonly clock: Clock
}

const NOTIFY_STOP_MS = 2_000

/** Everything that works behind the HTTP routes, each made from what stands above it. */
export async function createServices(resources: Resources, opened: AsyncDisposableStack): Promise<Services> {
  const { catalogue, config, keys, store, transport, live, overrides } = resources
  const address = createPublicAddress(config().server.publicUrl)
  const monitoring = createMonitoring(resources, opened)
  const linkSecret = await store.secret('image-links', newNodeSecret())
  const links = linksOf(resources, keys, address, linkSecret, () => ports.clock.now())
  const webhooks = await startWebhooks(resources, links, opened)
  const { hooks, notify } = webhooks
  const { wrapPorts = (ports: Ports) => ports } = overrides
  const ports = wrapPorts(composePorts({ resources, monitoring, hooks, deliveriesDue: notify.wake }))
  const run = createRun(ports, { ...PATIENCE, ...overrides.patience })
  // A raised `max_in_flight` acts at once, and a provider that was switched off loses those who wait for it.
  live.onSwapped(() => run.settingsChanged())
  const options = Object.fromEntries([...catalogue.providers].map(([id, provider]) => [id, provider.adapter.options]))
  const schema = requestSchema(options)
  const offers = createOffers({ config, catalogue, measured: run, breakers: monitoring.breakers, keys })
  const names = { providers: offers.providers, models: () => catalogue.models, modelOf: modelNamed(resources) }
  const costs = createCosts({ store, offers, clock: ports.clock, names, breather })
  const reconcile = createReconcile({ store, openHere: () => run.openRecords(), clock: ports.clock, log: ports.log, breather })
  const accept = createAccept({ ports, offers, roll: Math.random, urlObjection: transport.objection, ...storiesOf(ports, offers) })
  const idempotency = createIdempotency(store, resources.ages)
  const { observeLimited } = monitoring.metrics
  const limit = createGenerationLimit({ run, limits: () => config().limits, observeLimited })
  const { keyRate, countPurchases } = ratesOf(keys, store, observeLimited)
  const intake = createIntake({ requestSchema: schema, accept, run, idempotency, limit, countPurchases })
  const compare = createCompare({
    ports,
    accept,
    installed: offers.providers,
    shownTo: (key) => providersFor(policyInForce(offers.standing(key))?.providers ?? null, offers.providers()),
    run,
    idempotency,
    newId: () => orderedId('cmp'),
    countPurchases,
    admit: limit.admit,
    beginGeneration: intake.begin,
    links,
  })
  return {
    address,
    keys,
    keyRate,
    keyWatch: watchKeys(resources),
    links,
    linkSecret,
    monitoring,
    webhooks,
    run,
    requestSchema: schema,
    accept,
    offers,
    costs,
    reconcile,
    intake,
    compare,
    limits: createLimits({ limits: callersLimits(resources), trustedProxies: () => config().trustProxy, isLoopback, observeLimited }),
    clock: ports.clock,
  }
}

/** What callers may take, within what the system lets this process have open. */
function callersLimits({ config, log }: Resources): () => Config['limits'] {
  const files = mostOpenFiles()
  return limitsWithin(
    () => config().limits,
    files,
    (connections) =>
      log.warn(
        { files, connections },
        'the system lets this process open few files, so fewer connections are taken; raise it with ulimit -n',
      ),
  )
}

/** How many requests of each key came in a minute, and what a request adds to them by what it buys. */
function ratesOf(
  keys: GatewayKeys,
  { nodes }: Store,
  observeLimited: ObserveLimited,
): { readonly keyRate: RateLimit; readonly countPurchases: CountPurchases } {
  const keyRate = createRateLimit('key', nodes?.limiter)
  const rateOf = (key: string): number | null => keys.rules(key)?.ratePerMinute ?? null
  return { keyRate, countPurchases: createCountPurchases({ rateOf, rate: keyRate, observeLimited }) }
}

/** The canonical model that a name means now; null where there is none. */
const modelNamed =
  ({ config, catalogue }: Resources) =>
  (name: string): string | null =>
    resolveModel(config(), catalogue, name)?.model ?? null

/** A sandbox says of a prompt whose story nobody plays that it is none. */
const storiesOf = ({ settings }: Ports, offers: Offers): Pick<AcceptDependencies, 'promptWarnings'> =>
  settings.sandbox ? { promptWarnings: (prompt) => unplayedStories(prompt, offers.providers()) } : {}

/** A reload may take a key away, too. */
function watchKeys({ keys, live, clock }: Resources): KeyWatch {
  const watch = createKeyWatch(keys, clock)
  live.onSwapped(() => void watch.check())
  return watch
}

/** Links are signed where keys are on, unless the operator made images public. */
const linksOf = ({ config }: Resources, keys: GatewayKeys, address: PublicAddress, secret: string, now: () => number): ImageLinks =>
  imageLinks({
    publicUrl: address.current,
    secret,
    lifeMs: () => (keys.isOn() && !config().assets.public ? config().assets.linkTtlMs : null),
    now,
  })

async function startWebhooks(
  { config, catalogue, store, clock, assets, transport, log, overrides }: Resources,
  links: ImageLinks,
  opened: AsyncDisposableStack,
): Promise<Webhooks> {
  const webhooks = await createWebhooks({
    config,
    catalogue,
    store,
    clock,
    post: transport.post,
    download: transport.download,
    assets,
    links,
    delaysMs: overrides.webhookDelaysMs,
    claimMs: overrides.webhookClaimMs,
    log,
  })
  opened.defer(async () => void (await within(CLOCK, webhooks.notify.stop(), NOTIFY_STOP_MS)))
  return webhooks
}
