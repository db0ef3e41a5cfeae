import { startRetention } from '../store/assets/retention.ts'
import type { App } from '../http/app.ts'
import { CLOCK, STEADY_CLOCK } from './clock-and-ids.ts'
import type { Services } from './create-services.ts'
import type { Resources } from './open-resources.ts'
import { shutDown } from './shutdown.ts'
import { refuseInWords } from './start-refused.ts'
import { watchConfiguration } from './watch-configuration.ts'

export interface Server {
  readonly url: string
  readonly sandbox: boolean
  /** Reads configuration, environment files and secret files again; a bad configuration is logged and the old one stays. */
  reload(): Promise<void>
  close(): Promise<void>
}

/**
 * Takes requests, continues what an earlier process left open, and follows changes of the configuration.
 * @throws StartRefused where the address cannot be listened on
 */
export async function listenAndResume(app: App, resources: Resources, services: Services, opened: AsyncDisposableStack): Promise<Server> {
  const { config, live, store, folders, log } = resources
  const { address, webhooks, run, compare } = services
  const { host, port } = config().server
  const listenTextResolver = (address: string) => greeting(address, config().sandbox)
  const url = await app.listen({ host, port, listenTextResolver }).catch(refuseInWords)
  address.listensAt(url)
  webhooks.notify.wake()
  const resumed = await run.resume()
  if (resumed > 0) log.info({ generations: resumed }, 'open generations continue')
  await compare.resume()
  opened.defer(watchConfiguration(live))
  opened.defer(startRetention({ directory: folders.assets, store, clock: STEADY_CLOCK, log, limits: () => config().assets }))
  return {
    url,
    sandbox: config().sandbox,
    reload: async () => void (await live.reload()),
    async close() {
      await shutDown({ app, run, clock: CLOCK })
      await opened.disposeAsync()
    },
  }
}

const greeting = (address: string, sandbox: boolean): string =>
  `imagegate listens on ${address}${sandbox ? ' (sandbox: no vendor key is set, every vendor is emulated)' : ''}`
