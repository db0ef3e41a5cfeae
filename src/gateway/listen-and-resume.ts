import { resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { revisionOf } from '../config/same-setting.ts'
import { startAddingUp } from '../store/add-up-days.ts'
import { startRetention } from '../store/assets/retention.ts'
import type { Compare } from '../core/comparisons/compare.ts'
import { newNodeSecret } from '../core/webhooks/signature.ts'
import type { App } from '../http/app.ts'
import { CLOCK } from './clock-and-ids.ts'
import type { Services } from './create-services.ts'
import type { Resources } from './open-resources.ts'
import { listen } from './listen.ts'
import { logWarnings } from './report-reload.ts'
import { shutDown } from './shutdown.ts'
import { watchConfiguration } from './watch-configuration.ts'

export interface Server {
  readonly url: string
  readonly sandbox: boolean
  /** Reads configuration, environment files and secret files again; a bad configuration is logged and the old one stays. */
  reload(): Promise<void>
  /** @param why for the log: the signal, or what else ends it */
  close(why?: string): Promise<void>
}

const COMPARISONS_EVERY_MS = 15_000

/**
 * Takes requests, continues what an earlier process left open, and follows changes of the configuration.
 */
export async function listenAndResume(app: App, resources: Resources, services: Services, opened: AsyncDisposableStack): Promise<Server> {
  const { config, live, store, imageStorage, log } = resources
  const { address, webhooks, run, compare } = services
  const { host, port } = config().server
  const reportRevision = await revisionReport(resources)
  const url = await listen(app, { host, port, listenTextResolver: (address) => greeting(address, config()) })
  logWarnings(log, resources.warnings)
  address.listensAt(url)
  webhooks.notify.wake()
  const resumed = await run.resume()
  if (resumed > 0) log.info({ generations: resumed }, 'open generations continue')
  await continueComparisons(compare, resources, opened)
  opened.defer(watchConfiguration(live))
  reportRevision()
  const { nodes } = store
  /** Whose turn it is, where several processes share the work. */
  const turnOf = (work: string) => (nodes ? { isTurn: (periodMs: number) => nodes.takeTurn(work, periodMs) } : {})
  const { clock, ages } = resources
  opened.defer(startRetention({ storage: imageStorage, store, clock, ages, log, limits: () => config().assets, ...turnOf('retention') }))
  opened.defer(startAddingUp({ store, clock, log, ...turnOf('cost-days') }))
  return {
    url,
    sandbox: config().sandbox,
    reload: async () => void (await live.reload()),
    async close(why = 'asked to close') {
      const begunAt = CLOCK.monotonicMs()
      log.info({ why, open: run.openCount }, 'imagegate stops: it takes no more requests, and ends what ends within seconds')
      await shutDown({ app, run, clock: CLOCK })
      // What is open stays on disk.
      const open = run.openCount
      await opened.disposeAsync()
      log.info(
        { why, open, ms: Math.round(CLOCK.monotonicMs() - begunAt) },
        open === 0 ? 'imagegate has stopped' : 'imagegate has stopped; open generations continue at the next start',
      )
    },
  }
}

/** What has the other gateways on the database show which configuration this one runs, from then on. */
async function revisionReport({ store, live }: Resources): Promise<() => void> {
  const { nodes } = store
  if (nodes === undefined) return () => {}
  const secret = await store.secret('configuration-revision', newNodeSecret())
  const report = (config: Config): void => nodes.report(revisionOf(config, secret))
  return () => {
    live.onSwapped(report)
    report(live.current())
  }
}

/**
 * Those that a crash left half begun: at once, or, where another process may be beginning them, after a while and by one process. Then those
 * whose generations the store refused.
 */
async function continueComparisons({ resume }: Compare, { store, overrides }: Resources, opened: AsyncDisposableStack): Promise<void> {
  const { nodes } = store
  if (nodes === undefined) await resume()
  const { comparisonsEveryMs: everyMs = COMPARISONS_EVERY_MS } = overrides
  const round = async (): Promise<void> => {
    if (nodes === undefined || (await nodes.takeTurn('comparisons', everyMs))) await resume(everyMs)
  }
  // What the store does not answer or take now, it does at the next round.
  const timer = setInterval(() => void round().catch(() => {}), everyMs)
  opened.defer(() => clearInterval(timer))
}

/** The first line of the log: where it listens, and with what. */
function greeting(address: string, { path, dataDirectory, sandbox, providers }: Config): string {
  const states = [...providers.values()].map(
    ({ id, reason }) => `${id} ${reason === null ? (sandbox ? 'emulated' : 'enabled') : `disabled (${reason})`}`,
  )
  return [
    `imagegate listens on ${address}${sandbox ? ' (sandbox: no vendor key is set, every vendor is emulated)' : ''}`,
    `configuration: ${path === null ? 'no file' : resolve(path)}`,
    `data: ${dataDirectory}`,
    `providers: ${states.join(', ')}`,
  ].join('; ')
}
